"""Write the lists that have changed: short ones into their buckets, long ones into rows of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, delete, select, tuple_

from models.base import Base
from models.bulk import among, insert_many, update_many
from models.search import SearchBucket, SearchList
from workers.search.buckets import MOST_SHARED, Bucket, bucket_of
from workers.search.lists import pack, place_of, unpack
from workers.search.reading import AT_ONCE, buckets_at
from workers.unit_of_work import UnitOfWork

BUCKETS_AT_ONCE = 500
Place = tuple[int, int]
"""(hash, block)"""


@dataclass(slots=True)
class Changes:
    """For each list: which places come in and which go."""

    come: dict[Place, set[int]] = field(default_factory=lambda: defaultdict(set))
    go: dict[Place, set[int]] = field(default_factory=lambda: defaultdict(set))

    def note(self, number: int, new: Set[int], old: Set[int]) -> None:
        """A document's hashes were `old` and become `new`."""
        block, place = place_of(number)
        for token in new - old:
            self.come[token, block].add(place)
        for token in old - new:
            self.go[token, block].add(place)

    def of(self, place: Place, before: Set[int]) -> Set[int]:
        """A list as it becomes."""
        return (before | self.come.get(place, set())) - self.go.get(place, set())


def table_of(model: type[Base]) -> Table:
    """The table of a model."""
    return Base.metadata.tables[model.__tablename__]


async def write_lists(uow: UnitOfWork, changes: Changes) -> None:
    """Read what changes, write it, and delete what has become empty. The caller holds the index."""
    by_bucket: dict[int, list[Place]] = defaultdict(list)
    for place in changes.come.keys() | changes.go.keys():
        by_bucket[bucket_of(*place)].append(place)
    ids = sorted(by_bucket)
    for start in range(0, len(ids), BUCKETS_AT_ONCE):
        some = ids[start : start + BUCKETS_AT_ONCE]
        await _write_some(uow, changes, {each: by_bucket[each] for each in some})


async def _write_some(uow: UnitOfWork, changes: Changes, wanted: Mapping[int, Sequence[Place]]) -> None:
    there = await buckets_at(uow, list(wanted))
    buckets = {each: there.get(each) or Bucket() for each in wanted}
    # A word has its list in its bucket or by itself, never both.
    short = {
        place: set(buckets[each].places(place[0])) for each, places in wanted.items() for place in places
    }
    long = await _long_lists(uow, [place for place, listed in short.items() if not listed])
    become: dict[Place, Set[int]] = {}
    for each, places in wanted.items():
        for place in places:
            after = changes.of(place, long.get(place) or short[place])
            shared = len(after) <= MOST_SHARED
            if not shared or place in long:
                become[place] = frozenset() if shared else after
            buckets[each].put(place[0], after if shared else ())
    await _write_buckets(uow, buckets, there.keys())
    await _write_long(uow, become, long)


async def _write_buckets(uow: UnitOfWork, buckets: Mapping[int, Bucket], there: Set[int]) -> None:
    connection = await uow.session.connection()
    table = table_of(SearchBucket)
    packed = {each: bucket.packed() for each, bucket in buckets.items() if len(bucket)}
    new = [{"place": each, "entries": entries} for each, entries in packed.items() if each not in there]
    await insert_many(connection, table, new)
    old = [each for each in packed if each in there]
    await update_many(
        connection, table, [{"place": each} for each in old], [{"entries": packed[each]} for each in old]
    )
    empty = [each for each in there if each not in packed]
    if empty:
        await uow.session.execute(
            delete(SearchBucket)
            .where(SearchBucket.place.in_(empty))
            .execution_options(synchronize_session=False)
        )


async def _write_long(
    uow: UnitOfWork, become: Mapping[Place, Set[int]], there: Mapping[Place, Set[int]]
) -> None:
    """Rows that become empty (the list is in its bucket then, or nowhere) go."""
    connection = await uow.session.connection()
    table = table_of(SearchList)
    new: list[dict[str, Any]] = []
    keys: list[dict[str, Any]] = []
    values: list[dict[str, Any]] = []
    for place, after in become.items():
        if not after:
            continue
        many, documents = pack(after)
        key, value = {"token": place[0], "block": place[1]}, {"many": many, "documents": documents}
        if place not in there:
            new.append(key | value)
        elif after != there[place]:
            keys.append(key)
            values.append(value)
    await insert_many(connection, table, new)
    await update_many(connection, table, keys, values)
    empty = [place for place, after in become.items() if not after]
    for start in range(0, len(empty), AT_ONCE):
        await uow.session.execute(
            delete(SearchList)
            .where(tuple_(SearchList.token, SearchList.block).in_(empty[start : start + AT_ONCE]))
            .execution_options(synchronize_session=False)
        )


async def _long_lists(uow: UnitOfWork, places: Sequence[Place]) -> Mapping[Place, Set[int]]:
    row = SearchList
    found: dict[Place, Set[int]] = {}
    for start in range(0, len(places), AT_ONCE):
        wanted = set(places[start : start + AT_ONCE])
        rows = await uow.session.execute(
            select(row.token, row.block, row.many, row.documents).where(
                among(uow.session, row.token, list({token for token, _ in wanted})),
                row.block.in_({block for _, block in wanted}),
            )
        )
        for token, block, many, documents in rows:
            if (token, block) in wanted:
                found[token, block] = unpack(many, documents)
    return found
