"""A mail that somebody passed on by hand: whose it was. What it says is a claim, not a fact."""

import re
from dataclasses import dataclass
from datetime import datetime

from workers.errors import UnreadableMail
from workers.intake import marks
from workers.intake.addresses import first_address
from workers.intake.headers import moment
from workers.intake.mail import InboundMail, parse_mail
from workers.intake.quotes import is_forward

_MAX_LINES = 400
_HEADERS_WITHIN = 14


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The mail inside a forwarded one, as the forwarder's program shows it: sender, subject, date (UTC, None
    when it cannot be read), its text, and the `note` the forwarder wrote above it.
    """

    from_email: str
    from_name: str
    subject: str
    date: datetime | None
    text: str
    note: str


def read_forward(mail: InboundMail) -> Forwarded | None:
    """The mail that `mail` passes on, or None when it passes on none that names its sender.

    Use the inner sender only where the outer From is a colleague's or a configured mailbox, and mark it as
    claimed: anybody can write such a block. An attached mail (message/rfc822) in a mail whose subject says
    it is forwarded counts, too.
    """
    attached = [part for part in mail.attachments if part.content_type == "message/rfc822"]
    if len(attached) == 1 and (is_forward(mail.subject) or len(mail.text.strip()) < 200):
        inner = _attached(attached[0].content)
        if inner is not None and inner.from_email:
            return Forwarded(
                inner.from_email, inner.from_name, inner.subject, inner.date, inner.text, mail.text.strip()
            )
    lines = mail.text.split("\n")[:_MAX_LINES]
    for at, line in enumerate(lines):
        marked = bool(marks.FORWARDED.match(line.strip()[:200]))
        if marked or (is_forward(mail.subject) and _label(line) == "from"):
            found = _block(lines, at + 1 if marked else at, "\n".join(lines[:at]).strip(" \n_-"))
            if found is not None:
                return found
    return None


def _attached(content: bytes) -> InboundMail | None:
    try:
        return parse_mail(content)
    except UnreadableMail:
        return None


def _label(line: str) -> str:
    found = marks.HEADER_LABEL.match(line.strip().lstrip("|*> \t")[:80])
    return marks.LABELS.get(found[1].strip().casefold(), "") if found else ""


def _block(lines: list[str], start: int, note: str) -> Forwarded | None:
    """Reads From/Date/Subject/To lines from `start` on; the text begins after the block."""
    fields: dict[str, str] = {}
    at = start
    while at < min(len(lines), start + _HEADERS_WITHIN):
        line = lines[at].strip().lstrip("|*> \t")
        label = _label(line)
        if label:
            fields.setdefault(label, re.split(r"[:：|]", line, maxsplit=1)[1].strip(" *|"))
        elif line and fields:
            break
        at += 1
    name, email = first_address(fields.get("from", "").replace("[mailto:", "<").replace("]", ">"))
    if not email or len(fields) < 2:
        return None
    return Forwarded(
        from_email=email,
        from_name=name,
        subject=fields.get("subject", ""),
        date=moment(fields.get("date", "")),
        text="\n".join(lines[at:]).strip(),
        note=note,
    )
