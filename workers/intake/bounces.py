"""Mail that says another mail did not arrive: RFC 3464 reports, and free texts of systems without them."""

import re
from dataclasses import dataclass

from workers.errors import UnreadableMail
from workers.intake import bounce_marks
from workers.intake.bounce_recipients import ADDRESS, CODE, STATUS, lower_domain, recipients_of
from workers.intake.charset import scrub
from workers.intake.guard import Limits
from workers.intake.headers import message_ids
from workers.intake.mail import InboundMail, parse_mail

_MAX_REPORT = 256 * 1024
_MAX_TEXT = 30_000
# A report inside a mail that has had its own time already.
_WRAPPED = Limits(seconds=0.3)
_FIELD = re.compile(r"^([A-Za-z][A-Za-z-]{0,60})[ \t]*:[ \t]*(.*)$")
_FAILURE = re.compile(r"(?<![\d.])[45]\.[0-7]\.\d{1,3}(?![\d.])|(?<!\d)5[05]\d[ -][A-Za-z#<]")
_MESSAGE_ID = re.compile(
    r"^[ \t>]{0,20}message-id:[ \t]{0,20}\r?\n?[ \t]{0,20}(<[^<>\r\n]{1,500}>)", re.IGNORECASE | re.MULTILINE
)
_REPORT_TYPES = (
    "message/delivery-status",
    "message/global-delivery-status",
    "message/xdelivery-status",
)
_ORIGINALS = (
    "message/rfc822",
    "text/rfc822-headers",
    "message/global",
    "message/global-headers",
    "message/rfc822-headers",
)


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a delivery report says.

    `status` is an RFC 3463 code such as "5.1.1" or empty, `action` the RFC 3464 word (failed, delayed,
    delivered, relayed, expanded), `reason` the remote server's words. `is_delayed` means that the other side
    still tries: no failure.
    """

    status: str
    action: str
    recipients: tuple[str, ...]
    reason: str
    original_message_id: str
    is_delayed: bool


def read_bounce(mail: InboundMail) -> Bounce | None:
    """The delivery report in `mail`, or None when it is none. A person who writes about a failed delivery, or
    passes such a report on, is no bounce.
    """
    report = next((one for one in mail.attachments if one.content_type in _REPORT_TYPES), None)
    if report is not None and (_is_report(mail) or is_daemon(mail)):
        return _from_report(mail, report.content[:_MAX_REPORT])
    wrapped = _wrapped_report(mail)
    if wrapped is not None:
        report = next(one for one in wrapped.attachments if one.content_type in _REPORT_TYPES)
        return _from_report(wrapped, report.content[:_MAX_REPORT])
    if is_daemon(mail) or _is_machine(mail) or mail.header("x-failed-recipients"):
        return _from_text(mail)
    return None


def read_returned(mail: InboundMail) -> Bounce | None:
    """The report in a mail from the null sender to a return path of ours; None without any word of failure.

    Mail systems put in there what they like, in any language; a code of failure is enough here.
    """
    told = mail.text[:_MAX_TEXT]
    if bounce_marks.PHRASE.search(told) or _FAILURE.search(told):
        return _report_in_words(mail, told)
    return None


def _wrapped_report(mail: InboundMail) -> InboundMail | None:
    """The report inside a mail that a company's gateway has put its disclaimer around."""
    attached = [part for part in mail.attachments if part.content_type == "message/rfc822"]
    if len(attached) != 1 or "delivery-status" not in mail.header("content-type").lower():
        return None
    if attached[0].size > _MAX_REPORT:
        return None
    try:
        inner = parse_mail(attached[0].content, _WRAPPED)
    except UnreadableMail:
        return None
    # Only one wrapping is undone: what is deeper was put there by somebody.
    return inner if any(part.content_type in _REPORT_TYPES for part in inner.attachments) else None


def _is_report(mail: InboundMail) -> bool:
    kind = mail.header("content-type").lower()
    return (
        kind.startswith("multipart/report")
        and "disposition-notification" not in kind
        and "feedback" not in kind
    )


def is_daemon(mail: InboundMail) -> bool:
    """Whether the mail claims to come from a mail system rather than from somebody."""
    sender = mail.from_email or mail.header("from")
    if bounce_marks.DAEMON.match(sender) or bounce_marks.PERHAPS_DAEMON.match(sender):
        return True
    null_sender = mail.header("return-path").strip() == "<>"
    if null_sender and not mail.from_email and bounce_marks.PHRASE.search(mail.text[:_MAX_TEXT]):
        return True
    return (null_sender or not mail.from_email) and bool(bounce_marks.SUBJECT.search(mail.subject))


def _is_machine(mail: InboundMail) -> bool:
    """A program that writes under an ordinary address, known by how its text begins; nobody's answer."""
    began = mail.text.lstrip()[:400]
    return bool(bounce_marks.MACHINE.search(began) and bounce_marks.SUBJECT.search(mail.subject))


def _from_report(mail: InboundMail, content: bytes) -> Bounce:
    """RFC 3464: one block of fields about the message, then one per recipient. The worst one counts."""
    blocks = [
        block
        for block in _blocks(content)
        if block.keys() & {"final-recipient", "action", "status", "original-recipient"}
    ]
    # Some say above all recipients what has happened to each of them.
    common = next((block["action"] for block in blocks if "action" in block and not _recipient(block)), None)
    blocks = [block for block in blocks if _recipient(block)] or blocks
    if common is not None:
        blocks = [{"action": common, **block} for block in blocks]
    failed = [block for block in blocks if block.get("action", "failed").lower().startswith("fail")]
    told = failed or blocks
    first = told[0] if told else {}
    reason = _after_type(first.get("diagnostic-code", "")) or _first_words(mail.text)
    status = STATUS.search(first.get("status", "")) or STATUS.search(reason)
    # A report that forgets to say what happened says by its status whether it is over.
    missing = "delayed" if status and status[1].startswith("4") and "action" not in first else "failed"
    action = first.get("action", missing).split("(")[0].strip().lower()[:20] or "failed"
    recipients = [_recipient(block) for block in told]
    return Bounce(
        status=status[1] if status else "",
        action=action,
        recipients=tuple(dict.fromkeys(one for one in recipients if one))
        or recipients_of(mail, reported_message_id(mail), mail.text[:_MAX_TEXT]),
        reason=reason[:500],
        original_message_id=reported_message_id(mail),
        is_delayed=action == "delayed",
    )


def _blocks(content: bytes) -> list[dict[str, str]]:
    blocks: list[dict[str, str]] = [{}]
    last = ""
    for line in scrub(content.decode("utf-8", "replace")).split("\n"):
        if not line.strip():
            blocks.append({})
        elif line[0] in " \t" and last in blocks[-1]:
            blocks[-1][last] += " " + line.strip()
        elif found := _FIELD.match(line):
            last = found[1].lower()
            blocks[-1].setdefault(last, found[2].strip())
    return [block for block in blocks if block]


def _after_type(value: str) -> str:
    """What follows the type in "smtp; 550 5.1.1 …" (RFC 3464 section 2.1.2)."""
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and len(kind) < 20 else value.strip()


def _recipient(block: dict[str, str]) -> str:
    for name in ("original-recipient", "final-recipient"):
        found = ADDRESS.search(_after_type(block.get(name, "")).replace("+AEA-", "@"))
        if found:
            return lower_domain(found[0])
    return ""


def _from_text(mail: InboundMail) -> Bounce | None:
    original = bounce_marks.ORIGINAL.search(mail.text)
    told = mail.text[: original.start() if original and original.start() > 80 else _MAX_TEXT][:_MAX_TEXT]
    return _report_in_words(mail, told) if _says_so(mail, told) else None


def _report_in_words(mail: InboundMail, told: str) -> Bounce:
    delayed = bool(
        bounce_marks.DELAYED.search(mail.subject) or bounce_marks.DELAYED.search(told)
    ) and not bounce_marks.GIVEN_UP.search(told)
    reason = _telling_line(told)
    status = STATUS.search(reason) or STATUS.search(told)
    code = CODE.search(reason)
    return Bounce(
        status=status[1] if status else (f"{code[1][0]}.0.0" if code else ""),
        action="delayed" if delayed else "failed",
        recipients=recipients_of(mail, reported_message_id(mail), told),
        reason=reason[:500],
        original_message_id=reported_message_id(mail),
        is_delayed=delayed,
    )


def _says_so(mail: InboundMail, told: str) -> bool:
    """Whether subject and words are those of a report; a name only programs use asks for less."""
    subject = bool(bounce_marks.SUBJECT.search(mail.subject))
    phrase = bool(bounce_marks.PHRASE.search(told) or bounce_marks.MACHINE.search(told[:400]))
    if bounce_marks.DAEMON.match(mail.from_email) or mail.header("x-failed-recipients"):
        return subject or phrase or bool(STATUS.search(told))
    if mail.header("return-path").strip() == "<>" and phrase:
        return True
    return subject and (phrase or bool(STATUS.search(told)) or not told.strip())


def _telling_line(text: str) -> str:
    """The line with a status, else the one with a telling phrase, else the first words."""
    lines = [line.strip() for line in text.split("\n")[:200] if line.strip()]
    for pattern in (STATUS, CODE, bounce_marks.PHRASE):
        for line in lines:
            if pattern.search(line[:1000]):
                return line
    return lines[0] if lines else ""


def _first_words(text: str) -> str:
    return next((line.strip() for line in text[:2000].split("\n") if line.strip()), "")


def reported_message_id(mail: InboundMail) -> str:
    """The id of the mail that a report is about, from the copy in it, else from the threading; or empty."""
    for part in mail.attachments:
        if part.content_type in _ORIGINALS:
            found = _id_in(part.content[:_MAX_REPORT].decode("utf-8", "replace"))
            if found:
                return found
    return _id_in(mail.text) or mail.in_reply_to or (mail.references[-1] if mail.references else "")


def _id_in(text: str) -> str:
    found = re.search(
        r"^[ \t>]*message-id:[ \t]*\r?\n?[ \t]*(<[^<>\r\n]{1,500}>)", text, re.IGNORECASE | re.MULTILINE
    )
    ids = message_ids(found[1]) if found else ()
    return ids[0] if ids else ""
