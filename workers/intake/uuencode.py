"""Files that old mail programs write into the text itself: uuencoded, between "begin 644 name" and "end".

The format is that of POSIX (IEEE Std 1003.1, uuencode, historical algorithm). Linear in the text's length.
"""

import binascii
import re
from typing import NamedTuple

_BEGIN = re.compile(rb"^begin [0-7]{3,4} +([^\r\n]{1,400}?)[ \t]*\r?$", re.MULTILINE)
_LINE = re.compile(rb"([^\r\n]{0,200})(?:\r\n|\n|\r|\Z)")
_MOST = 100
_LONGEST = 45
"""Bytes of one line, as every encoder writes them; the last may have fewer."""


class Inside(NamedTuple):
    """A file found in a text: its name as it stands there, and its bytes."""

    name: bytes
    content: bytes


def without_files(data: bytes) -> tuple[bytes, list[Inside]]:
    """The text without the files in it, and those; the text as it is where there are none.

    What begins like a file and is none, or has no end, stays in the text. At most 100 are taken out.
    """
    if b"\nend" not in data and b"\rend" not in data:
        return data, []
    kept: list[bytes] = []
    files: list[Inside] = []
    at = 0
    while len(files) < _MOST and (begin := _BEGIN.search(data, at)):
        ends, content = _decoded(data, begin.end())
        if content is None:
            kept.append(data[at : begin.end()])
            at = begin.end()
            continue
        kept.append(data[at : begin.start()])
        files.append(Inside(begin[1], content))
        at = ends
    return b"".join((*kept, data[at:])), files


def _decoded(data: bytes, at: int) -> tuple[int, bytes | None]:
    """Where the file ends that begins behind `at`, and its bytes; None when it is no file."""
    at += len(b"\n") if data[at : at + 1] == b"\n" else 0
    pieces: list[bytes] = []
    while at < len(data) and (found := _LINE.match(data, at)):
        line, at = found[1].rstrip(b" \t"), found.end()
        if line == b"end":
            return at, b"".join(pieces) if pieces else None
        piece = _line(line)
        if piece is None:
            break
        pieces.append(piece)
    return at, None


def _line(line: bytes) -> bytes | None:
    """The bytes of one line, none for a line that says so; None when it is no line of a file."""
    if line in (b"", b"`"):  # a length of nothing is a blank, which mail systems strip
        return b""
    length = (line[0] - 32) & 63
    if not 32 < line[0] <= 32 + _LONGEST or len(line) - 1 > (length + 2) // 3 * 4 + 1:
        return None
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        return None
