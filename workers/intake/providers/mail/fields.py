"""Facts out of JSON that nobody vouches for: every step may be missing or of another type."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from workers.intake.charset import scrub

LONGEST = 2_000


def at(whole: Any, *path: str) -> Any:
    """The value down a path of object keys; None where it does not lead on."""
    for name in path:
        if not isinstance(whole, dict):
            return None
        whole = whole.get(name)
    return whole


def text_at(whole: Any, *path: str) -> str:
    """The text or number down a path, storable and of bounded length; "" where there is none."""
    found = at(whole, *path)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return scrub(str(found))[:LONGEST]


def texts_at(whole: Any, *path: str) -> tuple[str, ...]:
    """The text down a path as a tuple; an empty one where there is none."""
    found = text_at(whole, *path)
    return (found,) if found else ()


def objects_in(whole: Any) -> list[dict[str, Any]]:
    """The objects in a list; an object by itself is a list of one."""
    each = whole if isinstance(whole, list) else [whole]
    return [one for one in each if isinstance(one, dict)]


def storable(whole: Any) -> Any:
    """The same facts with every text in them fit to be stored (no NUL, no lone surrogate)."""
    if isinstance(whole, str):
        return scrub(whole)
    if isinstance(whole, dict):
        return {storable(name): storable(value) for name, value in whole.items()}
    return [storable(value) for value in whole] if isinstance(whole, list | tuple) else whole


def piece(whole: Any) -> bytes:
    """A piece of a body as bytes of its own, the same for the same facts."""
    return json.dumps(whole, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode("ascii")


def key_of(*parts: str) -> str:
    """A key out of a provider's ids: as they are while short and plain, else their hash."""
    plain = ":".join(parts)
    if all(parts) and len(plain) <= 120 and plain.isascii() and plain.isprintable():
        return plain
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def code_in(text: str) -> int:
    """A reply code of SMTP (RFC 5321 section 4.2) in digits; 0 when it is none."""
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() and text[0] in "245" else 0
