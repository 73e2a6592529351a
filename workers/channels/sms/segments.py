"""How many segments a text message takes: what it costs (3GPP TS 23.038 §6.2, 23.040 §9.2.3.24.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True, slots=True)
class Segments:
    """`units` are septets in GSM-7 and UTF-16 code units in UCS-2; `count` is the number of segments."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    count: int


def count_segments(text: str) -> Segments:
    """Return encoding, length and number of segments of `text`; an empty text takes none.

    One character outside GSM-7 (a Chinese one, an emoji, a no-break space) turns the whole message into
    UCS-2. An escape sequence or a surrogate pair is never split, so a segment may stay one unit short.
    """
    if all(character in _BASIC or character in _EXTENSION for character in text):
        return _counted("GSM-7", [2 if character in _EXTENSION else 1 for character in text], 160, 153)
    return _counted("UCS-2", [2 if ord(character) > 0xFFFF else 1 for character in text], 70, 67)


def _counted(encoding: Literal["GSM-7", "UCS-2"], sizes: list[int], alone: int, joined: int) -> Segments:
    units = sum(sizes)
    if units <= alone:
        return Segments(encoding, units, 1 if units else 0)
    return Segments(encoding, units, _packed(sizes, joined))


def _packed(sizes: Iterable[int], room: int) -> int:
    count, used = 1, 0
    for size in sizes:
        if used + size > room:
            count, used = count + 1, 0
        used += size
    return count
