"""Header blocks as mail systems break them, mended so that a strict parser reads them to their end.

Everything here is linear in the mail's length.
"""

import re

LINE_END = re.compile(rb"\r\n|\r|\n")
HEADER_LINE = re.compile(rb"[!-9;-~]{1,200}[ \t]*:")
_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")
_KNOWN_HEADER = re.compile(
    rb"(?:from|to|cc|subject|date|message-id|mime-version|content-[a-z-]{2,30}|reply-to|in-reply-to|"
    rb"references|return-path|received|sender|delivered-to|dkim-signature|x-[a-z0-9-]{1,60})[ \t]*:",
    re.IGNORECASE,
)
_EVERY_MAIL = frozenset((b"message-id", b"mime-version", b"content-type", b"date"))


def mended(raw: bytes) -> bytes:
    """The mail with a header block the standard parser reads to its end."""
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    first = raw[:5]
    if first in (b"From ", b">From"):
        found = LINE_END.search(raw)
        raw = raw[found.end() :] if found else raw
    if _KNOWN_HEADER.match(indented := raw[:400].lstrip(b" \t")):
        # The first line folds nothing: somebody has indented it.
        raw = raw[min(len(raw), 400) - len(indented) :]
    raw = _rejoined(raw)
    end = _header_end(raw)
    block = raw[:end]
    lines = block.splitlines(keepends=True)
    if all(line[:1] in (b" ", b"\t") or HEADER_LINE.match(line) for line in lines):
        return raw
    last = max((at for at, line in enumerate(lines) if HEADER_LINE.match(line)), default=-1)
    if last <= 0 or not HEADER_LINE.match(lines[0]):
        return raw
    # A stray line between headers is the rest of the header above it, folded by somebody without a space.
    # After the last header it is the body, whose blank line is missing.
    repaired: list[bytes] = []
    sound = 0  # how many lines from the top are headers beyond doubt
    for at, line in enumerate(lines[:last]):
        if line.startswith(b"--"):
            # A boundary: the blank line is missing above the first part, or above the words before it.
            return b"".join(repaired[:sound]) + b"\n" + b"".join(lines[sound:]) + raw[end:]
        folded = line[:1] in (b" ", b"\t")
        named = HEADER_LINE.match(line) is not None
        repaired.append(line if folded or named else b" " + line)
        if named or (folded and sound == at):
            sound = at + 1
    return b"".join(repaired) + b"".join(lines[last:]) + raw[end:]


def _rejoined(raw: bytes) -> bytes:
    """The mail without a blank line that tears its header block in two.

    Only where what follows is wholly made of headers every mail has and the first half lacks: a person's
    text may begin with "To: …" as well.
    """
    found = _BLANK_LINE.search(raw[: 256 * 1024])
    if found is None:
        return raw
    rest = raw[found.end() : found.end() + 64 * 1024]
    following = _BLANK_LINE.search(rest)
    second = rest[: following.start()] if following else b""
    names = _names(second)
    torn = len(names) >= 2 and bool(names & _EVERY_MAIL) and not (names & _names(raw[: found.start()]))
    lines = second.splitlines()
    if not torn or not all(line[:1] in (b" ", b"\t") or _KNOWN_HEADER.match(line) for line in lines):
        return raw
    return raw[: found.start()] + found[0][: len(found[0]) // 2] + raw[found.end() :]


def _names(block: bytes) -> set[bytes]:
    return {line.partition(b":")[0].strip().lower() for line in block.splitlines() if HEADER_LINE.match(line)}


def _header_end(raw: bytes) -> int:
    """Where the first blank line begins; a mail without one is headers to its end, up to a bound."""
    found = _BLANK_LINE.search(raw[: 1024 * 1024])
    return found.start() if found else 0


def header_of(raw: bytes, longest: int) -> bytes:
    """The header block alone, whole lines of it, at most `longest` bytes."""
    block = raw[:longest].lstrip(b"\r\n")
    found = _BLANK_LINE.search(block)
    if found:
        return block[: found.end()]
    return block if len(raw) <= longest else block[: block.rfind(b"\n") + 1]
