"""Which charset is unlabelled text in? Decided by how much the decoded text looks like writing.

General detectors need paragraphs; a subject such as "发票" has four bytes. So each candidate decodes the
sample, and its characters are weighed: frequent characters of the language count for it, rare ones, private
use, and impossible neighbours (two accented capitals in the middle of a word) against it.
"""

import re
from typing import NamedTuple

_SAMPLE = 4096

# The characters that make up most of everyday and customer-service text, by frequency (own selection).
_HANS = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去"
    "法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点"
    "正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿"
    "原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德"
    "资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交"
    "规万取拉格望觉术领共确传师观清今切院让识候带导争运您请订单货退款价格咨询投诉客服系统登录密码账号帐户收件发票合同产品质量问题处理尽快"
    "无法使用故障报错错误页面打开失败服务器宕机谢谢麻烦联系电话邮件附件快递物流购买支付金额优惠软件硬件版本升级安装网络断线紧急急今早昨晚"
    "公司同事影响业务恢复赔偿态度差满意回复转发自动测试通知申请审批版权数据库上传下载导出导入权限屏幕蓝充值余额扣费续费发货签收破损换修"
    "李王张刘陈杨黄赵周吴徐孙朱马胡郭林何高梁郑罗宋谢唐韩曹许邓萧冯曾程蔡彭潘袁董余苏叶吕魏蒋田杜丁沈姜范江傅钟卢汪戴崔任陆廖姚方石熊"
)
_HANT = frozenset(
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成方多經麼去"
    "法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點"
    "正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒"
    "原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德"
    "資命山金指克許統區保至隊形社便空決治展馬科司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交"
    "規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運您請訂單貨退款價格諮詢投訴客服系統登入密碼帳號帳戶收件發票合約產品品質問題處理儘快"
    "無法使用故障報錯錯誤頁面打開失敗伺服器當機謝謝麻煩聯絡電話郵件附件快遞物流購買支付金額優惠軟體硬體版本升級安裝網路斷線緊急今早昨晚"
    "公司同事影響業務恢復賠償態度滿意回覆轉發自動測試通知申請資料庫上傳下載匯出匯入權限螢幕繳費寄送簽收破損更換維修顧敬啟祝"
    "陳林黃張李王吳劉蔡楊許鄭謝洪郭邱曾廖賴徐周葉蘇莊呂江何蕭羅高潘簡朱鍾彭游詹胡施沈余盧梁趙顏柯翁魏孫戴范方宋鄧杜傅侯曹薛丁卓馬阮董"
)
_KANJI = frozenset(
    "日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方四定今回新場金員九入選立開手米力学問"
    "高代明実円関決子動京全目表戦経通外最言氏現理調体化田当八六約主題下首意法不来作性的要用制治度務強気小七成期公野協取都和統以機平総"
    "加山思家話世受区領多県続進正安設保改数記院女初北午指権心界支第産結百派点教報済書府活原先共得解名交資予川向際査勝面委告軍文反元重"
    "近千考判認画海参売利組知案道信策集在件団別物側任引使求所次水半品昨論計死官増係感特情投示変打男基私各始島直両朝革価式確村提運終挙"
    "果西勢減台広容必応演電歳住争談能無再位置企真流格有疑口過局少放税検藤町常校料沢裁状工建語球営空職証土与急止送援供可役構木割聞身費"
    "付施切由説転食比難防補車優夫研収断井何南石足違消境神番規術護展態導鮮備宅害配副算視条幹独警宮究育席輸訪楽起万着乗店述残想線率病農"
    "注文商届請求書確認願致問合返品交換購入配送発送連絡頂宜失礼早速対応障害停止接続登録変更解約契約担当様御社株式添付資料遅延不具合修理"
)
_HANGUL = frozenset(
    "이다는을에의가고지하은한로어사를자기대인도서나라리아시제부해그일수정스보과만들전있주으상장구거안원와여우동조신오세공무마경성연교국치"
    "비계소위회문면생선저방금관될중개발통실내산물재적분된했간용모식미러게것게요습니입합감바할등네로그인환불주문배송문의답변확인요청불만"
    "접수처리담당고객센터안녕하세요드립니다않았았습결제오류상품취소교환반품영수증계정비밀번호받못했음시지급빠른도와주세님데때더까"
)
_LATIN = frozenset("äöüßéèàçñóíáúêôâîëïåæøãõìòùœÉÀÄÖÜÅÆØÑÓÍÁÚÇÈÊ")
_LATIN2 = frozenset("ąćęłńóśźżáčďéěíňřšťúůýžäöüßőűăâîșțşţôŁŚŻŹĆČŘŠŽÁÉÓÚÍÖŐÜŰĎĽľĺŕ")
_MARKS = frozenset("“”‘’–—…€«»¿¡°§£©®·•™ºª\xa0´")
_WIDE_MARKS = frozenset("，。、！？：；（）【】「」《》“”‘’…—・～·　％＂－")
_CYRILLIC = frozenset("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё")


class _Candidate(NamedTuple):
    codec: str
    common: frozenset[str]
    bonus: float


# The bonus settles ties by how often each charset is met unlabelled in a helpdesk's mail.
_WIDE = (
    _Candidate("gb18030", _HANS, 0.12),
    _Candidate("cp950", _HANT, 0.05),
    _Candidate("cp932", _KANJI, 0.0),
    _Candidate("euc_jp", _KANJI, 0.0),
    _Candidate("cp949", _HANGUL, 0.02),
)
_NARROW = (
    _Candidate("cp1252", _LATIN, 0.08),
    _Candidate("cp1250", _LATIN2, 0.0),
    _Candidate("cp1251", _CYRILLIC, 0.0),
    _Candidate("koi8_r", _CYRILLIC, 0.0),
)
_HIGH_RUN = re.compile(r"[^\x00-\x7f]")
_READABLE = re.compile(r"[\x20-\x7e\n\r\t\u3000-\u303f\u4e00-\u9fff\u3040-\u30ff\uac00-\ud7a3\uff00-\uffef]")


def readable(text: str) -> bool:
    """Whether most of the first characters are ASCII, CJK or Hangul: a check on a supposed UTF-16 mark."""
    head = text[:400]
    return bool(head) and len(_READABLE.findall(head)) >= 0.8 * len(head)


def rather_chinese(data: bytes) -> bool:
    """Whether bytes that are valid UTF-8 by chance are Chinese all the same.

    A few words such as "系统" or "联通" spell as pairs of Greek or Hebrew letters. Only
    when every character is among the most frequent ones.
    """
    if len(data) > 200:
        return False
    text = _strictly(data, "gb18030")
    return text is not None and all(char in _HANS or char in _WIDE_MARKS for char in text if char > "\x7f")


def guess(data: bytes, *, prior: str | None = None) -> tuple[str, str]:
    """(text, codec) for `data` in an unknown 8-bit charset; `prior` is the codec its label claimed.

    Only the first non-ASCII stretch of the data is weighed, so the time does not grow with the data.
    """
    sample = _sample(data)
    best, best_score = prior or "cp1252", float("-inf")
    for candidate in (*_WIDE, *_NARROW):
        text = _strictly(sample, candidate.codec)
        if text is None:
            continue
        weigh = _wide if candidate in _WIDE else _narrow
        score = weigh(text, sample, candidate) + candidate.bonus + (0.35 if candidate.codec == prior else 0.0)
        if score > best_score:
            best, best_score = candidate.codec, score
    if best_score < 0 and prior is not None:
        best = prior
    return _tolerantly(data, best), best


def _sample(data: bytes) -> bytes:
    start = next((at for at, byte in enumerate(data[:1_000_000]) if byte > 0x7F), 0)
    # Begin at a line start: the middle of a multi-byte character would shift all that follows.
    start = max(data.rfind(b"\n", 0, start) + 1, start - _SAMPLE)
    return data[start : start + _SAMPLE]


def _strictly(sample: bytes, codec: str) -> str | None:
    """The decoded sample; up to three bytes at a cut end may be missing, nothing else."""
    for cut in range(4 if len(sample) >= _SAMPLE else 2):
        try:
            return sample[: len(sample) - cut].decode(codec)
        except UnicodeDecodeError as error:
            if error.start < len(sample) - 4:
                return None
    return None


def _tolerantly(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        # Five bytes mean nothing in Windows-1252; a browser shows them as the control characters they are.
        return data.decode(codec, "replace")


def _wide(text: str, sample: bytes, candidate: _Candidate) -> float:
    """Weight per non-ASCII byte of a multi-byte reading."""
    total = 0.0
    width = 0
    for char in text:
        if char <= "\x7f":
            continue
        size = len(char.encode(candidate.codec, "replace"))
        width += size
        total += size * _wide_char(char, candidate)
    return total / width if width else 0.0


def _wide_char(char: str, candidate: _Candidate) -> float:
    if char in candidate.common:
        return 1.0
    if char in _WIDE_MARKS:
        return 0.7
    if "\u4e00" <= char <= "\u9fff":
        return _ideograph(char, candidate.codec)
    if "\u3041" <= char <= "\u30ff":
        return 0.9 if candidate.common is _KANJI else 0.1
    if "\uac00" <= char <= "\ud7a3":
        return _first_level(char, candidate.codec, 0xB0, 0xC8, 0.5)
    if "\uff01" <= char <= "\uff5e" or "\u2460" <= char <= "\u24ff":
        return 0.3
    if "\uff61" <= char <= "\uff9f":
        return -0.6
    return -1.2 if "\ue000" <= char <= "\uf8ff" else -0.8


def _ideograph(char: str, codec: str) -> float:
    """National standards put the frequent characters into a first level, by lead byte."""
    if codec == "cp949":
        return -0.6
    first, last = {
        "gb18030": (0xB0, 0xD7),
        "cp950": (0xA4, 0xC6),
        "cp932": (0x88, 0x97),
        "euc_jp": (0xB0, 0xCF),
    }[codec]
    return _first_level(char, codec, first, last, 0.25)


def _first_level(char: str, codec: str, first: int, last: int, weight: float) -> float:
    spelled = char.encode(codec, "replace")
    low_trail = codec in ("gb18030", "cp949") and len(spelled) == 2 and spelled[1] < 0xA1
    if len(spelled) == 2 and first <= spelled[0] <= last and not low_trail:
        return weight
    return -0.9 if low_trail or len(spelled) > 2 else -0.35


def _narrow(text: str, sample: bytes, candidate: _Candidate) -> float:
    """Weight per non-ASCII byte of a single-byte reading: letters must stand where letters stand."""
    total = 0.0
    count = 0
    cyrillic = candidate.common is _CYRILLIC
    for found in _HIGH_RUN.finditer(text):
        count += 1
        at = found.start()
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        total += (
            _cyrillic(found[0], before, after, candidate)
            if cyrillic
            else _latin(found[0], before, after, candidate)
        )
    return total / count if count else 0.0


def _latin(char: str, before: str, after: str, candidate: _Candidate) -> float:
    if char in _MARKS:
        foreign = (before > "\x7f" and before not in _MARKS) or (after > "\x7f" and after not in _MARKS)
        return -0.8 if foreign else 0.75
    if not char.isalpha():
        return -1.0
    lonely = not (before > "\x7f" and before.isalpha()) and not (after > "\x7f" and after.isalpha())
    if char.isupper() and before.islower():
        return -1.2
    weight = 0.9 if char in candidate.common else -0.2
    return weight if lonely else min(weight, 0.3) - (0.6 if before > "\x7f" and after > "\x7f" else 0.3)


def _cyrillic(char: str, before: str, after: str, candidate: _Candidate) -> float:
    if char in _MARKS or char == "№":
        return 0.3
    lower = char.lower()
    if lower not in candidate.common or (before.isascii() and before.isalpha()):
        return -1.0
    if char.isupper() and (before.islower() or (before.isupper() and after.islower())):
        return -1.0
    weight = 0.85 if lower in "оеаинтсрвлкмдпу" else 0.45
    return weight if char.islower() else weight - 0.35
