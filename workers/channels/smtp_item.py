"""Between the channel port and the wire: an item becomes a mail, a relay's answer becomes an outcome."""

from __future__ import annotations

import re

from workers.channels.address import wire_address
from workers.channels.batch import Attempt
from workers.channels.port import Outcome, Outgoing, Verdict
from workers.channels.smtp_codes import judge
from workers.channels.smtp_session import Answer, Mail, wire_form
from workers.errors import InvalidInput

_QUEUED_AS = re.compile(
    r"\b(?:queued as|id=|queued mail)\s*([A-Za-z0-9._-]{4,80})|^Ok ([0-9a-f]{16}-[0-9a-f-]{36}-[0-9]{6})",
    re.IGNORECASE,
)
"""In the words of Postfix, Exim and others; Amazon SES names nothing but its id."""


class Unwritable(Exception):
    """An item that no relay can be given; `reason` and `text` are fit for an Outcome."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text


def mail_of(item: Outgoing) -> Mail:
    """The item as it goes over the wire. Raises Unwritable."""
    try:
        recipient = wire_address(item.recipient, utf8=True).encode()
    except InvalidInput as error:
        raise Unwritable("invalid_recipient", error.message) from None
    try:
        sender = wire_address(item.sender).encode("ascii") if item.sender else b""
    except InvalidInput as error:
        raise Unwritable("invalid_sender", error.message) from None
    return Mail(sender, recipient, wire_form(item.payload))


def outcome_of(attempt: Attempt, answer: Answer | None) -> Outcome:
    """What the relay's answer means for this attempt; None: the mail is larger than the relay takes."""
    if answer is None:
        return attempt.outcome(Verdict.REJECTED, "too_large", text="larger than the relay's announced limit")
    step, reply = answer
    if answer.accepted:
        return attempt.outcome(
            Verdict.SENT, "accepted", code=reply.code, text=reply.text, accepted_at=reply.at,
            provider_id=_queue_id(reply.text),
        )  # fmt: skip # packed, to be read at a glance
    verdict, reason = judge(step, reply.code, reply.text)
    return attempt.outcome(verdict, reason, code=reply.code, text=reply.text)


def _queue_id(text: str) -> str | None:
    """The relay's own number of the mail ("queued as 4F2A…"), with which its log can be searched."""
    found = _QUEUED_AS.search(text)
    return found[1] or found[2] if found else None
