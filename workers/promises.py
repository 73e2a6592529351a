"""The one claim loop: how promised rows are taken, settled, given back and looked for.

Machine time rules leases and pauses (`free_at`), promise time rules what is due (`due_at`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from models.base import Base, Promised, UtcDateTime, new_id
from models.vocabulary import Lane
from workers.bells import SLOT, slot_of
from workers.clock import Clock
from workers.unit_of_work import UnitOfWork

__all__ = [
    "SLOT",
    "claim",
    "fence",
    "first_due",
    "hold",
    "pause",
    "release",
    "retry_pause",
    "settle",
    "slot_of",
    "slots_between",
    "still_claimable",
]

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 3600.0

Row = TypeVar("Row", bound=Promised)


def _claimable(model: type[Promised], lane: Lane, clock: Clock) -> tuple[ColumnElement[bool], ...]:
    return (
        model.lane == lane,
        model.due_at <= clock.now(),
        or_(model.free_at.is_(None), model.free_at <= clock.machine()),
    )


_NEVER = datetime.max.replace(tzinfo=UTC)


def _still_claimable(model: type[Promised], lane: Lane, clock: Clock) -> tuple[ColumnElement[bool], ...]:
    """The same as `_claimable`, said so that no index over open rows fits.

    Fresh rows are not in PostgreSQL's statistics: it would take the whole index to be one row long and walk
    through all that is waiting, for each row of the batch (6,000 rows: 120 ms a claim instead of 3).
    """
    return (model.lane == lane, *still_claimable(model, clock))


async def claim(
    uow: UnitOfWork,
    model: type[Row],
    lane: Lane,
    *,
    limit: int,
    lease: timedelta,
    values: Mapping[str, Any] | None = None,
    only: Sequence[ColumnElement[bool]] = (),
    since: datetime | None = None,
) -> list[Row]:
    """Take up to `limit` due rows of one lane, those that have waited longest first, sorted by `due_at`.

    Each gets a fresh `lease_token`, is nobody else's until `lease` (machine time) has passed, counts one
    more try and takes over `values` (column → value). `only` are further conditions; what was due before
    `since` is not looked at (see `hold`). Two claimers never get the same row: the condition is checked again
    by the UPDATE itself. The rows belong to `uow.session`.
    """
    only = (*only, model.due_at >= since) if since is not None else only
    conditions = (*_claimable(model, lane, uow.clock), *only)
    # A materialised list of ids: a plain subquery may be run again per row by PostgreSQL's planner and
    # lock more than `limit` rows. SQLite knows no row locks and leaves FOR UPDATE out.
    due = (
        select(model.id)
        .where(*conditions)
        .order_by(model.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    taken = (
        update(model)
        .where(model.id.in_(select(due.c.id)), *_still_claimable(model, lane, uow.clock))
        .values(
            {
                **(values or {}),
                "lease_token": new_id(),
                "free_at": uow.clock.machine() + lease,
                "tries": model.tries + 1,
            }
        )
        .returning(model)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    rows = (await uow.session.scalars(taken)).all()
    return sorted(rows, key=_longest_due)


async def hold(
    uow: UnitOfWork,
    model: type[Promised],
    owner: type[Base],
    belongs_to: InstrumentedAttribute[UUID],
    lane: Lane,
    *,
    limit: int,
    since: datetime | None = None,
) -> list[UUID]:
    """The ids of up to `limit` due rows of one lane, longest due first, whose owners are locked for this
    transaction; rows of owners that somebody else has locked are left for later.

    For steps that stay inside the database: no lease is needed, since a worker that dies ends its transaction
    and with it the lock. `belongs_to` is the column of `model` with the owner's id. The rows must be read by
    a statement of its own after this one, with `still_claimable`.

    What was due before `since` is not looked at. While a long transaction keeps its snapshot, PostgreSQL
    walks over all that was settled meanwhile, which who begins where the bell points to is spared.
    """
    conditions = _claimable(model, lane, uow.clock)
    query = (
        select(model.id)
        .join(owner, owner.__table__.c.id == belongs_to)
        .where(*conditions)
        .order_by(model.due_at)
        .limit(limit)
        .with_for_update(of=owner, skip_locked=True, key_share=True)
    )
    if since is not None:
        query = query.where(model.due_at >= since)
    return list(await uow.session.scalars(query))


def still_claimable(model: type[Promised], clock: Clock) -> tuple[ColumnElement[bool], ...]:
    """WHERE conditions for rows whose ids are known: due now, and neither leased nor pausing."""
    return (
        func.coalesce(model.due_at, literal(_NEVER, UtcDateTime())) <= clock.now(),
        or_(model.free_at.is_(None), model.free_at <= clock.machine()),
    )


def _longest_due(row: Promised) -> datetime:
    return row.due_at or datetime.max.replace(tzinfo=UTC)


def settle(row: Promised) -> None:
    """The promise is kept (or void): nothing is left to do for this row."""
    row.due_at = row.free_at = row.lease_token = None


def release(row: Promised) -> None:
    """Give a claimed row back untouched; the claim does not count as a try."""
    row.free_at = row.lease_token = None
    row.tries = max(0, row.tries - 1)


def pause(row: Promised, seconds: float, clock: Clock) -> None:
    """Give a claimed row back, to be claimed again after `seconds` of machine time at the earliest."""
    row.free_at = clock.machine() + timedelta(seconds=seconds)
    row.lease_token = None


def fence(model: type[Promised], row: Promised) -> list[ColumnElement[bool]]:
    """WHERE conditions that match `row` only while its lease is still the one under which it was claimed."""
    return [model.id == row.id, model.lease_token == row.lease_token]


def retry_pause(tries: int) -> float:
    """Seconds to wait after the `tries`-th try: 5 s, doubling up to an hour, ±20 % so that retries spread."""
    steady = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(max(0, tries - 1), 20))
    return min(LONGEST_PAUSE, steady * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, hides nothing


async def first_due(
    database: AsyncConnection | AsyncSession, models: Sequence[type[Promised]], clock: Clock, since: datetime
) -> dict[tuple[type[Promised], Lane], datetime]:
    """Since when something can be claimed in each lane of each of these tables (due, and neither leased nor
    pausing), if anything that was not due before `since`; all of them by one statement.

    The first row by `due_at` is asked for, not whether one EXISTS: not knowing how late that is, PostgreSQL
    takes a third of the table to be due, and for EXISTS reads it to the end (2.5 million settled rows: a
    second, in each sweep). An order leads it to the index over open rows.
    """
    times = {"now": clock.now(), "machine_now": clock.machine(), "since": since}
    found = await database.execute(_firsts(tuple(models)), times)
    firsts = zip(product(models, Lane), found.one(), strict=True)
    return {place: first for place, first in firsts if first is not None}


@cache  # it is asked each second
def _firsts(models: tuple[type[Promised], ...]) -> Select[Any]:
    """The columns are the lanes of the tables, in their order."""
    now, machine_now, since = (bindparam(name, type_=UtcDateTime) for name in ("now", "machine_now", "since"))
    columns = []
    for model, lane in product(models, Lane):
        table = model.__table__
        free = or_(table.c.free_at.is_(None), table.c.free_at <= machine_now)
        due = (table.c.due_at <= now, table.c.due_at >= since, free, table.c.lane == lane)
        columns.append(select(table.c.due_at).where(*due).order_by(table.c.due_at).limit(1).scalar_subquery())
    return select(*columns)


@cache  # as above
def _due_between(models: tuple[type[Promised], ...]) -> CompoundSelect[Any]:
    """The moments, each with the number of its table and lane in their order."""
    after, until = (bindparam(name, type_=UtcDateTime) for name in ("after", "until"))
    parts = []
    for number, (model, lane) in enumerate(product(models, Lane)):
        table = model.__table__
        due = (table.c.lane == lane, table.c.due_at > after, table.c.due_at <= until)
        place = literal_column(str(number), Integer).label("place")
        parts.append(select(place, table.c.due_at).distinct().where(*due))
    return union_all(*parts)


async def slots_between(
    database: AsyncConnection | AsyncSession,
    models: Sequence[type[Promised]],
    after: datetime,
    until: datetime,
) -> dict[tuple[type[Promised], Lane], list[datetime]]:
    """The slots (see `slot_of`), in order, of what gets due in each lane of these tables after `after` up to
    `until`, where anything does; all of them by one statement.
    """
    found = await database.execute(_due_between(tuple(models)), {"after": after, "until": until})
    places = list(product(models, Lane))
    slots: dict[tuple[type[Promised], Lane], set[datetime]] = {}
    for place, moment in found:
        slots.setdefault(places[place], set()).add(slot_of(moment))
    return {place: sorted(those) for place, those in slots.items()}
