"""What the mailbox, its server or a provider calls spam, by the marks that they leave.

For each mark its top-most line counts, which the server nearest to us wrote. Further down a sender may have
put what he likes; but what he could gain is to be taken for junk. A score alone says nothing: each site draws
its own line, and says so in another header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from workers.intake.mail import InboundMail

_YES = re.compile(r"\s*(?:yes|true|spam)\b", re.IGNORECASE)
_SAYS_YES = (
    "x-spam-flag",
    "x-spam-status",
    "x-spam",
    "x-netease-spam",
    "x-qq-spam",
    "x-barracuda-spam-status",
    "x-mailgun-sflag",
    "x-bogosity",
    "x-dspam-result",
    "x-spampanel-class",
    "x-spamexperts-class",
    "x-hmailserver-spam",
    "x-vr-spamstate",
)
"""SpamAssassin, rspamd, NetEase, QQ, Barracuda, Mailgun, Bogofilter, DSPAM, SpamExperts, hMailServer, Vade"""

_SCL = re.compile(r"(?:^|;)\s*SCL:\s*(-?\d{1,2})\s*(?:;|$)", re.IGNORECASE)
_SFV = re.compile(r"(?:^|;)\s*SFV:\s*([A-Z]{3,4})\s*(?:;|$)", re.IGNORECASE)
_NUMBER = re.compile(r"\s*(-?\d{1,2})\s*$")
SPAM_FROM = 5
"""The spam confidence level from which Microsoft moves mail to the junk folder: 5 and 6 are spam, 9 surely is
(its page "Spam confidence level (SCL) in EOP")."""
_SFV_JUNK = frozenset({"SPM", "SKB", "SKS", "BLK"})
"""By the filter, by a list of blocked senders, by a rule, by the user (its "Anti-spam message headers")."""
_SFV_WANTED = frozenset({"NSPM", "SKN", "SKA", "SFE", "SKI", "SKQ"})

_JUNK_FOLDER = re.compile(
    r"(?:.*[/.])?(?:junk|junk e-?mail|junk mail|spam|bulk mail|bulk|quarantine|"
    r"垃圾邮件|垃圾箱|垃圾郵件|广告邮件|迷惑メール|스팸|courrier ind[ée]sirable|ind[ée]sirables|"
    r"spamverdacht|unerw[üu]nscht|"
    r"correo no deseado|posta indesiderata|lixo eletr[ôo]nico|ongewenst|спам)",
    re.IGNORECASE,
)


def junk_mark(mail: InboundMail) -> str | None:
    """The header that calls the mail spam, as a code (`spam_x_spam_flag` …); None if none does."""
    for name in _SAYS_YES:
        if _YES.match(mail.header(name)):
            return f"spam_{name.replace('-', '_')}"
    return next((code for code, holds in _MARKS.items() if holds(mail)), None)


def is_junk_folder(name: str) -> bool:
    """Whether a mailbox's folder of this name is its junk folder (RFC 6154 \\Junk), as servers and the large
    providers call it.
    """
    return _JUNK_FOLDER.fullmatch(name.strip()) is not None


def junk_told(envelope: Mapping[str, Any]) -> str | None:
    """Why the door that the mail came by calls it junk: its provider's verdict, or the mailbox's folder."""
    if envelope.get("junk_folder"):
        return "junk_folder"
    verdicts = envelope.get("verdicts")
    if isinstance(verdicts, Mapping):
        for name in ("virus", "spam"):
            if verdicts.get(name) == "yes":
                return f"provider_says_{name}"
    return None


def _exchange(mail: InboundMail) -> bool:
    """Exchange Online's or Exchange Server's own verdict; one that clears the mail outweighs a level."""
    report = mail.header("x-forefront-antispam-report")
    verdict = _SFV.search(report)
    if verdict and verdict[1].upper() in _SFV_WANTED:
        return False
    if verdict and verdict[1].upper() in _SFV_JUNK:
        return True
    levels = (_SCL.search(report), _NUMBER.match(mail.header("x-ms-exchange-organization-scl")))
    return any(level is not None and int(level[1]) >= SPAM_FROM for level in levels)


def _outlook(mail: InboundMail) -> bool:
    """The mailbox itself put it into its junk folder."""
    delivered = mail.header("x-microsoft-antispam-mailbox-delivery").lower().replace(" ", "")
    return delivered.startswith("ucf:0;jmr:1") or ";dest:j" in delivered


_MARKS: Mapping[str, Callable[[InboundMail], bool]] = {
    "spam_exchange": _exchange,
    "spam_outlook": _outlook,
    "spam_yandex": lambda mail: mail.header("x-yandex-spam").strip() == "4",
    "spam_ses": lambda mail: mail.header("x-ses-spam-verdict").strip().lower() == "fail",
    "virus_ses": lambda mail: mail.header("x-ses-virus-verdict").strip().lower() == "fail",
}
