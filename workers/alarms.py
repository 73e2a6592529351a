"""Hear the alarms of deadlines whose time has come.

A check that runs late neither excuses a breach nor makes one: `workers.deadlines` judges by time stamps.
Alarms and answers take the ticket's row lock first, so they never overtake each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import select

from models.deadlines import Deadline
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, Lane
from workers.deadlines import loaded, stored
from workers.history import record
from workers.policy import Alarm
from workers.promises import claim, pause, retry_pause, settle
from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
BATCH = 100
WORTHLESS_AFTER_LIMIT = frozenset({"warning", "acceptance_reminder"})

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


async def fire(workshop: Workshop, lane: Lane, handlers: Mapping[DeadlineKind, Handler]) -> int:
    """Claim a batch of due alarms and act on each; gives how many were claimed (BATCH = ring again).

    A handler that fails costs only its own row a pause: the rest of the batch is done one by one.
    """
    async with workshop.begin() as uow:
        claimed = [
            (row.id, row.lease_token) for row in await claim(uow, Deadline, lane, limit=BATCH, lease=LEASE)
        ]
    if not claimed:
        return 0
    try:
        await _fire_together(workshop, claimed, handlers)
    except Exception:
        log.exception("alarms_one_by_one", lane=lane.value, rows=len(claimed))
        for one in claimed:
            await _fire_alone(workshop, one, handlers)
    return len(claimed)


_Claimed = tuple[UUID, UUID | None]


async def _fire_together(
    workshop: Workshop, claimed: Sequence[_Claimed], handlers: Mapping[DeadlineKind, Handler]
) -> None:
    async with workshop.begin() as uow:
        for row in await _lock(uow, claimed):
            await _hear(uow, row, handlers[row.kind])


async def _fire_alone(workshop: Workshop, one: _Claimed, handlers: Mapping[DeadlineKind, Handler]) -> None:
    try:
        await _fire_together(workshop, [one], handlers)
    except Exception:
        log.exception("alarm_failed", deadline=str(one[0]))
        async with workshop.begin() as uow:
            for row in await _lock(uow, [one]):
                pause(row, retry_pause(row.tries), uow.clock)


async def _lock(uow: UnitOfWork, claimed: Sequence[_Claimed]) -> list[Deadline]:
    """The claimed rows that are still ours, their tickets locked first and in one order (no deadlocks).

    A row may have been settled by an answer that read it just before it was claimed: it is not due then.
    """
    ids = [ident for ident, _ in claimed]
    tokens = {token for _, token in claimed}
    tickets = select(Deadline.ticket_id).where(Deadline.id.in_(ids))
    await uow.session.execute(
        select(Ticket).where(Ticket.id.in_(tickets)).order_by(Ticket.id).with_for_update()
    )
    rows = await uow.session.scalars(
        select(Deadline)
        .where(Deadline.id.in_(ids), Deadline.lease_token.in_(tokens), Deadline.due_at.is_not(None))
        .order_by(Deadline.due_at)
        .execution_options(populate_existing=True)
    )
    return [row for row in rows if (row.id, row.lease_token) in claimed]


async def _hear(uow: UnitOfWork, row: Deadline, handler: Handler) -> None:
    """Act on every alarm of this row whose time has come, in order, then wait for the next one."""
    now = uow.clock.now()
    while row.alarm_no < len(row.alarms) and row.lease_token is not None:
        alarm = loaded(row.alarms[row.alarm_no])
        if alarm.at > now:
            break
        if alarm.step in WORTHLESS_AFTER_LIMIT and row.limit_at is not None and now >= row.limit_at:
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
