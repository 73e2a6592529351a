"""Whose address a delivery report speaks of, where it says so in words alone."""

import re

from workers.intake import bounce_marks
from workers.intake.mail import InboundMail

_MAX_LINES = 400
ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^{|}~-]{1,80}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_LEADING_ADDRESS = re.compile(
    r"[\s>*\-=|\"'(\[]{0,20}(?:<|smtp[:;=]|rfc822;|to:|expanded from:)?[ ]?<?(" + ADDRESS.pattern + r")",
    re.IGNORECASE,
)
# The type that some systems put before an address: "SMTP=lin@shop.example".
_TYPED = re.compile(r"\A(?:smtp|rfc822|ex)=", re.IGNORECASE)
_FOLLOWING = re.compile(r"following (?:recipient|address|user)s?\b", re.IGNORECASE)
_NAME_ALONE = re.compile(r"[ \t]+([\w.!#$%&'*+/=?^{|}~-]{1,64})[ \t]*\Z")
STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,2}\.\d{1,3})(?![\d.])")
CODE = re.compile(r"(?<!\d)([45][0-5]\d)(?:[ -]|(?=[:：,，]))")


def recipients_of(mail: InboundMail, original_id: str, told: str) -> tuple[str, ...]:
    """Whom the words `told` of a report name: neither the daemon itself nor the one the report is sent to.
    `original_id` is the Message-ID of the mail that came back: it looks like an address.
    """
    named = ADDRESS.findall(mail.header("x-failed-recipients"))
    if not named:
        not_meant = {mail.from_email.lower(), *(email.lower() for _, email in mail.to)}
        not_meant |= {one.lower() for one in ADDRESS.findall(original_id)}
        lines = [line for line in told.split("\n")[:_MAX_LINES] if not bounce_marks.QUOTED_HEADER.match(line)]
        first = [found[1] for line in lines if (found := _LEADING_ADDRESS.match(line))]
        telling = [line for line in lines if _tells(line[:1000])]
        # A line that begins with an address reports on it, and so does one that says what is wrong; elsewhere
        # stand people to ask as well.
        named = (
            _meant(first, not_meant)
            or _local_parts(mail, lines)
            or _meant(ADDRESS.findall("\n".join(telling)), not_meant)
            or _meant(ADDRESS.findall("\n".join(lines)), not_meant)
        )
    return tuple(dict.fromkeys(lower_domain(one) for one in named))[:20]


def _tells(line: str) -> bool:
    return bool(bounce_marks.PHRASE.search(line) or CODE.match(line.lstrip()) or STATUS.search(line))


def _local_parts(mail: InboundMail, lines: list[str]) -> list[str]:
    """Names that stand alone below "… the following recipients …": those of the mail system's own domain."""
    _, at, domain = mail.from_email.rpartition("@")
    above = next((n for n, line in enumerate(lines) if _FOLLOWING.search(line[:1000])), None)
    if above is None or not at:
        return []
    names: list[str] = []
    # The sentence may go on for a line or two; it ends in a colon.
    ends = next(
        (n for n in range(above, above + 3) if "".join(lines[n : n + 1]).rstrip().endswith(":")), above
    )
    for line in lines[ends + 1 : ends + 21]:
        if found := _NAME_ALONE.match(line):
            names.append(f"{found[1]}@{domain}")
        elif line.strip():
            break
    return names


def _meant(addresses: list[str], not_meant: set[str]) -> list[str]:
    plain = [_TYPED.sub("", one).strip(".'") for one in addresses]
    named = [one for one in plain if one.lower() not in not_meant and not bounce_marks.DAEMON.match(one)]
    return [one for one in named if not bounce_marks.PERHAPS_DAEMON.match(one)] or named


def lower_domain(address: str) -> str:
    """An address whose domain is in lower case."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"
