"""How many segments a text message takes, and where it is cut: what it costs.

3GPP TS 23.038 §6.2 and 23.040 §9.2.3.24.1 for networks; help.aliyun.com/zh/sms/user-guide/message-rules and
tencentcloud.com/document/product/382/40659 for mainland China.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    encoding, sizes, alone, joined = _measured(text)
    units = sum(sizes)
    if units <= alone:
        return Segments(encoding, units, 1 if units else 0)
    return Segments(encoding, units, sum(1 for _ in _cuts(sizes, joined)))


def split_text(text: str) -> list[str]:
    """Cut `text` as a network does: the parts of a joined message, each whole in its characters.

    A character of two units (an emoji, a GSM-7 escape sequence as of the euro sign) is never split. Joined
    again the parts give the text; one that fits alone is one part, an empty text none.
    """
    _, sizes, alone, joined = _measured(text)
    if sum(sizes) <= alone:
        return [text] if text else []
    ends = list(_cuts(sizes, joined))
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def count_characters(text: str, signature: str = "") -> Segments:
    """Return what 阿里云 and 腾讯云 charge for a message in mainland China: every character is one, also a
    Latin letter or an emoji, up to 70 alone and 67 joined, the signature and its brackets 【】 included.
    """
    units = len(text) + (len(signature) + 2 if signature else 0)
    if units <= 70:
        return Segments("UCS-2", units, 1 if units else 0)
    return Segments("UCS-2", units, -(-units // 67))


def _measured(text: str) -> tuple[Literal["GSM-7", "UCS-2"], list[int], int, int]:
    """Encoding, units of each character, room of a message alone, room of a part."""
    if all(character in _BASIC or character in _EXTENSION for character in text):
        return "GSM-7", [2 if character in _EXTENSION else 1 for character in text], 160, 153
    return "UCS-2", [2 if ord(character) > 0xFFFF else 1 for character in text], 70, 67


def _cuts(sizes: list[int], room: int) -> Iterator[int]:
    """Where each part ends, as an index of characters."""
    used = 0
    for index, size in enumerate(sizes):
        if used + size > room:
            yield index
            used = 0
        used += size
    yield len(sizes)
