"""A mail's bytes out of the fields that a provider has taken it apart into.

What comes out goes the way of every mail: it is parsed under the same caps, and whatever its headers say
(replies, lists, automatic mail, reports) counts as in a mail that came whole.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from workers.intake.charset import scrub

MOST_HEADERS = 400
_NAME = re.compile(r"[!-9;-~]{1,200}")
_BREAKS = re.compile(r"[\r\n\x00]+[ \t]*")
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,80}")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\]')
_REPORT = re.compile(r"multipart/report\b.*?report-type\s*=\s*\"?([a-z-]{1,40})", re.IGNORECASE | re.DOTALL)
_OWN = frozenset({"content-type", "content-transfer-encoding", "mime-version", "content-disposition"})


@dataclass(frozen=True, slots=True)
class File:
    """An attachment: name and media type as told, its bytes, its Content-ID (without <>) if it has one."""

    name: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str = ""


def build_mail(
    headers: Iterable[tuple[str, str]], text: str = "", html: str = "", files: Sequence[File] = ()
) -> bytes:
    """RFC 5322 bytes with these headers, in UTF-8 as they are (RFC 6532), and these contents.

    The headers are those of the mail, whole or in part; what they say of its MIME structure is replaced, but
    a report (RFC 6522) stays one. A line break in a value cannot begin a header.
    """
    lines: list[bytes] = []
    said = ""
    for number, (name, value) in enumerate(headers):
        if number >= MOST_HEADERS:
            break
        if name.lower() == "content-type":
            said = said or value
        if name.lower() not in _OWN and _NAME.fullmatch(name):
            lines.append(_header(name, value))
    kind, parts = _content(said, text, html, files)
    lines += [b"MIME-Version: 1.0", kind, b"", parts]
    return b"\r\n".join(lines)


def _header(name: str, value: str) -> bytes:
    return f"{name}: {_BREAKS.sub(' ', scrub(value)).strip()}".encode("utf-8", "replace")


def _content(said: str, text: str, html: str, files: Sequence[File]) -> tuple[bytes, bytes]:
    """Content-Type of the whole, and its body."""
    words = [_text("plain", text)] if text or not html else []
    words += [_text("html", html)] if html else []
    body = words[0] if len(words) == 1 else _multipart("alternative", words)
    if not files:
        kind, _, rest = body.partition(b"\r\n")
        return kind, rest.removeprefix(b"\r\n")
    report = _REPORT.match(said.strip())
    sort = f"report; report-type={report[1].lower()}" if report else "mixed"
    whole = _multipart(sort, [body, *map(_file, files)])
    kind, _, rest = whole.partition(b"\r\n\r\n")
    return kind, rest


def _multipart(sort: str, parts: Sequence[bytes]) -> bytes:
    mark = blake2b(b"\0".join(parts), digest_size=15).hexdigest().encode()
    joined = b"".join(b"--" + mark + b"\r\n" + part + b"\r\n" for part in parts)
    kind = b"Content-Type: multipart/" + sort.encode("ascii") + b'; boundary="' + mark + b'"'
    return kind + b"\r\n\r\n" + joined + b"--" + mark + b"--\r\n"


def _text(sort: str, text: str) -> bytes:
    kind = f"Content-Type: text/{sort}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return kind.encode("ascii") + _base64(scrub(text).encode("utf-8", "replace"))


def _file(file: File) -> bytes:
    plain = file.content_type.partition(";")[0].strip().lower()
    kind = plain if _TYPE.fullmatch(plain) else "application/octet-stream"
    name = _UNSAFE.sub("_", scrub(file.name))[:200] or "file"
    lines = [f"Content-Type: {kind}", f'Content-Disposition: attachment; filename="{name}"']
    ident = _UNSAFE.sub("", scrub(file.content_id).strip("<> "))[:200]
    if ident:
        lines.append(f"Content-ID: <{ident}>")
    if kind.startswith(("message/", "multipart/")):
        # RFC 2046 section 5.2.1: these are never encoded, and a parser looks into them.
        return "\r\n".join([*lines, "", ""]).encode() + file.content
    lines.append("Content-Transfer-Encoding: base64")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + _base64(file.content)


def _base64(data: bytes) -> bytes:
    lines = [b2a_base64(data[at : at + 57], newline=False) for at in range(0, len(data), 57)]
    return b"\r\n".join(lines)
