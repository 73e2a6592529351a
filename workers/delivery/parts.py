"""Text parts of a mail: UTF-8, made 7-bit by quoted-printable or base64 (RFC 2045 §6)."""

from __future__ import annotations

from binascii import b2a_base64, b2a_qp
from typing import Literal

from workers.errors import InvalidInput

_LINE = 76


def text_part(kind: Literal["plain", "html"], text: str) -> bytes:
    """Return headers, blank line and encoded body of a `text/<kind>` part, without a line end at its end.

    Line ends of any kind become CRLF. Raises InvalidInput for lone surrogates, which no encoding can carry.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput("the text of the mail holds half a character (a lone surrogate)") from error
    # A byte beyond ASCII costs three characters in quoted-printable; above one in six, base64 is shorter.
    if (len(raw) - len(text)) * 6 > len(raw):
        encoding, body = b"base64", _base64(raw)
    else:
        encoding, body = b"quoted-printable", b2a_qp(b"\r\n" + raw)[2:]
    return (
        b"Content-Type: text/" + kind.encode("ascii") + b"; charset=utf-8\r\nContent-Transfer-Encoding: "
        + encoding + b"\r\n\r\n" + body
    )  # fmt: skip


def _base64(raw: bytes) -> bytes:
    line = b2a_base64(raw, newline=False)
    return b"\r\n".join([line[i : i + _LINE] for i in range(0, len(line), _LINE)])
