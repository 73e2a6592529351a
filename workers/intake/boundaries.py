"""MIME boundaries as they should be (RFC 2046 section 5.1.1): other mailers than the first reader could tell.

Some mailers give a multipart the very boundary of the one around it. Read by the letter, the inner end is the
outer one, and what is attached behind it is lost. And some fold a parameter without the leading blank.
Everything here is linear in the mail's length.
"""

import re

_DECLARED = re.compile(
    rb"^content-type:[ \t]{0,80}multipart/[^\r\n]{0,2000}(?:(?:\r\n|\r|\n)[ \t][^\r\n]{0,2000}){0,20}",
    re.IGNORECASE | re.MULTILINE,
)
_BOUNDARY = re.compile(
    rb"\bboundary[ \t]{0,20}=[ \t]{0,20}(?:\"([^\"\r\n]{1,200})\"|([^\"\s;]{1,200}))", re.IGNORECASE
)
_LINE = re.compile(rb"(?<=[\r\n])--([^\r\n]{1,210}?)[ \t]{0,20}(?=[\r\n]|\Z)")
_UNFOLDED = (b"\nname=", b"\nfilename=", b"\ncharset=", b"\nboundary=", b"\nname*=", b"\nfilename*=")
_TORN = re.compile(
    rb"^(content-(?:type|disposition)[^\r\n]{0,500};[ \t]{0,80}\r?\n)"
    rb"(?=(?:(?:file)?name\*?|charset|boundary)=)",
    re.IGNORECASE | re.MULTILINE,
)
_MOST = 250


def told_apart(raw: bytes) -> bytes:
    """The mail with a boundary of its own for each multipart, and with parameters that are folded as they
    should be. Nearly every mail comes out as it went in.
    """
    lowered = raw.lower()
    if any(each in lowered for each in _UNFOLDED):
        raw = _TORN.sub(rb"\1 ", raw)
    if lowered.count(b"boundary") < 2:
        return raw
    declared: list[tuple[int, int]] = []
    for header in _DECLARED.finditer(raw):
        found = _BOUNDARY.search(raw, header.start(), header.end())
        if found and len(declared) < _MOST:
            declared.append(found.span(1) if found[1] else found.span(2))
    names = [raw[start:end] for start, end in declared]
    twice = {name for name in names if names.count(name) > 1}
    return _renamed(raw, declared, twice) if twice else raw


def _renamed(raw: bytes, declared: list[tuple[int, int]], twice: set[bytes]) -> bytes:
    """The mail with another name for each of these boundaries where it is declared inside of itself."""
    events = [(start, end, b"", False) for start, end in declared if raw[start:end] in twice]
    for line in _LINE.finditer(raw):
        ends = line[1].endswith(b"--") and line[1][:-2] in twice
        if ends or line[1] in twice:
            name = line[1][:-2] if ends else line[1]
            events.append((line.start(1), line.start(1) + len(name), name, ends))
    open_now: dict[bytes, list[bytes]] = {name: [] for name in twice}
    pieces: list[bytes] = []
    at = 0
    for number, (start, end, name, ends) in enumerate(sorted(events)):
        levels = open_now[name or raw[start:end]]
        if not name:
            levels.append(raw[start:end] + (b"_%d" % number if levels else b""))
        if not levels:
            continue
        pieces += raw[at:start], levels[-1]
        at = end
        if ends and len(levels) > 1:
            levels.pop()
    return b"".join((*pieces, raw[at:]))
