"""The bytes of a bucket: many words whose hashes begin alike, and which documents of a block hold them.

The first 11 bits of a hash name its bucket, the next five one of its 32 drawers. Three runs of two-byte
numbers (little endian) follow each other: how many entries each drawer has; of each entry the hash's last 16
bits; of each entry the place of the document in the block. Entries ascend by hash, then by place. The same
entries always are the same bytes: what was taken out left nothing behind.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection
from sys import byteorder

from workers.search.lists import place_of

BUCKETS = 2_048
"""Of one block: with fifty words a document a full one has some 200 to 400 entries, 1 to 1.6 KB. A row of
PostgreSQL may have 2 KB before it is moved out of line."""
DRAWERS = 32
MOST_SHARED = 64
"""Words that more documents of a block hold have rows of their own: two bytes a document there, not four."""


def bucket_of(token: int, block: int) -> int:
    """Which row of `search_buckets` holds a hash's documents of a block."""
    return block * BUCKETS + ((token & 0xFFFFFFFF) >> 21)


def block_of(bucket: int) -> int:
    """The block of such a row."""
    return bucket // BUCKETS


def buckets_of(token: int, documents: int) -> list[int]:
    """All rows of a hash, where so many documents have been numbered."""
    last, _ = place_of(documents)
    return [bucket_of(token, block) for block in range(last + 1)]


class Bucket:
    """What a row holds, to be read and changed. All hashes given to it must be its own (`bucket_of`)."""

    __slots__ = ("_counts", "_lows", "_places")

    def __init__(self, packed: bytes | None = None) -> None:
        numbers = array("H", packed or bytes(2 * DRAWERS))
        if byteorder == "big":
            numbers.byteswap()
        middle = (len(numbers) + DRAWERS) // 2
        self._counts, self._lows = numbers[:DRAWERS], numbers[DRAWERS:middle]
        self._places = numbers[middle:]

    def __len__(self) -> int:
        return len(self._lows)

    def packed(self) -> bytes:
        """The row's bytes."""
        numbers = self._counts + self._lows + self._places
        if byteorder == "big":
            numbers.byteswap()
        return numbers.tobytes()

    def places(self, token: int) -> array[int]:
        """Which documents hold a word, ascending."""
        _, start, end = self._find(token)
        return self._places[start:end]

    def put(self, token: int, places: Collection[int]) -> None:
        """From now on these documents hold the word, and no others."""
        drawer, start, end = self._find(token)
        self._counts[drawer] += len(places) - (end - start)
        self._lows[start:end] = array("H", [token & 0xFFFF]) * len(places)
        self._places[start:end] = array("H", sorted(places))

    def _find(self, token: int) -> tuple[int, int, int]:
        drawer, low = token >> 16 & DRAWERS - 1, token & 0xFFFF
        first = sum(self._counts[:drawer])
        last = first + self._counts[drawer]
        start = bisect_left(self._lows, low, first, last)
        return drawer, start, bisect_right(self._lows, low, start, last)
