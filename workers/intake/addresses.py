"""Mailbox lists of RFC 5322 section 3.4, as they are rather than as the grammar has them, in one linear pass."""

import re

from workers.intake.headers import decode_words

Address = tuple[str, str]

_MAX_LENGTH = 128 * 1024
_MAX_ADDRESSES = 1_000
_MAX_PIECE = 2_000
_BARE = re.compile(r"[^\s<>()\[\],;:\"]{1,256}@[^\s<>()\[\],;:\"']{1,255}")
_COMMENT = re.compile(r"\(([^()]{0,1000})\)")
_QUOTING = re.compile(r"\\([\"\\()])|\"")
_LOCAL_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.){1,128}\"@[^\s<>]{1,255}")


def parse_addresses(raw: str, hint: str | None = None) -> tuple[Address, ...]:
    """(display name, address) pairs of an address header as the parser holds it (not yet decoded).

    Names are decoded; the domain is in lower case, the local part as it was written. Groups yield their
    members, "undisclosed-recipients:;" none. A name with an unquoted comma stays one name. At most 1,000
    addresses are read. Entries without an address are left out.
    """
    found: list[Address] = []
    pending = ""
    for piece in _split(raw[:_MAX_LENGTH]):
        name, email = _one(pending + piece if pending and "<" in piece else piece, hint)
        if email:
            found.append((name, email))
            pending = ""
        else:
            # "Doe, John <john@example.com>": the comma belongs to the name.
            pending = f"{piece.strip()}, " if len(piece) < 100 and "<" not in piece else ""
        if len(found) >= _MAX_ADDRESSES:
            break
    return tuple(found)


def first_address(raw: str, hint: str | None = None) -> Address:
    """The first mailbox of a header, or two empty strings."""
    return next(iter(parse_addresses(raw, hint)), ("", ""))


def _split(raw: str) -> list[str]:
    """Cuts at commas, semicolons and group colons that stand outside quotes, comments and angle brackets."""
    pieces: list[str] = []
    start = at = depth = opened = 0
    quoted = angled = False
    while at < len(raw):
        char = raw[at]
        if char == "\\" and (quoted or depth):
            at += 1
        elif char == '"' and not depth:
            quoted = not quoted and raw.find('"', at + 1) != -1 if not quoted else False
        elif quoted:
            pass
        elif char == "(" and not angled and (depth or raw.find(")", at, at + 1000) != -1):
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif depth:
            pass
        elif char == "<":
            angled, opened = True, at
        elif char == ">":
            angled = False
        elif char in ",;" or (char == ":" and not angled):
            # An angle bracket that is never closed must not swallow the rest of the list.
            if not angled or (raw[opened + 1 : opened + 2] != "@" and _ends_early(raw, start, at)):
                if char != ":":
                    pieces.append(raw[start:at])
                start, angled = at + 1, False
                if len(pieces) > 2 * _MAX_ADDRESSES:
                    return pieces
        at += 1
    pieces.append(raw[start:])
    return pieces


def _ends_early(raw: str, start: int, at: int) -> bool:
    return "@" in raw[max(start, at - 400) : at] or raw.find(">", at, at + 300) == -1


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
