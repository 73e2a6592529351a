"""Header lines of a mail. Each function returns one header (folded with CRLF) or a list of them.

All are pure ASCII, but for an address that needs SMTPUTF8.

Free text is encoded by RFC 2047; identifiers and URLs never are, because receivers compare them literally.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.base64mime import header_encode
from functools import lru_cache

from workers.channels.address import wire_address
from workers.errors import InvalidInput

_WIDTH = 78
_LONGEST = 998
_WORD = 45  # bytes of UTF-8 in one encoded word: "=?utf-8?b?" + 60 + "?=" stays within 75 (RFC 2047 §2)
_REFERENCES = 20

_FATAL = re.compile("[\r\n\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x01-\x1f\x7f-\x9f\u2028\u2029]")
_PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_ID = re.compile(r"<[!-;=?-~]{1,990}>")
_NAME = re.compile(r"[!-9;-~]{1,76}")
_URL = re.compile(r"https?://[!-;=?-~]{1,900}")

_OURS = frozenset({
    "date", "from", "sender", "to", "cc", "bcc", "subject", "message-id", "reply-to", "in-reply-to",
    "references", "auto-submitted", "x-auto-response-suppress", "list-unsubscribe", "list-unsubscribe-post",
    "mime-version", "content-type", "content-transfer-encoding", "return-path", "received",
})  # fmt: skip # packed, to be read at a glance


def subject(text: str) -> str:
    """Return the Subject; control characters other than the forbidden ones become spaces."""
    return "Subject: " + _free_text(_clean("subject", text), len("Subject: "))


@lru_cache(maxsize=256)  # the sender is the same in every mail
def address(header: str, name: str, plain: str, *, utf8: bool = False) -> str:
    """Return an address header for one mailbox; a comma in `name` does not make two people of it.

    With `utf8` the address may go beyond ASCII, and stands there as it is (RFC 6532 §3.2).
    """
    where = f"<{wire_address(plain, utf8=utf8)}>"
    name = _clean(header, name).strip()
    if not name:
        return _folded(f"{header}:", [where])
    if not _PLAIN.fullmatch(name) or "=?" in name or len(name) > 60:
        return _folded(f"{header}:", [*_encoded_words(name, len(header) + 2), where])
    if not _ATOMS.fullmatch(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return _folded(f"{header}:", [name, where])


def message_id(value: str) -> str:
    """Return our own Message-ID. Raises InvalidInput when it is none."""
    if not _ID.fullmatch(value):
        raise InvalidInput("not a Message-ID", "expected <unique@domain> in ASCII")
    return _folded("Message-ID:", [value])


def message_ids(header: str, values: Iterable[str]) -> list[str]:
    """Return In-Reply-To or References with the ids as they are, one a line; nothing when no id can be
    written.

    The ids come from strangers: what is no id is left out, what could break the header raises InvalidInput.
    Of long threads the first and the last ids are kept, as RFC 5322 §3.6.4 and common clients thread by
    them.
    """
    kept = []
    for value in values:
        if _FATAL.search(value):
            raise InvalidInput(f"{header} holds a line break or NUL")
        if _ID.fullmatch(value):
            kept.append(value)
    if len(kept) > _REFERENCES:
        kept = [kept[0], *kept[1 - _REFERENCES :]]
    return [_folded(f"{header}:", kept)] if kept else []


def unsubscribe(url: str) -> list[str]:
    """Return RFC 8058's pair of headers for a one-click unsubscribe by POST to `url` (http or https)."""
    if not _URL.fullmatch(url):
        raise InvalidInput("not a URL that a mail header can hold", "expected http(s)://… in ASCII")
    return [_folded("List-Unsubscribe:", [f"<{url}>"]), "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]


def extra(name: str, value: str) -> str:
    """Return a further header with a free-text value. Raises InvalidInput for one that `compose` writes
    itself.
    """
    if not _NAME.fullmatch(name) or name.lower() in _OURS:
        raise InvalidInput(f"the header {name!r} cannot be added")
    return f"{name}: " + _free_text(_clean(name, value), len(name) + 2)


def _clean(header: str, text: str) -> str:
    if text.isprintable():  # then it holds none of what is looked for below
        return text
    if _FATAL.search(text):
        raise InvalidInput(f"{header} holds a line break, NUL or half a character")
    return _CONTROL.sub(" ", text)


def _free_text(text: str, used: int) -> str:
    """Return `text` in clear when it survives folding unchanged, else as encoded words."""
    if not text:
        return ""
    if _PLAIN.fullmatch(text) and "=?" not in text and max(map(len, text.split(" "))) < _WIDTH - used:
        return _wrapped(text.split(" "), used)
    return "\r\n ".join(_encoded_words(text, used))


def _encoded_words(text: str, used: int) -> list[str]:
    """Split `text` into encoded words; whole characters in each (RFC 2047 §5)."""
    words = []
    room = min(_WORD, (_WIDTH - used - 12) // 4 * 3)
    left = text.encode()
    while len(left) > room:
        end = room
        while left[end] & 0xC0 == 0x80:  # within a character (RFC 3629 §3)
            end -= 1
        words.append(header_encode(left[:end], "utf-8"))
        left, room = left[end:], _WORD
    words.append(header_encode(left, "utf-8"))
    return words


def _wrapped(words: list[str], used: int) -> str:
    lines: list[str] = []
    line = words[0]
    for word in words[1:]:
        if used + len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line, used = word, 1
        else:
            line = f"{line} {word}"
    return "\r\n ".join((*lines, line))


def _folded(head: str, pieces: list[str]) -> str:
    """Put the pieces on as few lines as possible without ever breaking one."""
    out, column = head, len(head)
    for piece in pieces:
        if column + 1 + len(piece) > _WIDTH and column > 1:
            out, column = f"{out}\r\n {piece}", 1 + len(piece)
        else:
            out, column = f"{out} {piece}", column + 1 + len(piece)
    if column > _LONGEST:
        raise InvalidInput("a header line would be longer than 998 characters")
    return out
