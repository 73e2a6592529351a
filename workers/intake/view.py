"""A mail's bytes as one flat record: what the intake reads in it, for the commands and tests.

No database, no settings, no clock. The keys are a promise to those who compare them with expected results;
`ops/docs/parsing.md` describes them.
"""

from collections.abc import Collection, Iterable
from dataclasses import asdict
from typing import Any

from workers.errors import UnreadableMail
from workers.intake.bounces import Bounce, read_bounce
from workers.intake.complaints import read_complaint
from workers.intake.filters import Kind, classify
from workers.intake.forwards import read_forward
from workers.intake.guard import DEFAULT_LIMITS, QUICK_LIMITS, Limits
from workers.intake.html import sanitise
from workers.intake.mail import InboundMail, parse_mail
from workers.intake.mending import header_of
from workers.text import mask_email, mask_free_text, mask_name

PREVIEW = 400
"""How many characters of what a mail says its masked record shows."""

UNREADABLE = "unreadable"
"""The kind of what cannot be read within the caps; why stands in `reason` and in `warnings`."""

KINDS = (*(kind.value for kind in Kind), UNREADABLE)
"""All values of `kind`; there are no others."""


_TEXTS = (
    "from_email", "from_name", "subject", "text", "html", "html_safe", "reply", "message_id", "in_reply_to",
)  # fmt: skip # packed, to be read at a glance
_LISTS = ("to", "cc", "reply_to", "references", "attachments", "reasons")
_SAID_BY_HEADER = (
    "from_email", "from_name", "to", "cc", "reply_to", "subject", "date", "message_id", "in_reply_to",
    "references",
)  # fmt: skip # packed, to be read at a glance
_HEADING = 16 * 1024
_NOTHING = ("date", "bounce", "complaint", "forwarded")
_FLAGS = ("quote_cut", "take_in", "automatic", "may_answer")


def mail_view(
    raw: bytes,
    own: Collection[str] = (),
    *,
    envelope_from: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> dict[str, Any]:
    """The record of one mail (RFC 5322), ready for JSON: strings, lists, numbers, None. `own` are addresses
    of the service, to tell its own mail; `envelope_from` as in `classify`. Raises UnreadableMail alone.
    """
    mail = parse_mail(raw, limits)
    return view_of(mail, own, envelope_from=envelope_from)


def view_of(
    mail: InboundMail, own: Collection[str] = (), *, envelope_from: str | None = None
) -> dict[str, Any]:
    """The same record of a mail that has been parsed already."""
    addresses = {address.lower() for address in own}
    traits = classify(
        mail,
        envelope_from=envelope_from,
        own_domains={address.rpartition("@")[2] for address in addresses},
        own_addresses=addresses,
    )
    bounce = read_bounce(mail) if traits.kind is Kind.BOUNCE else None
    complaint = read_complaint(mail) if traits.kind is Kind.COMPLAINT else None
    passed_on = read_forward(mail) if traits.kind in (Kind.PERSON, Kind.REPLY) else None
    return {
        "kind": traits.kind.value,
        "reason": None,
        "from_email": mail.from_email,
        "from_name": mail.from_name,
        "to": _people(mail.to),
        "cc": _people(mail.cc),
        "reply_to": _people(mail.reply_to),
        "subject": mail.subject,
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "html": mail.html,
        "html_safe": sanitise(mail.html) if mail.html else "",
        "reply": mail.reply,
        "quote_cut": mail.quote_cut,
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references": list(mail.references),
        "attachments": [
            {"name": one.name, "content_type": one.content_type, "size": one.size, "sha256": one.sha256}
            for one in mail.attachments
        ],
        "bounce": _bounce(bounce) if bounce else None,
        "complaint": asdict(complaint) if complaint else None,
        "forwarded": {
            "claimed_email": passed_on.from_email,
            "claimed_name": passed_on.from_name,
            "subject": passed_on.subject,
            "date": passed_on.date.isoformat() if passed_on.date else None,
        }
        if passed_on
        else None,
        "take_in": traits.take_in,
        "automatic": traits.automatic,
        "may_answer": traits.may_answer,
        "reasons": list(traits.reasons),
        "warnings": list(mail.warnings),
    }


def unreadable_view(reason: str, raw: bytes = b"") -> dict[str, Any]:
    """The record of a mail that could not be read: the same keys, empty but for what the first 16 KB of the
    header of `raw` say, and why.
    """
    empty: dict[str, Any] = dict.fromkeys(_TEXTS, "") | {key: [] for key in _LISTS}
    empty |= dict.fromkeys(_NOTHING) | dict.fromkeys(_FLAGS, False)
    return {"kind": UNREADABLE, "reason": reason, **empty, **_heading(raw), "warnings": [reason]}


def _heading(raw: bytes) -> dict[str, Any]:
    try:
        read = view_of(parse_mail(header_of(raw, _HEADING), QUICK_LIMITS))
    except UnreadableMail:
        return {}
    return {key: read[key] for key in _SAID_BY_HEADER}


def _people(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "email": address} for name, address in pairs]


def _bounce(bounce: Bounce) -> dict[str, Any]:
    return {
        "status": bounce.status,
        "action": bounce.action,
        "recipient": next(iter(bounce.recipients), ""),
        "recipients": list(bounce.recipients),
        "reason": bounce.reason,
        "original_message_id": bounce.original_message_id,
        "is_delayed": bounce.is_delayed,
    }


def masked_view(view: dict[str, Any]) -> dict[str, Any]:
    """The record as it may be shown to staff: names, addresses and numbers masked, words cut to a preview,
    HTML left out, its length told. The keys stay the same.
    """
    shown = dict(view)
    for key in ("subject", "text", "reply"):
        shown[key] = mask_free_text(view[key][: 2 * PREVIEW])[:PREVIEW]
    for key in ("html", "html_safe"):
        shown[key] = f"({len(view[key])} characters)" if view[key] else ""
    shown["from_email"] = _masked(view["from_email"])
    shown["from_name"] = mask_name(view["from_name"])
    for key in ("to", "cc", "reply_to"):
        shown[key] = [
            {"name": mask_name(one["name"]), "email": _masked(one["email"])} for one in view[key][:20]
        ]
    shown["attachments"] = [{**one, "name": mask_free_text(one["name"])} for one in view["attachments"]]
    for key in ("bounce", "complaint", "forwarded"):
        if view[key]:
            shown[key] = {name: _masked_fact(name, value) for name, value in view[key].items()}
    return shown


def _masked_fact(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_masked_fact(name, one) for one in value]
    if not isinstance(value, str) or name.endswith("message_id"):
        return value
    if name == "claimed_name":
        return mask_name(value)
    return _masked(value) if "@" in value and " " not in value else mask_free_text(value)


def _masked(address: str) -> str:
    return mask_email(address) if address else ""
