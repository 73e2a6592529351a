"""Hear the alarms of deadlines whose time has come.

A check that runs late neither excuses a breach nor makes one: `workers.deadlines` judges by time stamps.
Alarms and answers take the ticket's row lock first, so they never overtake each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select

from models.base import new_id
from models.bulk import among
from models.deadlines import Deadline
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, Lane
from workers.alarms.looking_ahead import WARNINGS, look_ahead
from workers.deadlines import loaded, stored
from workers.history import record
from workers.locks import held
from workers.policy import Alarm
from workers.promises import hold, pause, retry_pause, settle, still_claimable
from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

BATCH = 100

Handler = Callable[[UnitOfWork, Deadline, Alarm], Awaitable[timedelta | None]]
"""Acts on one alarm. Gives None when done, or how long (machine time) to wait before hearing it again."""


def plan_of(row: Deadline) -> list[Alarm]:
    """All alarms of a row, in order; the first `alarm_no` of them have been heard."""
    return [loaded(alarm) for alarm in row.alarms]


def change_plan(uow: UnitOfWork, row: Deadline, left: Sequence[Alarm]) -> None:
    """Put other alarms in the place of those not heard yet; whoever has claimed the row finds nothing due."""
    row.alarms = [*row.alarms[: row.alarm_no], *(stored(alarm) for alarm in left)]
    settle(row)
    row.tries = 0
    if left:
        row.due_at = left[0].at
        uow.ring("deadlines", row.lane, row.due_at)


async def fire(
    workshop: Workshop, lane: Lane, handlers: Mapping[DeadlineKind, Handler], since: datetime | None = None
) -> int:
    """Act on a batch of due alarms in one transaction; gives how many were taken (BATCH = ring again).

    Nothing here leaves the house, so the transaction is the claim: a worker that dies lets go of all it had
    at once. A handler that fails costs only its own row a pause: the rest of the batch is done one by one.
    Nothing due before `since` (promise time) is looked at, if it is given (`workers.promises.hold`).
    """
    taken: list[UUID] = []
    try:
        async with workshop.begin() as uow:
            taken = await hold(uow, Deadline, Ticket, Deadline.ticket_id, lane, limit=BATCH, since=since)
            await _hear_all(uow, taken, handlers)
    except Exception:
        if not taken:
            raise
        log.exception("alarms_one_by_one", lane=lane.value, rows=len(taken))
        for one in taken:
            await _fire_alone(workshop, one, handlers)
    return len(taken)


async def _hear_all(uow: UnitOfWork, taken: Sequence[UUID], handlers: Mapping[DeadlineKind, Handler]) -> None:
    """Act on those of `taken` that are due still; their tickets are locked."""
    rows = await due_ones(uow, taken)
    if len(rows) > 1:
        with uow.session.no_autoflush:  # that they are taken is nothing that anybody else reads
            uow.ahead = await look_ahead(uow, rows)
    now = uow.clock.now()
    for row in rows:
        if row.due_at is not None:
            uow.metrics.alarm_lateness.labels(row.lane.value).observe((now - row.due_at).total_seconds())
        if not uow.tracer.on:
            await hear(uow, row, handlers[row.kind])
            continue
        ticket = await uow.the(Ticket, row.ticket_id)
        with uow.tracer.span("alarm", ticket.trace, deadline=row.kind.value):
            await hear(uow, row, handlers[row.kind])


async def _fire_alone(workshop: Workshop, one: UUID, handlers: Mapping[DeadlineKind, Handler]) -> None:
    try:
        async with workshop.begin() as uow:
            await _lock_ticket(uow, one)
            await _hear_all(uow, [one], handlers)
    except Exception:
        log.exception("alarm_failed", deadline=str(one))
        async with workshop.begin() as uow:
            await _lock_ticket(uow, one)
            for row in await due_ones(uow, [one]):
                row.tries += 1
                pause(row, retry_pause(row.tries), uow.clock)


async def _lock_ticket(uow: UnitOfWork, ident: UUID) -> None:
    ticket = select(Deadline.ticket_id).where(Deadline.id == ident).scalar_subquery()
    await uow.session.execute(held(select(Ticket.id).where(Ticket.id == ticket)))


async def due_ones(uow: UnitOfWork, idents: Sequence[UUID]) -> list[Deadline]:
    """Those that are due and free, marked as claimed for as long as the transaction lasts.

    An answer may have settled one of them just before its ticket was locked.
    """
    if not idents:
        return []
    found = select(Deadline).where(
        among(uow.session, Deadline.id, idents), *still_claimable(Deadline, uow.clock)
    )
    rows = list(await uow.session.scalars(found.order_by(Deadline.due_at)))
    for row in rows:
        row.lease_token = new_id()
    return rows


async def hear(uow: UnitOfWork, row: Deadline, handler: Handler) -> None:
    """Act on every alarm of this row whose time has come, in order, then wait for the next one."""
    now = uow.clock.now()
    while row.alarm_no < len(row.alarms) and row.lease_token is not None:
        alarm = loaded(row.alarms[row.alarm_no])
        if alarm.at > now:
            break
        if alarm.step in WARNINGS and row.limit_at is not None and now >= row.limit_at:
            await _record_drop(uow, row, alarm)
        elif wait := await handler(uow, row, alarm):
            pause(row, wait.total_seconds(), uow.clock)
            return
        row.alarm_no += 1
    if row.lease_token is None:
        return
    if row.alarm_no >= len(row.alarms):
        settle(row)
        return
    row.due_at = loaded(row.alarms[row.alarm_no]).at
    row.free_at = row.lease_token = None
    row.tries = 0
    uow.ring("deadlines", row.lane, row.due_at)


async def _record_drop(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> None:
    """A warning of a limit that has passed helps nobody; that it was not sent is still written down."""
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    facts = {
        "clock": row.kind.value,
        "step": alarm.step,
        "at": alarm.at.isoformat(),
        "reason": "limit_passed",
    }
    await record(uow, ticket, "warning_dropped", facts=facts)
