"""What stands between a stranger's bytes and the MIME parser: caps on size, parts, depth, length and time.

The standard parser takes quadratic time on some input (60 KB of quotation marks in a Content-Type, a
hundred thousand boundary lines) and recursion depth on other. Everything here is linear in the input.
"""

import email.message
import email.policy
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.feedparser import BytesFeedParser

from workers.errors import UnreadableMail
from workers.intake.boundaries import told_apart
from workers.intake.mending import HEADER_LINE, LINE_END, mended

_CHUNK = 32 * 1024
_BOUNDARY = re.compile(rb"boundary[*0-9]*[ \t]*=[ \t\r\n]*\"?([^\"\r\n;]{1,200})", re.IGNORECASE)
_DASHES = re.compile(rb"[\r\n]--([^\r\n]{0,210})")
_MIME_NAMES = (b"content-type", b"content-disposition", b"content-transfer-encoding", b"mime-version")
_CONTAINER = re.compile(rb"content-type[ \t]{0,80}:\s{0,80}(?:multipart|message)/")
_MIME_VALUE = re.compile(rb"[ \t]{0,80}:[^\r\n]*+(?:(?:\r\n|\r|\n)[ \t][^\r\n]*+)*+")


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps of reading one mail: bytes, counts, and seconds of machine time (a tenth more per MB above 25).

    `text` is how much of a body is decoded, `words` (characters) how much of it is kept as what was said:
    each step that masks, seals or shows it takes time by its length, and the raw mail is kept anyway.
    """

    size: int = 40 * 1024 * 1024
    lines: int = 600_000
    header_block: int = 512 * 1024
    header: int = 128 * 1024
    header_lines: int = 5_000
    mime_header: int = 8 * 1024
    containers: int = 250
    parts: int = 1_000
    depth: int = 40
    text: int = 2 * 1024 * 1024
    words: int = 256 * 1024
    seconds: float = 1.5


DEFAULT_LIMITS = Limits()
QUICK_LIMITS = Limits(seconds=0.25)
"""For a first reading: what takes longer must not keep others waiting."""


class _Part(email.message.Message):
    """A part whose attached mails and reports the standard parser leaves as they came.

    It would take them apart, and nobody could say again which bytes were sent; what is nested in them costs
    nothing either.
    """

    def get_content_type(self) -> str:
        """The media type as the parser is to see it; `media_type` tells the true one."""
        kind = super().get_content_type()
        return "application/octet-stream" if kind.startswith("message/") else kind

    def get_content_maintype(self) -> str:
        """Its first half."""
        return self.get_content_type().partition("/")[0]


class TooSlow(UnreadableMail):
    """Reading a mail has taken longer than it may."""


class Deadline:
    """The machine time one mail may take; `check()` raises TooSlow once it has run out.

    It counts what this thread has worked, so that a busy machine refuses no mail. A thread cannot be stopped
    from outside; so every step between two checks is linear in a length that is capped.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = time.thread_time() + seconds

    def check(self) -> None:
        """Raises TooSlow when the time has run out."""
        if time.thread_time() > self._ends:
            raise TooSlow("reading it takes too long")


def parse_tree(raw: bytes, limits: Limits, deadline: Deadline) -> email.message.Message:
    """The MIME tree (RFC 2045) of a mail, by the standard parser under caps.

    Repairs what mail systems really break first: leading blank lines, an mbox "From " line, a byte-order
    mark, an indented first line, header lines folded without the leading space.
    Raises UnreadableMail with the cap that was exceeded.
    """
    raw = mended(raw)
    _check_before(raw, limits)
    raw = told_apart(raw)
    deadline.check()
    parser: BytesFeedParser[email.message.Message] = BytesFeedParser(_Part, policy=email.policy.compat32)
    for at in range(0, len(raw), _CHUNK):
        parser.feed(raw[at : at + _CHUNK])
        deadline.check()
    try:
        tree = parser.close()
    except (RecursionError, ValueError, LookupError, AssertionError, UnicodeError) as error:
        raise UnreadableMail(f"its structure cannot be read ({type(error).__name__})") from error
    deadline.check()
    for count, (_, depth) in enumerate(walk(tree), start=1):
        if count > limits.parts:
            raise UnreadableMail("it has too many parts")
        if depth > limits.depth:
            raise UnreadableMail("its parts are nested too deeply")
    return tree


def media_type(part: email.message.Message) -> str:
    """The media type as its header has it, without parameters (RFC 2045 section 5.2)."""
    return email.message.Message.get_content_type(part)


def walk(tree: email.message.Message) -> Iterator[tuple[email.message.Message, int]]:
    """All parts with their depth, in the order of the mail, without recursion."""
    waiting = [(tree, 0)]
    while waiting:
        part, depth = waiting.pop()
        yield part, depth
        waiting.extend((child, depth + 1) for child in reversed(children(part)))


def children(part: email.message.Message) -> list[email.message.Message]:
    """The parts inside a part. A leaf is not asked for its payload: the standard parser would decode it by
    its label, and trips over some labels.
    """
    inner = part.get_payload() if part.is_multipart() else []
    return [child for child in inner if isinstance(child, email.message.Message)]


def _check_before(raw: bytes, limits: Limits) -> None:
    """Raises UnreadableMail where the standard parser would take too long or too deep."""
    if len(raw) > limits.size:
        raise UnreadableMail("it is too large")
    if not raw.strip():
        raise UnreadableMail("it is empty")
    _check_headers(raw, limits)
    if raw.count(b"\n") + raw.count(b"\r") - raw.count(b"\r\n") > limits.lines:
        raise UnreadableMail("it has too many lines")
    _check_mime(raw, limits)
    if raw.count(b"\n--") + raw.count(b"\r--") > limits.parts:
        known = {found[1].strip() for found in _BOUNDARY.finditer(raw)}
        lines = (found[1].rstrip() for found in _DASHES.finditer(raw))
        if sum(1 for line in lines if line in known or line.removesuffix(b"--") in known) > limits.parts:
            raise UnreadableMail("it has too many parts")


def _check_mime(raw: bytes, limits: Limits) -> None:
    """Length and number of what looks like a MIME header, wherever it stands.

    One search in lower case for each name takes a tenth of the time of one pattern for all.
    """
    lowered = raw.lower()
    containers = 0
    for name in _MIME_NAMES:
        at = lowered.find(name)
        while at >= 0:
            if at == 0 or lowered[at - 1] in b"\r\n":
                value = _MIME_VALUE.match(lowered, at + len(name))
                if value and value.end() - at > limits.mime_header:
                    raise UnreadableMail("a MIME header is too long")
                containers += name == b"content-type" and _CONTAINER.match(lowered, at) is not None
            at = lowered.find(name, at + len(name))
    if containers > limits.containers:
        raise UnreadableMail("its parts are nested too deeply")


def _check_headers(raw: bytes, limits: Limits) -> None:
    """Length of the top header block, of each header and the number of lines (RFC 5322 section 2.2)."""
    at, length, lines = 0, 0, 0
    while at < len(raw):
        found = LINE_END.search(raw, at)
        end = found.start() if found else len(raw)
        if end == at:
            return
        length = length + end - at if raw[at : at + 1] in (b" ", b"\t") else end - at
        lines += 1
        if end > limits.header_block or length > limits.header or lines > limits.header_lines:
            if lines == 1 and not HEADER_LINE.match(raw, at):
                return  # no header block at all: a body that begins with one long line
            raise UnreadableMail("its header is too long")
        at = found.end() if found else len(raw)
