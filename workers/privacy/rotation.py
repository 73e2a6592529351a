"""Wraps all data keys by the newest key of the ring, so that older ones can be dropped.

Data themselves are not touched: a data key stays what it is, only its wrapping changes. So everything else
may go on meanwhile, several may rotate at once, and one that was broken off is simply begun again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Table, func, select

from models.bulk import update_many
from models.crypto import KeyRing, Tampered, UnknownKey
from models.keys import DataKey
from workers.unit_of_work import UnitOfWork, Workshop

BATCH = 500
BREATH = 0.02
"""Seconds between two batches: whoever waits to write comes first."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many data keys were wrapped anew, and how many could not be, since their wrapping does not open."""

    rewrapped: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class KeyCount:
    """One key of the ring: how many data keys it wraps, whether the ring has it, whether it is the newest."""

    name: str
    data_keys: int
    in_ring: bool
    newest: bool

    @property
    def may_be_dropped(self) -> bool:
        """Whether nothing in the database needs it. (Backups made before the rotation do.)"""
        return self.data_keys == 0 and not self.newest


async def key_counts(uow: UnitOfWork) -> tuple[list[KeyCount], int]:
    """The keys that the ring or a data key names, newest first, and how many data keys were destroyed."""
    ring = uow.settings.secret_keys
    rows = await uow.session.execute(
        select(DataKey.ring_key, func.count(DataKey.wrapped), func.count()).group_by(DataKey.ring_key)
    )
    wrapped, destroyed = dict.fromkeys(ring.ids, 0), 0
    for name, alive, everything in rows:
        wrapped[name] = alive
        destroyed += everything - alive
    known = set(ring.ids)
    counts = [KeyCount(name, count, name in known, name == ring.newest) for name, count in wrapped.items()]
    return [one for one in counts if one.in_ring or one.data_keys], destroyed


async def left_to_rotate(uow: UnitOfWork) -> int:
    """How many data keys are wrapped by another key than the newest."""
    query = select(func.count()).select_from(DataKey).where(*_old(uow))
    return await uow.session.scalar(query) or 0


async def rotate(workshop: Workshop, told: Callable[[int], None] = lambda _: None) -> Rotated:
    """Wrap what is left anew, in small transactions; `told` hears after each how many data keys it was.

    Those of a key that the ring lacks stay as they are, and are counted.
    """
    done = unreadable = 0
    last: UUID | None = None
    while True:
        async with workshop.begin() as uow:
            rows = await _next(uow, last)
            fine = await _rewrap(uow, rows)
        done, unreadable = done + fine, unreadable + len(rows) - fine
        told(len(rows))
        if len(rows) < BATCH:
            return Rotated(done, unreadable)
        last = rows[-1].id
        await asyncio.sleep(BREATH)


async def _next(uow: UnitOfWork, last: UUID | None) -> list[DataKey]:
    """The next ones by their ids, locked: what is erased at this moment must stay erased."""
    query = select(DataKey).where(*_old(uow)).order_by(DataKey.id).limit(BATCH)
    if last is not None:
        query = query.where(DataKey.id > last)
    return list(await uow.session.scalars(query.with_for_update()))


def _old(uow: UnitOfWork) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return DataKey.ring_key != uow.settings.secret_keys.newest, DataKey.wrapped.is_not(None)


async def _rewrap(uow: UnitOfWork, rows: list[DataKey]) -> int:
    ring: KeyRing = uow.settings.secret_keys
    keys, values = [], []
    for row in rows:
        try:
            name, wrapped = ring.wrap(ring.unwrap(row.ring_key, row.wrapped or b""))
        except (UnknownKey, Tampered):
            continue
        keys.append({"id": row.id})
        values.append({"ring_key": name, "wrapped": wrapped})
    table = DataKey.__table__
    assert isinstance(table, Table)
    await update_many(await uow.session.connection(), table, keys, values)
    return len(keys)
