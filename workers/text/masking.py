"""Masks for personal data: what colleagues, lists, mails and exports may show of a customer.

The masks are idempotent: masking twice changes nothing more, so a step and a template may both do it.
"""

import re
from collections.abc import Callable, Iterable

from workers.text.words import one_line

_Mask = Callable[[re.Match[str]], str]

# Surnames that cover nearly everybody; rare ones that are also everyday words (和, 都, 能 …) are left out,
# since they would mask half a sentence.
_SURNAMES = (
    "(?:欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|慕容|令狐|夏侯|司徒|端木|"
    "[王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蔡蒋余于杜叶程苏魏吕丁任沈姚卢姜"
    "崔钟谭陆汪范石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔汤庞樊殷霍翟童葛])"
)
_TITLES = "女士|先生|小姐|太太"
_HAN = "\u4e00-\u9fff"

# Full-width digits and signs read like their ASCII twins; same length, so positions stay true.
_FOLD = str.maketrans("０１２３４５６７８９＠．＋－（）\u00a0\u2011\u2013", "0123456789@.+-() --")

# Chinese runs into an address without a blank (邮箱alice@…), so a local part is all ASCII or all Chinese.
_EMAIL = re.compile(
    r"[A-Za-z0-9_+][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}(?:@[A-Za-z0-9.-]{1,255})*"
    rf"|[{_HAN}]{{1,16}}@[A-Za-z0-9{_HAN}-]{{1,63}}(?:\.[A-Za-z0-9{_HAN}-]{{1,63}}){{1,8}}"
)
_IDENTITY = re.compile(
    r"(?<!\d)[1-9]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?:\d(?!\d)|[Xx])"
    r"|(?<=身份证)\D{0,8}[1-9]\d{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}(?!\d)"
    r"|(?<=护照)\D{0,8}[A-Z]{1,2}\d{7,8}(?!\d)|(?<=[Pp]assport)\D{0,8}[A-Z]{0,2}\d{7,9}(?!\d)"
)
_CARD = re.compile(
    r"(?<!\d)(?P<plain>\d{16,19})(?!\d)|(?<![\d-])\d{4}(?P<gap>[ -])\d{4}(?P=gap)\d{4}(?P=gap)\d{4}"
    r"(?:(?P=gap)\d{1,3})?(?![\d-])"
)
_MOBILE = re.compile(r"(?<!\d)(?:(?:\+|00)?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)")
_PHONE = re.compile(
    r"\+\d{1,3}(?:[ .()-]{0,2}\d){6,14}(?!\d)"
    r"|(?<![\d-])(?:\(0\d{2,3}\) ?|0\d{2,3}[ -])\d{3,4}[ -]?\d{4}(?!\d)"
    r"|(?<![\d.-])0[1-9]\d{8,10}(?![\d-])"
    # Hotlines (400, 800) belong to companies and must stay readable.
    r"|(?<![\d-])(?!400|800)(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\d-])"
)
_PLACE = re.compile(
    rf"(?P<kept>[{_HAN}]{{1,12}}[省市区县镇乡]|[{_HAN}]{{0,6}}(?:住在|位于|地址是?|寄到|送到))?[{_HAN}]{{1,6}}(?:路|街|大道|道|巷|弄|胡同|村)\d{{1,5}}(?:[-之]\d{{1,4}})?[号弄]"
    rf"(?:[{_HAN}A-Za-z0-9-]{{0,8}}?\d(?:号楼|栋|楼|单元|层|室|座|幢|号)){{0,4}}"
    rf"|[{_HAN}]{{0,6}}?\d{{1,4}}(?:栋|幢|号楼)(?:[A-Za-z0-9]{{1,3}}单元)?\d{{2,5}}[室号]?"
)
_STREET = re.compile(
    r"\b\d{1,5}[A-Za-z]?\s(?:[A-Z][A-Za-z'.]{1,24}\s){1,4}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Square|Way)\b"
)
_TITLED = re.compile(rf"{_SURNAMES}[{_HAN}]{{0,2}}?(?P<title>{_TITLES})")
_LABELLED = re.compile(
    rf"(?P<kept>(?:姓名|联系人|收件人|收货人|客户)(?:[:：]|是)\s{{0,3}})(?P<name>{_SURNAMES}[{_HAN}]{{1,2}})(?![{_HAN}])"
    rf"|(?P<kept2>(?:我叫|名叫|我是|叫做)\s?)(?P<name2>{_SURNAMES}[{_HAN}]{{1,2}})(?![{_HAN}])"
    rf"|(?P<kept3>\n\s{{0,8}})(?P<name3>{_SURNAMES}[{_HAN}]{{1,2}})(?=\s{{0,8}}\Z)"
)
# Somebody who leaves a number or an address mostly puts the name before it; those are masked by then.
_SIGNED = re.compile(
    rf"(?:{_SURNAMES}(?!电话|手机|号码|联系|微信|邮箱|邮件|姓名|名字|地址)[{_HAN}]{{1,2}}|[A-Z][a-z'-]{{1,30}}\s[A-Z][a-z'-]{{1,30}})"
    r"(?=[\s,，:：]{0,3}(?:\d{3}\*{4}\d|\*{4}\d|[A-Za-z0-9_+]\*\*\*@))"
)
_ENGLISH_TITLED = re.compile(
    r"\b(?P<title>Mr|Mrs|Ms|Miss|Dr)\.?\s[A-Z][A-Za-z'-]{0,30}(?:\s[A-Z][A-Za-z'-]{1,30}){0,2}"
)
_ENGLISH_NAMED = re.compile(
    r"(?P<kept>\b(?:[Mm]y name is|[Nn]ame:|[Cc]ontact:)\s{1,3})"
    r"(?P<name>[A-Z][a-z'-]{1,30}(?:\s[A-Z][a-z'-]{1,30}){0,2})"
    r"|(?P<kept2>\b(?:I am|I'm|[Tt]his is)\s)(?P<name2>[A-Z][a-z'-]{1,30}\s[A-Z][a-z'-]{1,30})"
    r"|(?P<kept3>(?:[Rr]egards|[Bb]est|[Tt]hanks|[Ss]incerely|[Cc]heers),?\s{1,6})"
    r"(?P<name3>[A-Z][a-z'-]{1,30}(?:\s[A-Z][a-z'-]{1,30}){0,2})(?=\s{0,8}\Z)"
)


def mask_phone(number: str) -> str:
    """`138****5678` for a mainland mobile number; for any other, four stars and the last four digits."""
    digits = re.sub(r"\D", "", number.translate(_FOLD))
    mobile = re.fullmatch(r"(?:0{0,2}86)?(1[3-9]\d)\d{4}(\d{4})", digits)
    if mobile:
        return f"{mobile[1]}****{mobile[2]}"
    return f"****{digits[-4:]}" if len(digits) >= 7 else "****"


def mask_email(address: str) -> str:
    """`z***@example.com`: the first letter of the local part and the domain stay."""
    local, at, domain = address.strip().rpartition("@")
    return f"{local[:1]}***@{domain}" if at else "***"


def mask_identity(number: str) -> str:
    """Stars for all but the last four characters of an identity, passport or bank card number."""
    plain = re.sub(r"[^0-9A-Za-z]", "", number)
    return "*" * max(len(plain) - 4, 4) + plain[-4:] if len(plain) > 4 else "****"


def mask_customer_id(identifier: str) -> str:
    """`CUST123*`: the last character is hidden."""
    return identifier[:-1] + "*" if identifier else ""


def mask_name(name: str) -> str:
    """A person's name as colleagues may see it: `*女士`, `*先生`, `王**`, `Ms *`, `A*** S***`."""
    name = one_line(name)
    if "*" in name or not name:
        return name
    title = re.search(rf"({_TITLES})$", name)
    if title:
        return f"*{title[1]}"
    english = re.match(r"(Mr|Mrs|Ms|Miss|Dr)\b\.?", name)
    if english:
        return f"{english[1]} *"
    if re.match(rf"[{_HAN}]", name):
        surname = re.match(_SURNAMES, name)
        kept = surname.end() if surname and len(name) > surname.end() else 1
        return name[:kept] + "*" * max(len(name) - kept, 1)
    return " ".join(f"{word[:1]}***" for word in name.split())


def mask_contact(contact: str) -> str:
    """Mask a phone number or a mail address, whichever it is; any other handle keeps its first letter."""
    contact = contact.strip()
    if "@" in contact:
        return mask_email(contact)
    if len(re.findall(r"\d", contact)) >= 7:
        return mask_phone(contact)
    return f"{contact[:1]}***" if contact else ""


def contact_tail(contact: str) -> str:
    """What mail and chat may show of a contact: a phone's last four digits (`5678`), masked mail."""
    if "@" in contact:
        return mask_email(contact)
    digits = re.sub(r"\D", "", contact.translate(_FOLD))
    return digits[-4:] if len(digits) >= 7 else mask_contact(contact)


def mask_known(text: str, names: Iterable[str]) -> str:
    """Mask names that are known, wherever they stand; a Latin one only as a word of its own."""
    for name in sorted({n.strip() for n in names if len(n.strip()) > 1}, key=len, reverse=True):
        if name in text:
            text = re.sub(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])", mask_name(name), text)
    return text


def mask_free_text(text: str, *, names: Iterable[str] = ()) -> str:
    """Mask mail addresses, identity and card numbers, phones, street addresses and people's names in a text.

    `names`: names known to belong to the customer, masked wherever they stand. Ticket, order and error
    numbers, times and company hotlines stay readable. Runs in time linear to the text.
    """
    text = mask_known(text, names)
    # Full-width signs are rare, and folding once per rule costs as much as all the rules together.
    folds = not text.isascii() and text.translate(_FOLD) != text
    swap = _swap_folded if folds else _swap
    for needed, rules in _RULES:
        if folds or needed(text):
            for pattern, mask in rules:
                text = swap(pattern, text, mask)
    return text


def _swap(pattern: re.Pattern[str], text: str, mask: _Mask) -> str:
    return pattern.sub(mask, text)


def _swap_folded(pattern: re.Pattern[str], text: str, mask: _Mask) -> str:
    """Replace what `pattern` finds in the folded text; everything else stays exactly as written."""
    parts: list[str] = []
    end = 0
    for match in pattern.finditer(text.translate(_FOLD)):
        masked = mask(match)
        if masked == match[0]:
            continue
        parts += (text[end : match.start()], masked)
        end = match.end()
    return "".join(parts) + text[end:]


def _identity(match: re.Match[str]) -> str:
    head = re.match(r"\D{0,8}(?=[A-Z]{0,2}\d)", match[0])
    lead = re.sub(r"[A-Z]+$", "", head[0]) if head else ""
    return lead + mask_identity(match[0][len(lead) :])


def _named(match: re.Match[str]) -> str:
    kept = next(match[g] for g in ("kept", "kept2", "kept3") if match[g] is not None)
    name = next(match[g] for g in ("name", "name2", "name3") if match[g] is not None)
    return kept + mask_name(name)


def _luhn(number: str) -> bool:
    """Whether the check digit of a payment card fits (ISO/IEC 7812-1, annex B)."""
    digits = [int(c) for c in number if c.isdigit()][::-1]
    return sum(d if i % 2 == 0 else d * 2 - 9 * (d > 4) for i, d in enumerate(digits)) % 10 == 0


# Each rule tries every position of the text; where what it cannot do without is lacking, it need not.
_NUMBER = re.compile(r"\d(?:[ .()-]{0,2}\d){6}")
_HOUSE = re.compile(r"[路街道巷弄同村]\d|\d[栋幢号]")
_CUES = ("name", "contact:", "i am", "i'm", "this is", "regards", "best", "thanks", "sincerely", "cheers")


def _names_somebody(text: str) -> bool:
    text = text.lower()
    return any(cue in text for cue in _CUES)


# In this order: a card number holds what looks like a phone number, a sentence what looks like a name.
_RULES: tuple[tuple[Callable[[str], object], tuple[tuple[re.Pattern[str], _Mask], ...]], ...] = (
    (lambda text: "@" in text, ((_EMAIL, lambda m: mask_email(m[0])),)),
    (
        _NUMBER.search,
        (
            (_IDENTITY, _identity),
            (_CARD, lambda m: m[0] if m["plain"] and not _luhn(m[0]) else mask_identity(m[0])),
            (_MOBILE, lambda m: mask_phone(m[0])),
            (_PHONE, lambda m: mask_phone(m[0])),
        ),
    ),
    (_HOUSE.search, ((_PLACE, lambda m: f"{m['kept'] or ''}****"),)),
    (bool, ((_STREET, lambda m: "****"),)),
    (
        lambda text: not text.isascii(),
        ((_TITLED, lambda m: f"*{m['title']}"), (_LABELLED, _named)),
    ),
    (lambda text: "*" in text, ((_SIGNED, lambda m: mask_name(m[0])),)),
    (bool, ((_ENGLISH_TITLED, lambda m: f"{m['title']} *"),)),
    (_names_somebody, ((_ENGLISH_NAMED, _named),)),
)
