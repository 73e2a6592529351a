"""Mail that says a recipient called ours spam: feedback reports, and the forms of providers without them."""

import re
from dataclasses import dataclass

from workers.intake.addresses import first_address
from workers.intake.bounces import reported_message_id
from workers.intake.charset import scrub
from workers.intake.mail import InboundMail

FEEDBACK = "message/feedback-report"
_MAX_REPORT = 64 * 1024
# Hotmail's programme (JMRP) before it spoke RFC 5965: a mail of theirs with ours attached.
_JMRP_SENDER = re.compile(
    r"(?:staff|jmrpp?|postmaster|abuse)@(?:[\w-]{1,40}\.)?(?:hotmail|outlook|live)\.com\Z", re.I
)
_JMRP_SUBJECT = re.compile(r"\s*(?:complaint about message from|junk (?:mail )?report)", re.IGNORECASE)
_JMRP_FIELD = re.compile(r"^x-hmxmroriginalrecipient:[ \t]*(\S{3,320})", re.IGNORECASE | re.MULTILINE)
_RETURN_PATH = re.compile(r"^return-path:[ \t]*(\S{3,320})", re.IGNORECASE | re.MULTILINE)
# Other loops without a report of their own: the subject is theirs, the mail is attached.
_LOOP_SUBJECT = re.compile(
    r"\s*(?:email feedback report for ip|\[?spam complaint\]?|abuse report|fbl(?: report)?[: ]|"
    r"client tos notification)",
    re.IGNORECASE,
)
_LOOP_SENDER = re.compile(
    r"(?:scomp|fbl|feedback(?:-?loop)?|feedbackloop|abuse-?reports?|complaints?|arf)(?:[+._-][^@]{0,60})?@",
    re.IGNORECASE,
)
_FIELD = re.compile(r"^([A-Za-z][A-Za-z-]{0,60})[ \t]*:[ \t]*(.*)$")
_KEPT = ("feedback-type", "user-agent", "original-mail-from", "original-rcpt-to", "source-ip", "arrival-date")
_NO_COMPLAINT = ("not-spam", "auth-failure", "dmarc")
_COPIES = ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a complaint says (RFC 5965 section 3): the type ("abuse", "fraud", "not-spam" …), who complains
    (often hidden), the return path and id of the mail it is about, the address it was sent from, by whom the
    report was made. Fields that are not told are empty.
    """

    feedback_type: str
    original_rcpt_to: str
    original_mail_from: str
    original_message_id: str
    source_ip: str
    user_agent: str
    arrival_date: str

    @property
    def unwanted(self) -> bool:
        """Whether it says that the mail was not wanted. Others take that back (RFC 6430), or tell of a
        signature that failed (RFC 6591).
        """
        return self.feedback_type not in _NO_COMPLAINT


def read_complaint(mail: InboundMail) -> Complaint | None:
    """The complaint in `mail`, or None when it is none: a report of RFC 5965, or the form of a feedback loop
    that only attaches the mail. A person who complains in words is none.
    """
    outer = mail.header("content-type").lower()
    report = next((part for part in mail.attachments if part.content_type == FEEDBACK), None)
    if report is not None and outer.startswith(("multipart/report", "multipart/mixed")):
        return _complaint(mail, _fields(report.content))
    if "feedback-report" in outer and outer.startswith("multipart/report"):
        return _complaint(mail, _fields(mail.text.encode("utf-8", "replace")))
    return _complaint(mail, {"feedback-type": "abuse"}) if _is_form(mail) else None


def _is_form(mail: InboundMail) -> bool:
    if not any(part.content_type in _COPIES for part in mail.attachments):
        return False
    jmrp = _JMRP_SENDER.match(mail.from_email) and _JMRP_SUBJECT.match(mail.subject[:200])
    loop = _LOOP_SENDER.match(mail.from_email) and _LOOP_SUBJECT.match(mail.subject[:200])
    return bool(jmrp or loop)


def _fields(content: bytes) -> dict[str, str]:
    """The fields of a report; of repeated ones the first, without the language of words (RFC 5965 §3.5)."""
    found: dict[str, str] = {}
    last = ""
    for line in scrub(content[:_MAX_REPORT].decode("utf-8", "replace")).split("\n"):
        if line[:1] in (" ", "\t") and last:
            found[last] += " " + line.strip()
        elif match := _FIELD.match(line[:2000]):
            last = match[1].lower()
            if last in found:
                last = ""
            else:
                found[last] = match[2].strip()
        else:
            last = ""
    return {name: value[:320] for name, value in found.items() if name in _KEPT}


def _complaint(mail: InboundMail, fields: dict[str, str]) -> Complaint:
    recipient = fields.get("original-rcpt-to", "")
    if not recipient:
        recipient = _in_copy(mail, _JMRP_FIELD)
    return Complaint(
        feedback_type=fields.get("feedback-type", "abuse").lower()[:40],
        original_rcpt_to=first_address(recipient)[1],
        original_mail_from=first_address(fields.get("original-mail-from") or _in_copy(mail, _RETURN_PATH))[1],
        original_message_id=reported_message_id(mail),
        source_ip=fields.get("source-ip", ""),
        user_agent=fields.get("user-agent", ""),
        arrival_date=fields.get("arrival-date", ""),
    )


def _in_copy(mail: InboundMail, field: re.Pattern[str]) -> str:
    """What a header of the mail that is complained of says, by the copy in the report; or empty."""
    for part in mail.attachments:
        if part.content_type in _COPIES:
            found = field.search(part.content[:_MAX_REPORT].decode("utf-8", "replace"))
            if found:
                return found[1]
    return ""
