"""Mail by which a provider asks whether it may forward a mailbox to us: an administrator sees its code."""

import re
from dataclasses import dataclass

from workers.intake.mail import InboundMail

# Who asks: (domain, name). The sender must also write like a program, since customers have such domains, too.
_PROVIDERS = (
    ("google.com", "Gmail"),
    ("qq.com", "QQ"),
    ("tencent.com", "QQ"),
    ("163.com", "NetEase"),
    ("126.com", "NetEase"),
    ("yeah.net", "NetEase"),
    ("netease.com", "NetEase"),
    ("aliyun.com", "Aliyun"),
    ("alibaba-inc.com", "Aliyun"),
    ("dingtalk.com", "Aliyun"),
    ("sina.com", "Sina"),
    ("sina.com.cn", "Sina"),
    ("sohu.com", "Sohu"),
    ("microsoft.com", "Outlook"),
    ("outlook.com", "Outlook"),
    ("live.com", "Outlook"),
    ("yahoo.com", "Yahoo"),
    ("yahoo-inc.com", "Yahoo"),
    ("yahooinc.com", "Yahoo"),
    ("zoho.com", "Zoho"),
    ("zoho.eu", "Zoho"),
    ("zoho.in", "Zoho"),
    ("zoho.com.cn", "Zoho"),
    ("zohomail.com", "Zoho"),
    ("fastmail.com", "Fastmail"),
    ("proton.me", "Proton"),
    ("apple.com", "iCloud"),
    ("icloud.com", "iCloud"),
    ("gmx.net", "GMX"),
    ("gmx.com", "GMX"),
    ("web.de", "GMX"),
    ("mail.ru", "Mail.ru"),
    ("yandex.ru", "Yandex"),
    ("yandex.com", "Yandex"),
    ("yandex-team.ru", "Yandex"),
    ("naver.com", "Naver"),
)
_MACHINE = re.compile(
    r"(?:.{0,40}[._+-])?(?:forwarding|no[._-]?reply|do[._-]?not[._-]?reply|postmaster|mail[._-]?admin|admin|"
    r"service|notify|notification|account|accounts|accountprotection|account-security|support|team|mail|"
    r"mailer|kefu|system|security|10000|devnull)(?:[._+-].{0,60})?@",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"forward(?:ing)?\b.{0,60}\b(?:confirm|verif|approv|request)|"
    r"\b(?:confirm|verif|approv|request)\w{0,10}\b.{0,60}\bforward|"
    r"转发.{0,20}(?:验证|确认|激活|授权)|(?:验证|确认|激活|授权).{0,20}转发|"
    r"轉寄.{0,20}(?:驗證|確認)|(?:驗證|確認).{0,20}轉寄|転送.{0,20}(?:確認|承認)|(?:確認|承認).{0,20}転送|"
    r"weiterleitung.{0,40}best[äa]tig|best[äa]tig.{0,40}weiterleitung|"
    r"(?:confirmation|confirmer).{0,40}(?:transfert|redirection)|transfert.{0,40}confirm|"
    r"(?:confirma|verifica).{0,40}reenv[íi]o|reenv[íi]o.{0,40}(?:confirma|verifica)|"
    r"conferma.{0,40}inoltro|inoltro.{0,40}conferma|encaminhamento.{0,40}confirma|"
    r"confirma.{0,40}encaminhamento|пересылк.{0,40}подтвер|подтвер.{0,40}пересылк|전달.{0,20}확인",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"(?:\(#|(?:code|码|碼|コード|코드|код)\s*(?:is|为|為|是)?\s*[:：]?\s*[\[【]?\s*)(\d{4,12})(?!\d)",
    re.IGNORECASE,
)
_LINK = re.compile(r"https://[^\s<>\"'()\[\]\u3000-\u9fff]{8,2000}")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Which provider asks, the code to type in and the link to open there; either may be empty."""

    provider: str
    code: str
    link: str


def read_confirmation(mail: InboundMail) -> Confirmation | None:
    """The request in `mail`, or None when it is none. Nothing here opens the link: who does so lets mail of
    that box come in, so an administrator decides. Only a link to the provider itself is handed out.
    """
    provider = _provider(mail.from_email.lower())
    if not provider or not _MACHINE.match(mail.from_email):
        return None
    if mail.from_email.lower() != "forwarding-noreply@google.com" and not _SUBJECT.search(mail.subject[:200]):
        return None
    code = _CODE.search(mail.subject[:200]) or _CODE.search(mail.text[:5_000])
    return Confirmation(provider, code[1] if code else "", _link(mail.text[:20_000], provider))


def _provider(address: str) -> str:
    domain = address.rpartition("@")[2]
    return next((name for known, name in _PROVIDERS if domain == known or domain.endswith(f".{known}")), "")


def _link(text: str, provider: str) -> str:
    for found in _LINK.finditer(text):
        link = found[0].rstrip(".,;!。，")
        host = re.split(r"[/?#]", link[8:], maxsplit=1)[0].rpartition("@")[2].partition(":")[0].lower()
        if _provider(f"@{host}") == provider:
            return link
    return ""
