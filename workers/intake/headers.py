"""Header fields as people wrote them: RFC 2047 words, raw 8-bit text, ids and dates. All linear."""

import email.message
import email.utils
import re
from datetime import UTC, datetime

from workers.intake.charset import decode, scrub
from workers.intake.transfer import base64_bytes

# A payload ends at "?=" and cannot run into the next word's "=?"; that keeps the search linear. A "?" or a
# space inside is against RFC 2047, yet common.
_WORD = re.compile(r"=\?([!->@-~]{1,75})\?([bBqQ])\?((?:[^?=]|=(?!\?(?!=))|\?(?!=))*+)\?=")
_BETWEEN = re.compile(r"[ \t\r\n]*\Z")
_SPACE = re.compile(r"\s+")
_LINE_BREAK = re.compile("[ \\t]*+[\\n\x85\u2028\u2029]\\s*+")
_QP = re.compile(rb"=([0-9A-Fa-f]{2})")
_ID = re.compile(r"<([^<>]{1,2000})>")
_MAX_IDS = 200


def raw_values(part: email.message.Message, name: str) -> list[str]:
    """All values of a header as the parser holds them: bytes beyond ASCII are lone surrogates."""
    wanted = name.lower()
    return [str(value) for key, value in part.raw_items() if key.lower() == wanted]


def raw_value(part: email.message.Message, name: str) -> str:
    """The first value of a header, or an empty string."""
    return next(iter(raw_values(part, name)), "")


def decode_words(raw: str, hint: str | None = None) -> str:
    """Readable text of an unstructured header: RFC 2047 words decoded, raw 8-bit text guessed, unfolded, on
    one line. Blanks inside stay as they were written.

    Neighbouring words of one charset are joined before decoding, since mailers cut characters in two.
    `hint` is the charset of the mail's body, which raw 8-bit headers usually share.
    """
    if raw.isascii() and raw.isprintable() and "=?" not in raw and "~{" not in raw:
        return raw.strip()  # as nearly all are: no word to decode, nothing folded, no escape sequence
    pieces: list[tuple[str | None, bytes]] = []
    at = 0
    for found in _WORD.finditer(raw):
        gap = raw[at : found.start()]
        if not (pieces and pieces[-1][0] is not None and _BETWEEN.match(gap)):
            _append(pieces, None, _bytes(gap))
        _append(pieces, found[1].partition("*")[0].lower(), _word_bytes(found[2], found[3]))
        at = found.end()
    _append(pieces, None, _bytes(raw[at:]))
    text = "".join(_piece_text(charset, data, hint) for charset, data in pieces)
    return _LINE_BREAK.sub(" ", scrub(text)).replace("\t", " ").strip()


def _append(pieces: list[tuple[str | None, bytes]], charset: str | None, data: bytes) -> None:
    if not data:
        return
    if pieces and pieces[-1][0] == charset:
        pieces[-1] = (charset, pieces[-1][1] + data)
    else:
        pieces.append((charset, data))


def _piece_text(charset: str | None, data: bytes, hint: str | None) -> str:
    if charset is None:
        # Folding is undone before decoding: an escape sequence must not be torn apart by it.
        return decode(re.sub(rb"[\r\n]+[ \t]+", b" ", data), None if data.isascii() else hint).text
    return decode(data, charset).text


def _word_bytes(encoding: str, payload: str) -> bytes:
    data = _bytes(payload)
    if encoding in "bB":
        return base64_bytes(data)
    return _QP.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), data.replace(b"_", b" "))


def _bytes(raw: str) -> bytes:
    """The bytes a parser's string stands for; text that never was bytes becomes UTF-8."""
    try:
        return raw.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return raw.encode("utf-8", "surrogatepass")


def message_ids(raw: str) -> tuple[str, ...]:
    """The ids of Message-ID, In-Reply-To or References (RFC 5322 section 3.6.4), in order, once each.

    They stand in angle brackets, without the blanks that folding left inside. An id without brackets is taken
    when it is written like one or stands alone; words beside bracketed ids ("Your message of …") are not.
    """
    text = scrub(_bytes(raw[:100_000]).decode("utf-8", "replace"))
    found = [_SPACE.sub("", part) for part in _ID.findall(text)]
    if not found:
        words = [word.strip("<>,;") for word in text.split()]
        found = [word for word in words if "@" in word]
        if not found and len(words) == 1 and re.search(r"\d", words[0]):
            found = words
    return tuple(dict.fromkeys(f"<{part}>" for part in found if part))[-_MAX_IDS:]


def moment(raw: str) -> datetime | None:
    """The time of a Date header (RFC 5322 section 3.3) in UTC, or None when it says none. A date without a
    zone counts as UTC.
    """
    text = _SPACE.sub(" ", _bytes(raw[:200]).decode("ascii", "replace")).strip()
    try:
        stated = email.utils.parsedate_to_datetime(text)
        if stated.tzinfo is None:
            stated = stated.replace(tzinfo=UTC)
        return stated.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
