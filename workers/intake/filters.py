"""What kind of mail is this, may it become part of a ticket, and may anything automatic answer it?

Three separate answers on purpose: a list or an auto-reply may be worth keeping and must still never be
answered (RFC 3834 section 2). Order: complaint, bounce, read receipt, forwarding confirmation, answering
machine, own mail, junk, list, machine, person.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from workers.intake.bounces import read_bounce
from workers.intake.complaints import read_complaint
from workers.intake.confirmations import read_confirmation
from workers.intake.junk import junk_mark
from workers.intake.machines import LOOP_HEADER, answering_machine, machine_reasons
from workers.intake.mail import InboundMail

_MAX_RECEIVED = 25
_RECEIPT_SUBJECT = re.compile(
    r"\s*(?:已读回执|已读[:：]|讀取[:：]|read[:：] |return receipt|gelesen: |lu ?: |leído: |letto: |"
    r"lida: )",
    re.IGNORECASE,
)
_NO_REPLY = re.compile(
    r"(?:.{0,60}[._+-])?(?:no[._-]?reply|do[._-]?not[._-]?reply|donotreply|noreplies|mailer-?daemon|"
    r"postmaster|bounces?|daemon|"
    r"nobody|notifications?|newsletter|list-?server|majordomo|listserv|autoreply|auto-?confirm|root|"
    r"www-data|system)"
    r"(?:[._+-].{0,60})?@",
    re.IGNORECASE,
)
_BULK_HEADERS = (
    "x-campaign",
    "x-campaignid",
    "x-mailchimp-campaign",
    "x-csa-complaints",
    "x-mailgun-tag",
    "x-mc-user",
    "feedback-id",
)
_LIST_HEADERS = ("mailing-list", "x-mailing-list", "x-beenthere", *_BULK_HEADERS[:6])
_RECEIPT_PART = "message/disposition-notification"


class Kind(StrEnum):
    """What a mail is, for the step that takes it on. `machine` is software that writes of its own: a form, an
    alarm, an order confirmation; `junk` is what the mailbox it came through calls spam.
    """

    PERSON = "person"
    REPLY = "reply"
    AUTO_REPLY = "auto_reply"
    OUT_OF_OFFICE = "out_of_office"
    LIST = "list"
    MACHINE = "machine"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    READ_RECEIPT = "read_receipt"
    OWN = "own"
    FORWARD_CONFIRMATION = "forward_confirmation"
    JUNK = "junk"


_WORTH_TAKING_IN = (
    Kind.PERSON,
    Kind.REPLY,
    Kind.AUTO_REPLY,
    Kind.OUT_OF_OFFICE,
    Kind.LIST,
    Kind.MACHINE,
)


@dataclass(frozen=True, slots=True)
class Traits:
    """`take_in`: it may become a ticket or a ticket's entry (bounces, complaints and receipts settle a
    notification instead); `automatic`: no person wrote it just now, so it neither re-opens nor answers;
    `may_answer`: an automatic message may go back to its sender. `reasons` are codes for the timeline.
    """

    kind: Kind
    take_in: bool
    automatic: bool
    may_answer: bool
    reasons: tuple[str, ...]


def classify(
    mail: InboundMail,
    *,
    envelope_from: str | None,
    own_domains: Collection[str],
    own_addresses: Collection[str],
    junk: str | None = None,
    vouched: bool = False,
) -> Traits:
    """Traits of a mail. `envelope_from` is the return path, "" for the null sender, None when unknown;
    `own_domains` are those we and our colleagues write from, `own_addresses` those of the service itself.

    `junk` is why the door it came through calls it so. `vouched` says that it is no advertisement whatever
    calls it so: a person has looked at it, or it came to a reply address of ours.
    """
    domains = {one.lower() for one in own_domains}
    addresses = {one.lower() for one in own_addresses}
    machine = machine_reasons(mail)
    ours = mail.from_email.lower() in addresses and bool(machine)
    spam = None if vouched else junk or junk_mark(mail)
    kind, why = _report(mail, envelope_from, bool(machine))
    if kind is None:
        kind, why = _kind(mail, envelope_from, domains, ours=ours, spam=spam)
    automatic = kind not in (Kind.PERSON, Kind.REPLY) or bool(machine)
    refuse = _refusals(mail, kind, spam, vouched=vouched)
    quiet = _silences(mail, envelope_from, domains)
    if ours:
        refuse.append("own_mail")
    reasons = dict.fromkeys((*why, *machine, *refuse, *quiet))
    return Traits(
        kind=kind,
        take_in=kind in _WORTH_TAKING_IN and not refuse,
        automatic=automatic or ours,
        may_answer=not (automatic or refuse or quiet),
        reasons=tuple(reasons),
    )


def _report(mail: InboundMail, envelope_from: str | None, machine: bool) -> tuple[Kind | None, list[str]]:
    """A mail about another mail: complaint, bounce, read receipt; None when it is none of these."""
    if read_complaint(mail) is not None:
        return Kind.COMPLAINT, ["feedback_report"]
    bounce = read_bounce(mail)
    if bounce is not None:
        return Kind.BOUNCE, ["delayed" if bounce.is_delayed else "delivery_report"]
    parts = {part.content_type for part in mail.attachments}
    report = mail.header("content-type").lower()
    if _RECEIPT_PART in parts or (report.startswith("multipart/report") and "disposition-not" in report):
        return Kind.READ_RECEIPT, ["disposition_notification"]
    if _RECEIPT_SUBJECT.match(mail.subject[:100]) and (envelope_from == "" or machine):
        return Kind.READ_RECEIPT, ["receipt_subject"]
    return None, []


def _kind(
    mail: InboundMail, envelope_from: str | None, own_domains: set[str], *, ours: bool, spam: str | None
) -> tuple[Kind, list[str]]:
    if read_confirmation(mail) is not None:
        return Kind.FORWARD_CONFIRMATION, ["forwarding_confirmation"]
    found = answering_machine(mail, envelope_from)
    if found is not None:
        return (Kind.OUT_OF_OFFICE if found.absent else Kind.AUTO_REPLY), [found.reason]
    if ours or mail.headers.get(LOOP_HEADER):
        return Kind.OWN, ["own_mail"]
    if spam is not None:
        return Kind.JUNK, ["spam"]
    if _is_list(mail, own_domains):
        return Kind.LIST, ["list"]
    if machine_reasons(mail):
        return Kind.MACHINE, []
    return (Kind.REPLY if mail.in_reply_to or mail.references else Kind.PERSON), []


def _is_list(mail: InboundMail, own_domains: set[str]) -> bool:
    """A list or newsletter of somebody else. A group of ours that serves as the inbox marks customers' mail
    as list mail, too; that is our own doing.
    """
    headers = mail.headers
    listed = headers.keys() & {"list-id", "list-post", "list-unsubscribe", "list-help", *_LIST_HEADERS}
    # Some gateways of phones mark each mail as bulk: an answer from one is a person's.
    answers = bool(mail.in_reply_to or mail.references) and "owner-" not in mail.header("sender").lower()
    bulk = mail.header("precedence").strip().lower() in ("bulk", "list", "junk") and not answers
    return (bool(listed) or bulk) and not _own_group(mail, own_domains)


def _own_group(mail: InboundMail, own_domains: set[str]) -> bool:
    listed = f"{mail.header('list-id')} {mail.header('list-post')} {mail.header('mailing-list')}".lower()
    return any(
        f"@{domain}" in listed or f".{domain}>" in listed or f"<{domain}>" in listed for domain in own_domains
    )


def _refusals(mail: InboundMail, kind: Kind, spam: str | None, *, vouched: bool) -> list[str]:
    """Why the mail must not become a ticket at all."""
    reasons = []
    if spam is not None:
        reasons += ["spam", spam]
    if mail.headers.get(LOOP_HEADER):
        reasons.append("own_mail")
    if kind is Kind.FORWARD_CONFIRMATION:
        reasons.append("forwarding_confirmation")
    if kind is Kind.LIST and _is_newsletter(mail) and not vouched:
        reasons.append("newsletter")
    return reasons


def _is_newsletter(mail: InboundMail) -> bool:
    """An advertisement, as against a person's post on a discussion list: one can leave it but not post to it,
    and it answers nothing.
    """
    postable = mail.header("list-post").strip().lower() not in ("", "no")
    threaded = bool(mail.in_reply_to or mail.references)
    leave = bool(mail.header("list-unsubscribe"))
    campaign = any(mail.headers.get(name) for name in _BULK_HEADERS)
    return not postable and not threaded and (leave or campaign)


def _silences(mail: InboundMail, envelope_from: str | None, own_domains: set[str]) -> list[str]:
    """Why nothing automatic may go back to the sender, even where a ticket is opened."""
    sender = mail.from_email.lower()
    null_sender = envelope_from is not None and envelope_from.strip("<> ") == ""
    suppress = mail.header("x-auto-response-suppress").lower()
    listed = bool(mail.headers.keys() & {"list-id", "list-unsubscribe"}) and not _own_group(mail, own_domains)
    results = mail.headers.get("authentication-results", ())
    checks = {
        "no_sender": not sender,
        "null_sender": null_sender or mail.header("return-path").strip() == "<>",
        "own_domain": sender.rpartition("@")[2] in own_domains,
        "own_message_id": mail.message_id.rpartition("@")[2].rstrip(">").lower() in own_domains,
        "no_reply_address": bool(_NO_REPLY.match(sender)),
        "response_suppressed": any(word in suppress for word in ("all", "autoreply", "oof")),
        "precedence": mail.header("precedence").strip().lower() in ("bulk", "junk", "list"),
        "list": listed,
        "dmarc_failed": any("dmarc=fail" in value.lower() for value in results),
        "too_many_hops": len(mail.headers.get("received", ())) > _MAX_RECEIVED,
    }
    return [reason for reason, holds in checks.items() if holds]
