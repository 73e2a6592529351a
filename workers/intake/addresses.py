"""Mailbox lists of RFC 5322 section 3.4, as they are rather than as the grammar has them. Linear."""

import re
from collections.abc import Iterable, Iterator

from workers.intake.headers import decode_words

Address = tuple[str, str]

_MAX_LENGTH = 128 * 1024
_MAX_ADDRESSES = 1_000
_MAX_PIECE = 2_000
_BARE = re.compile(r"[^\s<>()\[\],;:\"]{1,256}@[^\s<>()\[\],;:\"']{1,255}")
_COMMENT = re.compile(r"\(([^()]{0,1000})\)")
_QUOTING = re.compile(r"\\([\"\\()])|\"")
_PLAIN = re.compile(
    r" ?(?:\"(?P<quoted>[\w .,@!&/+-]{0,100})\"|(?P<name>[A-Za-z0-9 .&-]{0,100}))"
    r" ?<(?P<local>[A-Za-z0-9._+-]{1,64})@(?P<domain>[A-Za-z0-9.-]{0,150}[A-Za-z0-9])> ?",
    re.ASCII,
)
"""One mailbox as most mailers write it, in which nothing has to be decoded or guessed."""
_BARE_PLAIN = re.compile(r" ?([A-Za-z0-9._+-]{1,64})@([A-Za-z0-9.-]{0,150}[A-Za-z0-9]) ?", re.ASCII)
_WITHOUT_COMMA = re.compile(r"(?<=>)\s+(?=[^\s<>][^<>]*<[^<>@\s]{1,256}@[^<>@\s]{1,255}>)")
_LOCAL_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.){1,128}\"@[^\s<>]{1,255}")


def parse_addresses(raw: str, hint: str | None = None) -> tuple[Address, ...]:
    """(display name, address) pairs of an address header as the parser holds it (not yet decoded).

    Names are decoded; the domain is in lower case, the local part as it was written. Groups yield their
    members, "undisclosed-recipients:;" none. A name with an unquoted comma stays one name. At most 1,000
    addresses are read. Entries without an address are left out.
    """
    plain = _PLAIN.fullmatch(raw)
    if plain is not None:
        name = (plain["quoted"] or plain["name"] or "").strip()
        return ((name, f"{plain['local']}@{plain['domain'].lower()}"),)
    bare = _BARE_PLAIN.fullmatch(raw)
    return (("", f"{bare[1]}@{bare[2].lower()}"),) if bare else _read_list(raw, hint)


def _read_list(raw: str, hint: str | None) -> tuple[Address, ...]:
    found: list[Address] = []
    pending = ""
    for piece in _apart(_Splitter(raw[:_MAX_LENGTH]).run()):
        name, email = _one(pending + piece.lstrip() if pending and "<" in piece else piece, hint)
        if email:
            found.append((name, email))
            pending = ""
        else:
            # "Doe, John <john@example.com>": the comma belongs to the name.
            pending = f"{piece.strip()}, " if len(piece) < 100 and "<" not in piece else ""
        if len(found) >= _MAX_ADDRESSES:
            break
    return tuple(found)


def _apart(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces, with mailboxes taken apart between which somebody forgot the comma."""
    for piece in pieces:
        if piece.count(">") < 2 or '"' in piece or len(piece) > _MAX_PIECE:
            yield piece
        else:
            yield from _WITHOUT_COMMA.split(piece)


def first_address(raw: str, hint: str | None = None) -> Address:
    """The first mailbox of a header, or two empty strings."""
    return next(iter(parse_addresses(raw, hint)), ("", ""))


class _Splitter:
    """Reads a list character by character and knows whether it is inside quotes, a comment or brackets."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self.pieces: list[str] = []
        self.start = self.at = self.opened = self.depth = 0
        self.quoted = self.angled = False

    def run(self) -> list[str]:
        while self.at < len(self.raw) and len(self.pieces) <= 2 * _MAX_ADDRESSES:
            self._step(self.raw[self.at])
            self.at += 1
        self.pieces.append(self.raw[self.start :])
        return self.pieces

    def _step(self, char: str) -> None:
        if char == "\\" and (self.quoted or self.depth):
            self.at += 1
        elif char == '"' and not self.depth:
            # A quote that is never closed is a stray character.
            self.quoted = not self.quoted and self.raw.find('"', self.at + 1) != -1
        elif not self.quoted and not self._comment(char) and not self.depth:
            self._plain(char)

    def _comment(self, char: str) -> bool:
        if (
            char == "("
            and not self.angled
            and (self.depth or self.raw.find(")", self.at, self.at + 1000) != -1)
        ):
            self.depth += 1
            return True
        if char == ")" and self.depth:
            self.depth -= 1
            return True
        return False

    def _plain(self, char: str) -> None:
        if char == "<":
            self.angled, self.opened = True, self.at
        elif char == ">":
            self.angled = False
        elif char in ",;" or (char == ":" and not self.angled):
            if self.angled and not self._unclosed():
                return
            if char != ":":  # what stands before a colon is a group's name
                self.pieces.append(self.raw[self.start : self.at])
            self.start, self.angled = self.at + 1, False

    def _unclosed(self) -> bool:
        """An angle bracket that is never closed must not swallow the rest of the list; a source route
        ("<@relay,@relay:user@host>") is no such case.
        """
        if self.raw[self.opened + 1 : self.opened + 2] == "@":
            return False
        before = self.raw[max(self.start, self.at - 400) : self.at]
        return "@" in before or self.raw.find(">", self.at, self.at + 300) == -1


def _one(piece: str, hint: str | None) -> Address:
    piece = piece.strip()
    if not piece or len(piece) > _MAX_PIECE:
        return "", ""
    opening = piece.rfind("<")
    if opening >= 0:
        closing = piece.find(">", opening)
        inner = piece[opening + 1 : closing if closing >= 0 else None]
        rest = piece[:opening] + (piece[closing + 1 :] if closing >= 0 else "")
        email = _address(inner.rpartition(":")[2] if inner.startswith("@") else inner)
        if email:
            return _name(rest, hint), email
    return _without_brackets(piece, hint)


def _without_brackets(piece: str, hint: str | None) -> Address:
    quoted = _LOCAL_QUOTED.search(piece)
    bare = quoted or _BARE.search(_COMMENT.sub(" ", piece))
    if bare is None and "=?" in piece:
        # Some mailers encode the whole mailbox, address and all, as one RFC 2047 word.
        decoded = decode_words(piece, hint)
        return _one(decoded, None) if "=?" not in decoded else ("", "")
    if bare is None:
        return "", ""
    comment = _COMMENT.search(piece)
    name = comment[1] if comment else piece.replace(bare[0], " ", 1)
    return _name(name.strip(" []"), hint), _address(bare[0])


def _address(text: str) -> str:
    """The address alone with its domain in lower case, or an empty string when it is none."""
    text = decode_words(_COMMENT.sub("", text)) if len(text) < 1000 else ""
    text = text.replace(" ", "") if '"' not in text else text
    text = text.strip("'<>,; ").removeprefix("mailto:")
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain or len(text) > 320 or any(char in "<>(),;" for char in domain):
        return ""
    return f"{local}@{domain.lower().rstrip('.')}"


def _name(raw: str, hint: str | None) -> str:
    raw = raw.strip()
    if len(raw) >= 2 and raw[0] == raw[-1] == '"':
        raw = raw[1:-1]
    name = decode_words(_QUOTING.sub(r"\1", raw), hint)
    if len(name) >= 2 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1]
    return name.strip()[:300]
