"""Read what the index keeps of some hashes: short lists from their buckets, long ones from their own rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from models.bulk import among
from models.search import SearchBucket, SearchDocument, SearchList
from workers.search.buckets import Bucket, block_of, buckets_of
from workers.search.lists import pack
from workers.unit_of_work import UnitOfWork

AT_ONCE = 2_000
"""Parameters of one statement."""
Listed = tuple[int, bytes]
"""How many documents, and the bytes of their list."""
Lists = Mapping[int, Mapping[int, Listed]]
"""For each hash its lists by block."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Of the hashes that occur: in how many documents, and their short lists.

    `total` is how many documents there are, or a little more.
    """

    often: Mapping[int, int]
    short: Lists
    total: int


async def kept(uow: UnitOfWork, hashes: Collection[int]) -> Kept:
    """What the index keeps of these hashes, without its long lists."""
    total = await count(uow)
    short = await _short(uow, hashes, total)
    often = {token: {block: many for block, (many, _) in each.items()} for token, each in short.items()}
    row = SearchList
    rows = await uow.session.execute(
        select(row.token, row.block, row.many).where(among(uow.session, row.token, hashes))
    )
    for token, block, many in rows:
        # A list that has become long between the two questions is in both answers: the later one counts.
        often.setdefault(token, {})[block] = many
    return Kept({token: sum(each.values()) for token, each in often.items()}, short, total)


async def lists_of(uow: UnitOfWork, known: Kept, hashes: Collection[int]) -> Lists:
    """All lists of some of the hashes that are `known`."""
    found = {token: dict(known.short.get(token, {})) for token in hashes}
    row = SearchList
    rows = await uow.session.execute(
        select(row.token, row.block, row.many, row.documents).where(among(uow.session, row.token, hashes))
    )
    for token, block, many, documents in rows:
        found[token][block] = many, documents
    return found


async def count(uow: UnitOfWork) -> int:
    """How many documents there are, or a little more."""
    last = await uow.session.scalar(select(func.max(SearchDocument.number)))
    return 0 if last is None else last + 1


async def buckets_at(uow: UnitOfWork, places: Sequence[int]) -> Mapping[int, Bucket]:
    """The buckets that have these places, as far as they are not empty."""
    found: dict[int, Bucket] = {}
    row = SearchBucket
    for start in range(0, len(places), AT_ONCE):
        rows = await uow.session.execute(
            select(row.place, row.entries).where(
                among(uow.session, row.place, places[start : start + AT_ONCE])
            )
        )
        found |= {place: Bucket(entries) for place, entries in rows}
    return found


async def _short(uow: UnitOfWork, hashes: Collection[int], total: int) -> Lists:
    places = sorted({place for token in hashes for place in buckets_of(token, total)})
    there = await buckets_at(uow, places)
    found: dict[int, dict[int, Listed]] = defaultdict(dict)
    for token in hashes:
        for place in buckets_of(token, total):
            documents = there[place].places(token) if place in there else ()
            if documents:
                found[token][block_of(place)] = pack(documents)
    return found
