"""A mail file as facts: what the intake would make of it, without a database."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from workers.errors import CloseloopError
from workers.intake.bounces import read_bounce
from workers.intake.filters import classify
from workers.intake.mail import InboundMail, parse_mail

FEEDBACK = "message/feedback-report"


def read_file(file: Path, own: Collection[str]) -> dict[str, Any]:
    """The facts of one RFC 5322 file; `own` are the service's addresses. Never raises for its content.

    `kind` is person, reply, auto_reply, bounce, complaint, read_receipt, list, or unreadable (then `warnings`
    says why and all else is empty).
    """
    try:
        mail = parse_mail(file.read_bytes())
    except CloseloopError as error:
        return {**_empty(file), "warnings": [error.message]}
    own_addresses = {address.lower() for address in own}
    traits = classify(
        mail,
        envelope_from=None,
        own_domains={address.rpartition("@")[2] for address in own_addresses},
        own_addresses=own_addresses,
    )
    bounce = read_bounce(mail) if traits.kind == "bounce" else None
    return {
        **_empty(file),
        "kind": str(traits.kind),
        "reasons": list(traits.reasons),
        "take_in": traits.take_in,
        "may_answer": traits.may_answer,
        "from_email": mail.from_email,
        "from_name": mail.from_name,
        "to": _people(mail.to),
        "cc": _people(mail.cc),
        "reply_to": _people(mail.reply_to),
        "subject": mail.subject,
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "html": mail.html,
        "reply": mail.reply,
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references": list(mail.references),
        "attachments": [
            {"name": one.name, "content_type": one.content_type, "size": one.size, "sha256": one.sha256}
            for one in mail.attachments
        ],
        "bounce": {
            "status": bounce.status,
            "action": bounce.action,
            "recipient": next(iter(bounce.recipients), ""),
            "reason": bounce.reason,
            "original_message_id": bounce.original_message_id,
        }
        if bounce
        else None,
        "complaint": _complaint(mail) if traits.kind == "complaint" else None,
        "warnings": list(mail.warnings),
    }


def _empty(file: Path) -> dict[str, Any]:
    texts = dict.fromkeys(("from_email", "from_name", "subject", "text", "html", "reply"), "")
    ids = dict.fromkeys(("message_id", "in_reply_to"), "")
    lists: dict[str, Any] = {name: [] for name in ("to", "cc", "reply_to", "references", "attachments")}
    nothing: dict[str, Any] = {"bounce": None, "complaint": None, "warnings": []}
    return {"file": str(file), "kind": "unreadable", **texts, **ids, **lists, **nothing}


def _people(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"name": name, "email": address} for name, address in pairs]


def _complaint(mail: InboundMail) -> dict[str, str]:
    """The fields of an abuse report (RFC 5965 §3) that say what kind it is and whom it is about."""
    report = next((one.content for one in mail.attachments if one.content_type == FEEDBACK), b"")
    fields: dict[str, str] = {"feedback_type": "", "original_mail_from": "", "original_rcpt_to": ""}
    for line in report.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        key = name.strip().lower().replace("-", "_")
        if key in fields and not fields[key]:
            fields[key] = value.strip()[:320]
    return fields
