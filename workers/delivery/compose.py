"""A mail as bytes: composed directly, headers by hand or by the standard library's encoders.

`email.policy.SMTP` costs 2 ms a mail and encodes long Message-IDs in References and List-Unsubscribe, which
breaks threading and unsubscribing in real clients. What is written here is 7-bit (but for a
recipient whose address needs SMTPUTF8), CRLF, folded at 78
characters where a fold is possible and never longer than 998 (RFC 5322 §2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

from workers.delivery.headers import address, extra, message_id, message_ids, subject, unsubscribe
from workers.delivery.parts import AttachedFile, file_part, html_part, text_part
from workers.errors import InvalidInput
from workers.rendering import InlineImage

_CRLF = b"\r\n"


@dataclass(frozen=True, slots=True)
class MailParts:
    """What a mail is made of. Names, subject and texts are plain Unicode; addresses are `local@domain`.

    `message_id`, `in_reply_to`, `references` are ids with their angle brackets, `date` is aware. `html` None
    makes a mail of text alone; `images` are those that the HTML shows by their Content-IDs, `files` are
    attached. `auto_submitted`
    is for what the service says of itself (RFC 3834); a human answer that is passed on must have None.
    `list_unsubscribe_url` adds RFC 8058's one-click pair. `headers` are further name-value pairs, of which
    none may be one that `compose` writes itself.
    """

    from_name: str
    from_address: str
    to_address: str
    subject: str
    text: str
    message_id: str
    date: datetime
    html: str | None = None
    to_name: str = ""
    reply_to: str | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    list_unsubscribe_url: str | None = None
    auto_submitted: Literal["auto-generated", "auto-replied"] | None = "auto-generated"
    images: tuple[InlineImage, ...] = ()
    files: tuple[AttachedFile, ...] = ()


def compose(parts: MailParts) -> bytes:
    """Return the mail, ready for DKIM and the wire; the same parts always give the same bytes.

    Raises InvalidInput when a header would be broken (CR, LF, NUL, lone surrogates), an address is none, or
    the date is naive.
    """
    head, body = _head(parts), _body(parts)
    if not parts.files:
        return _CRLF.join((head, body))
    mark = b"=_f" + _digest(parts)
    pieces = [head, b'Content-Type: multipart/mixed; boundary="' + mark + b'"', b"", b"--" + mark, body]
    for file in parts.files:
        pieces += [b"--" + mark, file_part(file)]
    return _CRLF.join([*pieces, b"--" + mark + b"--", b""])


def _digest(parts: MailParts) -> bytes:
    return blake2b(parts.message_id.encode(), digest_size=12).hexdigest().encode("ascii")


def _body(parts: MailParts) -> bytes:
    """The text, with its HTML twin if there is one."""
    text = text_part("plain", parts.text)
    if parts.html is None:
        return text
    # Encoded parts never contain "=_": neither base64 nor quoted-printable can produce it (RFC 2045 §6.7).
    digest = _digest(parts)
    mark, inner = b"=_" + digest, b"=_r" + digest  # neither begins with the other: RFC 2046 §5.1.1
    dash = b"--" + mark
    return _CRLF.join(
        (
            b'Content-Type: multipart/alternative; boundary="' + mark + b'"',
            b"",
            dash,
            text,
            dash,
            html_part(parts.html, parts.images, inner),
            dash + b"--",
            b"",
        )
    )


def _head(parts: MailParts) -> bytes:
    if parts.date.tzinfo is None:
        raise InvalidInput("the date of a mail needs a time zone")
    lines = [
        _date(parts.date, parts.date.utcoffset()),
        address("From", parts.from_name, parts.from_address),
        address("To", parts.to_name, parts.to_address, utf8=True),
        subject(parts.subject),
        message_id(parts.message_id),
    ]
    if parts.reply_to is not None:
        lines.append(address("Reply-To", "", parts.reply_to))
    if parts.in_reply_to is not None:
        lines += message_ids("In-Reply-To", (parts.in_reply_to,))
    lines += message_ids("References", parts.references)
    if parts.auto_submitted is not None:
        lines.append("Auto-Submitted: " + parts.auto_submitted)
        lines.append("X-Auto-Response-Suppress: OOF, AutoReply, DR, RN, NRN")
    if parts.list_unsubscribe_url is not None:
        lines += unsubscribe(parts.list_unsubscribe_url)
    lines += [extra(name, value) for name, value in parts.headers]
    lines.append("MIME-Version: 1.0")
    return "\r\n".join(lines).encode()


@lru_cache(maxsize=16)  # a batch has one date
def _date(moment: datetime, offset: timedelta | None) -> str:  # equal moments may be written differently
    return "Date: " + format_datetime(moment)
