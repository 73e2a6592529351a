"""The words by which mail programs mark quotations, forwards and signatures, in customers' languages."""

import re

DIGITS = re.compile(r"\d{1,4}")

FORWARD_SUBJECT = re.compile(
    r"\s*(?:\[[^\]]{1,40}\]\s*)?(?:fwd?|forwarded|转发|轉寄|转寄|wg|weitergeleitet|tr|rv|reenv|enc|"
    r"i|inoltra|doorst|vs|vb|"
    r"videresendt|pd|转)\s*(?:\[\d+\])?\s*[:：]",
    re.IGNORECASE,
)

# What stands alone on a line above the mail that is passed on.
FORWARDED = re.compile(
    r"[-—=* ]{2,40}\s*(?:forwarded message|forwarded by|转发的邮件|转发邮件信息|转发的邮件信息|"
    r"轉寄的郵件|已转发邮件|转发邮件|"
    r"weitergeleitete nachricht|ursprünglich weitergeleitet|message transféré|message transmis|"
    r"mensaje reenviado|"
    r"messaggio inoltrato|mensagem encaminhada|doorgestuurd bericht|vidarebefordrat meddelande|"
    r"wiadomość przekazana dalej|пересылаемое сообщение|пересланное сообщение)\b.{0,80}"
    r"|begin forwarded message:|开始转发的邮件[:：]|anfang der weitergeleiteten nachricht:|"
    r"début du message transféré ?:",
    re.IGNORECASE,
)

# What stands alone on a line above the quoted mail.
SEPARATOR = re.compile(
    r"(?:[-_=—*]\s?){2,60}\s*(?:original(?: message| appointment)?|replied message|原始邮件|"
    r"原始郵件|原始信件|回复的原邮件|"
    r"回复的邮件|原邮件|original-nachricht|ursprüngliche nachricht|originalnachricht|"
    r"message d['’]origine|message original|"
    r"mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht|oprindelig meddelelse|"
    r"ursprungligt meddelande|opprinnelig melding|wiadomość oryginalna|oryginalna wiadomość|"
    r"исходное сообщение|"
    r"original mail|元のメッセージ|원본 메일|원본 메시지|reply message|"
    r"reply above)\s*(?:[-_=—*]\s?){0,60}\s*[:：]?\s*\Z"
    r"|原始邮件[:：]?\s*\Z|original message[:：]?\s*\Z"
    r"|[-#=* ]{0,10}(?:please )?reply above this line.{0,60}|"
    r"[-#=* ]{0,10}请在此行(?:以)?上(?:方)?回复.{0,60}",
    re.IGNORECASE,
)

HEADER_LABEL = re.compile(r"\*{0,2}([^\W\d][\w .’'()-]{0,25}?)\*{0,2}\s?\*{0,2}[ \t\u3000]*(?:[:：]|\|)")

_WORDS = {
    "from": "from|feladó|expeditor|від|από|发件人|發件人|寄件者|寄件人|发送人|von|de|da|van|od|от|от кого|"
    "fra|från|差出人|送信者|보낸 사람|보낸사람|lähettäjä|kimden",
    "date": "sent|date|发送时间|發送時間|发送日期|日期|时间|發件日期|寄件日期|傳送時間|发件时间|"
    "寄件時間|gesendet|datum|envoyé|envoyé le|"
    "enviado|enviado el|enviado em|enviada em|fecha|inviato|data|verzonden|wysłano|отправлено|дата|"
    "sendt|skickat|dato|odesláno|küldve|trimis|надіслано|στάλθηκε|"
    "送信日時|"
    "日時|보낸 날짜|날짜|lähetetty|gönderildi|sent at",
    "to": "to|komu|címzett|către|προς|寄給|收件人|收件者|an|à|para|a|per|"
    "aan|do|кому|til|till|宛先|받는 사람|받는사람|"
    "vastaanottaja|kime|cc|抄送|副本|kopie|copie|抄送人",
    "subject": "subject|主题|主旨|標題|主題|标题|betreff|objet|asunto|oggetto|assunto|onderwerp|"
    "temat|тема|předmět|tárgy|subiect|θέμα|emne|ämne|件名|제목|aihe|konu",
}
LABELS = {word: label for label, words in _WORDS.items() for word in words.split("|")}

ATTRIBUTION_START = re.compile(
    r"[>|\s]{0,8}(?:on\b|at\b|am\b|le\b|el\b|il\b|em\b|a \d|w dniu\b|op\b|den\b|på\b|pe\b|dnia\b|"
    r"в\b|le\s|wiadomość napisana|在|于|於|auf\b|vào\b|"
    r"[\"“'《]?[^\n]{0,120}?[<(＜]?[\w.+=-]{1,64}@|\d{1,4}[-./年]|[а-я]{2,3},|"
    r"(?:mon|tue|wed|thu|fri|sat|sun|周|星期)|[^\n]{1,60}(?:于|於|在)\s?\d{4}|[^\n]{1,60}\bwrote\b|"
    r"[^\n]{1,40}schrieb\b)",
    re.IGNORECASE,
)

ATTRIBUTION_END = re.compile(
    r"(?:\bwrote|\bwrites|\bwritten|写道|寫道|写到|来信|来信说|說道|schrieb(?: [^\n:]{1,40})?|"
    r"geschrieben|a écrit|écrit|escribió|escribio|"
    r"ha scritto|scrisse|escreveu(?: \([^()\n]{1,40}(?:\(s\))?[^()\n]{1,20}\))?|"
    r"schreef(?: [^\n:]{1,40})?|napisał(?:\(a\)|a)?|"
    r"skrev(?: [^\n:]{1,40})?|kirjoitti(?: [\d.]{6,10}(?: kello| klo)? [\d.:]{3,8})?|pisze|"
    r"het volgende geschreven|w dniu [\d./-]{6,10},? (?:o )?godz\.? [\d:.]{3,8}|"
    r"пишет|написал(?:\(а\)|а)?|のメール|のメッセージ|は書きました|님이 작성|이 작성|작성|yazdı|a scris|"
    r"napsal(?:\(a\)|a)?|írta)"
    r"\s?[:：]?\s*\Z(?<=[:：道])|(?:写道|寫道)\s*\Z|<[^<>\s]{3,200}@[^<>\s]{3,200}>\s?[:：]\s*\Z",
    re.IGNORECASE,
)

SENT_FROM = re.compile(
    r"(?:sent from (?:my|mail|outlook|yahoo|samsung|the|a|proton)\b.{0,80}|get outlook for .{0,60}|"
    r"sent via .{0,60}|"
    r"sent with proton ?mail.{0,60}|"
    r"发自(?:我的|网易|qq|手机|腾讯|outlook|小米|华为|vivo|oppo|i).{0,60}|發自我的.{0,60}|"
    r"来自我的.{0,30}|从我的.{0,30}发送.{0,10}|"
    r"获取 ?outlook.{0,60}|下载 ?outlook.{0,60}|由网易.{0,40}发送|"
    r"von meinem .{0,40}gesendet.{0,20}|gesendet (?:von|mit) .{0,60}|holen sie sich outlook.{0,60}|"
    r"envoyé (?:de mon|depuis|à partir de) .{0,60}|télécharger outlook.{0,60}|"
    r"enviado (?:desde|do meu|a partir) .{0,60}|obtener outlook.{0,60}|obter o outlook.{0,60}|"
    r"inviato (?:da|dal) .{0,60}|verzonden vanaf .{0,60}|verstuurd vanaf .{0,60}|"
    r"skickat från .{0,60}|sendt fra .{0,60}|"
    r"wysłane z .{0,60}|отправлено (?:с|из) .{0,60}|iphoneから送信|나의 iphone에서 보냄)\Z",
    re.IGNORECASE,
)

# Classes that mail programs give the element around the quoted mail.
QUOTE_CLASSES = frozenset(
    {
        "cloudhq__gmail_quote",
        "freshdesk_quote",
        "front-blockquote",
        "gmail_attr",
        "gmail_extra_quote",
        "gmail_quote",
        "gmail_quote_container",
        "moz-cite-prefix",
        "ms-outlook-mobile-reference-message",
        "ntes-mailmaster-quote",
        "ntes-mailmaster-quoteheader",
        "protonmail_quote",
        "quote-original",
        "sparkquote",
        "superhuman-quoted",
        "tutanota_quote",
        "xm_mail_oringinal_describe",
        "yahoo_quoted",
        "zmail_extra",
    }
)
# Ids likewise.
QUOTE_IDS = frozenset(
    {
        "appendonsend",
        "divrplyfwdmsg",
        "isreplycontent",
        "mail-editor-reference-message-container",
        "olk_src_body_section",
        "replybody",
        "replytxt",
        "spnetmailcontent",
        "stopspelling",
        "yahoo_quoted",
    }
)
# Ids of elements that open the quotation: what follows beside them belongs to it.
QUOTE_OPENERS = frozenset(("divrplyfwdmsg", "appendonsend", "stopspelling", "replytxt"))
# The rule Outlook draws above the header block of the mail it answers.
OUTLOOK_RULE = re.compile(
    r"border:\s*none;\s*border-top:\s*solid\s+(?:#(?:e1e1e1|b5c4df)|windowtext)", re.IGNORECASE
)
# Inside the element that otherwise marks a quotation: this one wraps the matter itself.
FORWARDED_IN_HTML = re.compile(
    r"forwarded message|转发的邮件|轉寄的郵件|weitergeleitete nachricht|message transféré", re.IGNORECASE
)
