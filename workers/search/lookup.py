"""From words to documents: which hold the rare ones of them, best first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workers.search.lists import BLOCK, as_bits, numbers_in, unpack
from workers.search.reading import Lists, kept, lists_of
from workers.search.words import tokens
from workers.unit_of_work import UnitOfWork

MOST_WORDS = 24
"""So many words of a question count."""
COMMON_PART = 20
COMMON_FROM = 400
"""A word is common when more than every 20th document holds it, and more than so many do."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A document's number, and how well it fits: the sum of its words' weights, rarer words weighing more."""

    score: int
    number: int


def hashes_of(uow: UnitOfWork, question: str) -> list[int]:
    """The hashes of a question's words, each once."""
    return list(dict.fromkeys(uow.vault.word_hashes(tokens([question], MOST_WORDS))))


async def look_up(uow: UnitOfWork, hashes: Sequence[int]) -> Iterator[Hit]:
    """Documents by falling score, the latest first among equals.

    Those that hold at least one rare word; common ones (of, 我们) only add to their score. Where all words
    are common, the documents that hold all of them.
    """
    known = await kept(uow, hashes)
    often = known.often
    if not often:
        return iter(())
    limit = max(COMMON_FROM, known.total // COMMON_PART)
    lists = await lists_of(uow, known, list(often))
    rare = {token: _weight(many) for token, many in often.items() if many <= limit}
    if not rare:
        return _all_of(lists) if len(often) == len(hashes) else iter(())
    common = {token: _weight(many) for token, many in often.items() if many > limit}
    return iter(_ranked(lists, rare, common))


def _weight(many: int) -> int:
    """Twice as many documents weigh one less. Whole numbers: the order stays while documents are added."""
    return max(1, 24 - many.bit_length())


def _ranked(lists: Lists, rare: Mapping[int, int], common: Mapping[int, int]) -> list[Hit]:
    scores: dict[int, int] = defaultdict(int)
    blocks: dict[int, set[int]] = defaultdict(set)
    for token, weight in rare.items():
        for block, (many, documents) in lists[token].items():
            first = block * BLOCK
            for place in unpack(many, documents):
                scores[first + place] += weight
                blocks[block].add(place)
    for token, weight in common.items():
        for block, places in blocks.items():
            if block in lists[token]:
                first = block * BLOCK
                for place in places & unpack(*lists[token][block]):
                    scores[first + place] += weight
    hits = [Hit(score, number) for number, score in scores.items()]
    return sorted(hits, key=lambda hit: (-hit.score, -hit.number))


def _all_of(lists: Lists) -> Iterator[Hit]:
    """Block by block, as far as it is asked for."""
    for block in sorted(set.intersection(*(set(each) for each in lists.values())), reverse=True):
        bits = -1
        for each in lists.values():
            bits &= as_bits(*each[block])
        yield from (Hit(1, number) for number in numbers_in(block, bits))
