"""A mail's bytes as facts: who wrote, what about, what exactly, with which attachments.

The tree comes from the standard parser under the caps of `guard`; every byte is decoded here, because labels
lie. All strings that come out can be stored: valid Unicode without NUL or lone surrogates.
"""

import email.message
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from workers.intake import quotes
from workers.intake.addresses import Address, first_address, parse_addresses
from workers.intake.charset import scrub
from workers.intake.guard import DEFAULT_LIMITS, Deadline, Limits, parse_tree
from workers.intake.headers import decode_words, message_ids, moment, raw_value, raw_values
from workers.intake.html import to_text
from workers.intake.parts import Attachment, Bodies, collect

_MAX_HEADERS = 400
_MAX_VALUES = 60
_MAX_VALUE = 8_000
_MAX_SUBJECT = 1_000

__all__ = ["Address", "Attachment", "InboundMail", "parse_mail"]


@dataclass(frozen=True, slots=True)
class InboundMail:
    """One mail, decoded. Ids stand in angle brackets. `text` is made from the HTML where there is no plain
    text; `html` is as it was sent: sanitise it before it is shown. `reply` is the text without quotation and
    signature, flowed lines joined; `quote_cut` says that a quotation was cut off. Header names are in lower
    case, values decoded and bounded. `warnings` are codes: charset, text_cut, date, defect, encrypted,
    encrypted_or_signed, partial.
    """

    from_email: str
    from_name: str
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    subject: str
    date: datetime | None
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    text: str
    html: str
    reply: str
    quote_cut: bool
    attachments: tuple[Attachment, ...]
    headers: Mapping[str, tuple[str, ...]] = field(repr=False)
    warnings: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """The first value of a header, or an empty string."""
        return next(iter(self.headers.get(name.lower(), ())), "")


def parse_mail(raw: bytes, limits: Limits = DEFAULT_LIMITS) -> InboundMail:
    """Reads a mail of RFC 5322, however broken. Raises UnreadableMail, naming the cap, when it exceeds the
    limits; nothing else is raised for any bytes.
    """
    deadline = Deadline(limits.seconds + max(0, len(raw) - 25_000_000) / 10_000_000)
    tree = parse_tree(raw, limits, deadline)
    bodies = collect(tree, limits, deadline)
    subject = decode_words(raw_value(tree, "subject"), bodies.charset)[:_MAX_SUBJECT]
    text = bodies.text if bodies.text.strip() or not bodies.html else to_text(bodies.html).text
    deadline.check()
    if len(text) > limits.words:
        text, bodies = text[: limits.words], replace(bodies, warnings=(*bodies.warnings, "text_cut"))
    reply = quotes.split_reply(text, bodies.html, forwarded=quotes.is_forward(subject))
    deadline.check()
    said = quotes.unflowed(reply.text) if bodies.flowed else reply.text
    reply = reply._replace(text=said[: limits.words])
    return _assemble(tree, bodies, subject, text.strip("\n"), reply)


def _assemble(
    tree: email.message.Message, bodies: Bodies, subject: str, text: str, reply: quotes.Reply
) -> InboundMail:
    hint = bodies.charset
    name, sender = first_address(raw_value(tree, "from"), hint)
    if not sender:
        name, sender = first_address(raw_value(tree, "sender"), hint)
    date = moment(raw_value(tree, "date"))
    warnings = list(bodies.warnings)
    if date is None and raw_value(tree, "date"):
        warnings.append("date")
    if tree.defects:
        warnings.append("defect")
    own_ids = message_ids(raw_value(tree, "message-id"))
    answered = message_ids(raw_value(tree, "in-reply-to"))
    return InboundMail(
        from_email=sender,
        from_name=name,
        to=_mailboxes(tree, "to", hint),
        cc=_mailboxes(tree, "cc", hint),
        reply_to=_mailboxes(tree, "reply-to", hint),
        subject=subject,
        date=date,
        message_id=own_ids[0] if own_ids else "",
        in_reply_to=answered[0] if answered else "",
        references=message_ids(" ".join(raw_values(tree, "references"))),
        text=text,
        html=bodies.html,
        reply=reply.text,
        quote_cut=reply.cut,
        attachments=bodies.attachments,
        headers=_headers(tree, hint),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _mailboxes(tree: email.message.Message, name: str, hint: str | None) -> tuple[Address, ...]:
    return tuple(pair for value in raw_values(tree, name)[:20] for pair in parse_addresses(value, hint))


def _headers(tree: email.message.Message, hint: str | None) -> Mapping[str, tuple[str, ...]]:
    """The top headers, decoded, within bounds on number and length."""
    kept: dict[str, list[str]] = {}
    for number, (key, value) in enumerate(tree.raw_items()):
        if number >= _MAX_HEADERS:
            break
        values = kept.setdefault(scrub(key).lower()[:200], [])
        if len(values) < _MAX_VALUES:
            values.append(decode_words(str(value)[: 4 * _MAX_VALUE], hint)[:_MAX_VALUE])
    return MappingProxyType({key: tuple(values) for key, values in kept.items()})
