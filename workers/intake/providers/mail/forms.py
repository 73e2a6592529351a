"""The fields of a form, urlencoded or multipart, as bytes: whoever signs or labels them means exactly these.

Starlette's own reader stops at 1 MB for a field and makes U+FFFD of what is not UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from workers.errors import InvalidInput
from workers.intake.charset import decode, scrub

MOST_PARTS = 1_000
LONGEST_HEADERS = 8_192
STRETCH = 64 * 1024
"""Bytes that are decoded at a time."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a form: `within` which field, file name and media type as they were said."""

    within: str
    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """Fields in their order, and files."""

    fields: tuple[tuple[str, bytes], ...] = field(repr=False)
    files: tuple[FilePart, ...] = field(default=(), repr=False)

    def data(self, name: str) -> bytes:
        """The first value of a field, b"" when there is none."""
        return next((value for each, value in self.fields if each == name), b"")

    def text(self, name: str, charset: str | None = None) -> str:
        """The first value of a field as text that can be stored: in `charset`, else UTF-8 if it is, else
        as guessed.
        """
        return field_text(self.data(name), charset)


def field_text(value: bytes, charset: str | None = None) -> str:
    """A field's bytes as text that can be stored."""
    if charset is None:
        try:
            return scrub(value.decode("utf-8"))
        except UnicodeDecodeError:
            pass
    return decode(value, charset).text


def read_form(body: bytes, content_type: str) -> Form:
    """The form in a body of this Content-Type. Raises InvalidInput when it is none, or is cut."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return Form(_urlencoded(body))
    if kind == "multipart/form-data":
        return _Multipart(content_type).read(body)
    raise InvalidInput("the body is no form", "expected urlencoded or multipart fields")


def _urlencoded(body: bytes) -> tuple[tuple[str, bytes], ...]:
    pairs = body.split(b"&", MOST_PARTS)
    if len(pairs) > MOST_PARTS:
        raise InvalidInput("the form has too many fields")
    found = []
    for pair in pairs:
        name, equals, value = pair.partition(b"=")
        if equals:
            found.append((field_text(_unquoted(name))[:200], _unquoted(value)))
    return tuple(found)


def _unquoted(coded: bytes) -> bytes:
    """Without plus signs and percent-encoding. In stretches: the library makes an object of every escape, and
    whoever sends nothing else would have gigabytes before it is known who that is.
    """
    coded = coded.replace(b"+", b" ")
    pieces, start = [], 0
    while start < len(coded):
        end = start + STRETCH
        if (cut := coded.rfind(b"%", end - 2, end)) > start:
            end = cut  # no escape is torn
        pieces.append(unquote_to_bytes(coded[start:end]))
        start = end
    return b"".join(pieces)


class _Multipart:
    """Reads one multipart body by python-multipart's event parser (RFC 7578)."""

    def __init__(self, content_type: str) -> None:
        from python_multipart.multipart import parse_options_header  # only who has such a provider loads it

        _, options = parse_options_header(content_type)
        self._boundary = options.get(b"boundary", b"")
        self._parse_options = parse_options_header
        self._headers: dict[str, bytes] = {}
        self._name = bytearray()
        self._value = bytearray()
        self._data: list[bytes] = []
        self._fields: list[tuple[str, bytes]] = []
        self._files: list[FilePart] = []
        self._ended = False

    def read(self, body: bytes) -> Form:
        """Raises InvalidInput."""
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser

        if not self._boundary:
            raise InvalidInput("the form names no boundary")
        try:
            parser = MultipartParser(self._boundary, self._callbacks())
            parser.write(body)
            parser.finalize()
        except (FormParserError, ValueError) as error:
            raise InvalidInput("the body is no multipart form") from error
        if not self._ended:
            raise InvalidInput("the form is cut off")
        return Form(tuple(self._fields), tuple(self._files))

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_part_data": lambda data, start, end: self._data.append(data[start:end]),
            "on_part_end": self._end_part,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self._fields) + len(self._files) >= MOST_PARTS:
            raise InvalidInput("the form has too many parts")
        self._headers, self._data = {}, []

    def _end_header(self) -> None:
        name = bytes(self._name).decode("latin-1").lower()
        self._headers[name] = bytes(self._value[:LONGEST_HEADERS])
        self._name.clear()
        self._value.clear()

    def _end_part(self) -> None:
        _, options = self._parse_options(self._headers.get("content-disposition", b""))
        name = field_text(options.get(b"name", b""))[:200]
        content = b"".join(self._data)
        if b"filename" in options:
            kind = field_text(self._headers.get("content-type", b""))[:200]
            self._files.append(FilePart(name, field_text(options[b"filename"])[:400], kind, content))
        else:
            self._fields.append((name, content))

    def _end(self) -> None:
        self._ended = True


def charsets_of(form: Form, name: str = "charsets") -> Mapping[str, str]:
    """What a form says of the charsets of its own fields (a JSON object in one of them)."""
    import json

    try:
        told = json.loads(form.data(name) or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {str(key): value for key, value in told.items() if isinstance(value, str)}
