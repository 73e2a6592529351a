"""The bytes of a list: which documents of one block hold a word."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Set
from sys import byteorder

BLOCK = 15_360
"""Numbers of documents in one block: as bits 1,920 bytes, which PostgreSQL keeps in the row itself."""
MOST_LISTED = BLOCK // 16
"""Of so many documents two bytes each are no longer than one bit for each of the block."""


def place_of(number: int) -> tuple[int, int]:
    """The block of a document's number, and its place in it."""
    return divmod(number, BLOCK)


def pack(places: Iterable[int]) -> tuple[int, bytes]:
    """How many places there are, and the list as bytes."""
    ordered = sorted(set(places))
    if len(ordered) > MOST_LISTED:
        bits = bytearray(BLOCK // 8)
        for place in ordered:
            bits[place >> 3] |= 1 << (place & 7)
        return len(ordered), bytes(bits)
    listed = array("H", ordered)
    if byteorder == "big":
        listed.byteswap()
    return len(ordered), listed.tobytes()


def unpack(many: int, packed: bytes) -> Set[int]:
    """The places of a list."""
    if many > MOST_LISTED:
        return {place for place in range(BLOCK) if packed[place >> 3] >> (place & 7) & 1}
    listed = array("H", packed)
    if byteorder == "big":
        listed.byteswap()
    return set(listed)


def as_bits(many: int, packed: bytes) -> int:
    """The places of a list as the bits of a number, to be put together with others."""
    if many > MOST_LISTED:
        return int.from_bytes(packed, "little")
    bits = 0
    for place in unpack(many, packed):
        bits |= 1 << place
    return bits


def numbers_in(block: int, bits: int) -> list[int]:
    """The documents of such bits, the latest first."""
    packed = bits.to_bytes(BLOCK // 8, "little")
    first = block * BLOCK
    return [
        first + (byte << 3) + bit
        for byte in range(len(packed) - 1, -1, -1)
        if packed[byte]
        for bit in range(7, -1, -1)
        if packed[byte] >> bit & 1
    ]
