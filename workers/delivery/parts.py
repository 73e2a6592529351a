"""Parts of a mail: texts in UTF-8 and images, made 7-bit by quoted-printable or base64 (RFC 2045 §6)."""

from __future__ import annotations

from binascii import b2a_base64, b2a_qp
from dataclasses import dataclass
from functools import lru_cache
from struct import unpack
from typing import Literal

from workers.errors import InvalidInput
from workers.rendering import InlineImage

_LINE = 76
_SHORT = 400
_REMEMBERED = 2048


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file that goes with a mail: its name (ASCII letters, digits, dot and dash), media type and bytes."""

    name: str
    media_type: str
    content: bytes


def text_part(kind: Literal["plain", "html"], text: str) -> bytes:
    """Return headers, blank line and encoded body of a `text/<kind>` part, without a line end at its end.

    Line ends of any kind become CRLF. Raises InvalidInput for lone surrogates, which no encoding can carry.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput("the text of the mail holds half a character (a lone surrogate)") from error
    # A byte beyond ASCII costs three characters in quoted-printable; above one in six, base64 is shorter.
    if (len(raw) - len(text)) * 6 > len(raw):
        encoding, body = b"base64", _base64(raw.replace(b"\n", b"\r\n"))
    else:
        encoding, body = b"quoted-printable", _quoted_printable(text)
    return (
        b"Content-Type: text/" + kind.encode("ascii") + b"; charset=utf-8\r\nContent-Transfer-Encoding: "
        + encoding + b"\r\n\r\n" + body
    )  # fmt: skip # packed, to be read at a glance


def html_part(html: str, images: tuple[InlineImage, ...], boundary: bytes) -> bytes:
    """Return the HTML, with its `images` as multipart/related (RFC 2387) around it if there are any.

    `boundary` may appear in no part, as one that holds "=_" never does. Raises InvalidInput as `text_part`.
    """
    text = text_part("html", html)
    if not images:
        return text
    dash = b"--" + boundary
    kind = b'Content-Type: multipart/related; type="text/html";\r\n boundary="' + boundary + b'"'
    pieces = [kind, b"", dash, text]
    for number, image in enumerate(images, 1):
        pieces += [dash, _image_part(image, number)]
    return b"\r\n".join([*pieces, dash + b"--", b""])


def file_part(file: AttachedFile) -> bytes:
    """Return the part of an attached file (RFC 2183)."""
    head = (
        f'Content-Type: {file.media_type}; name="{file.name}"',
        "Content-Transfer-Encoding: base64",
        f'Content-Disposition: attachment; filename="{file.name}"',
        "\r\n",
    )
    return "\r\n".join(head).encode("ascii") + _base64(file.content)


@lru_cache(maxsize=64)  # the same few files in each mail
def _image_part(image: InlineImage, number: int) -> bytes:
    # Not the operator's name for the file: whoever lists attachments shows it to the reader.
    name = f"image{number}.{'jpg' if image.kind == 'jpeg' else image.kind}"
    head = (
        f'Content-Type: image/{image.kind}; name="{name}"',
        "Content-Transfer-Encoding: base64",
        f"Content-ID: <{image.content_id}>",
        f'Content-Disposition: inline; filename="{name}"',
        "\r\n",
    )
    return "\r\n".join(head).encode("ascii") + _base64(image.content)


def _base64(raw: bytes) -> bytes:
    encoded = b2a_base64(raw, newline=False)
    full, rest = divmod(len(encoded), _LINE)
    # Four times as fast as slices, and it needs no list of their places.
    lines = unpack(f"{_LINE}s" * full + f"{rest}s" * bool(rest), encoded)
    return b"\r\n".join(lines)


def _quoted_printable(text: str) -> bytes:
    # Line by line: each stands for itself, and nine of ten are the template's, the same in every mail.
    return b"\r\n".join(
        [_known_line(line) if len(line) < _SHORT else _quoted_line(line) for line in text.split("\n")]
    )


def _quoted_line(line: str) -> bytes:
    # By the line break before it b2a_qp knows how to write the soft ones.
    return b2a_qp(b"\r\n" + line.encode("utf-8"))[2:]


_known_line = lru_cache(maxsize=_REMEMBERED)(_quoted_line)
