"""Deadlines: arm, move, meet, withdraw, and hear their alarms.

The verdict comes from time stamps alone: a check that runs late neither excuses a breach nor makes one.
Whoever changes a ticket's deadlines holds the ticket's row lock, so an answer and a check never overtake
each other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select

from models.base import new_id
from models.deadlines import Deadline
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, Lane, Priority
from workers import notifications
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a deadline that was met: in time or not, and whether a breach had been told wrongly."""

    deadline: Deadline
    in_time: bool
    breach_undone: bool


def lane_of(ticket: Ticket) -> Lane:
    """Urgent tickets take the fast lane 绿色通道."""
    return Lane.URGENT if ticket.priority is Priority.URGENT else Lane.NORMAL


async def arm(
    uow: UnitOfWork,
    ticket: Ticket,
    kind: DeadlineKind,
    *,
    fact: UUID,
    generation: int,
    started_at: datetime,
    limit_at: datetime | None,
    alarms: Sequence[Alarm],
    lane: Lane | None = None,
    survey_id: UUID | None = None,
    followup_id: UUID | None = None,
    heard: int = 0,
) -> Deadline | None:
    """Start a clock on a fact; None when this generation of it was armed already.

    `heard` says how many of the first alarms have been acted on by an earlier generation.
    """
    left = alarms[heard:]
    row = Deadline(
        id=new_id(),
        key=f"{kind.value}:{fact.hex}:{generation}",
        kind=kind,
        generation=generation,
        state=DeadlineState.RUNNING,
        ticket_id=ticket.id,
        survey_id=survey_id,
        followup_id=followup_id,
        started_at=started_at,
        limit_at=limit_at,
        alarms=[_stored(alarm) for alarm in alarms],
        alarm_no=heard,
        due_at=left[0].at if left else None,
        lane=lane or lane_of(ticket),
        policy_version_id=ticket.policy_version_id,
    )
    if not await uow.insert_new(row):
        return None
    if row.due_at is not None:
        uow.ring("deadlines", row.lane, row.due_at)
    return row


async def open_ones(
    uow: UnitOfWork, ticket: Ticket, kinds: Iterable[DeadlineKind] | None = None
) -> list[Deadline]:
    """The ticket's deadlines that run, pause or were breached without having been met yet, oldest first."""
    query = select(Deadline).where(
        Deadline.ticket_id == ticket.id,
        Deadline.met_at.is_(None),
        Deadline.ended_reason.is_(None),
        Deadline.state.in_((DeadlineState.RUNNING, DeadlineState.PAUSED, DeadlineState.BREACHED)),
    )
    if kinds is not None:
        query = query.where(Deadline.kind.in_(list(kinds)))
    return list(await uow.session.scalars(query.order_by(Deadline.id)))


async def next_generation(uow: UnitOfWork, ticket: Ticket, kind: DeadlineKind) -> int:
    """The generation that the next arming of this kind on this ticket takes."""
    known = await uow.session.scalars(
        select(Deadline.generation).where(Deadline.ticket_id == ticket.id, Deadline.kind == kind)
    )
    return max(known, default=0) + 1


async def meet(
    uow: UnitOfWork, ticket: Ticket, kind: DeadlineKind, at: datetime, *, followup_id: UUID | None = None
) -> Verdict | None:
    """The awaited thing happened at `at`: judge it, stop its alarms, suppress warnings not yet sent.

    A breach recorded meanwhile is undone when `at` lies within the limit. `followup_id` picks the deadline of
    one follow-up. None when no such deadline is open.
    """
    rows = [row for row in await open_ones(uow, ticket, [kind]) if followup_id in (None, row.followup_id)]
    if not rows:
        return None
    row = rows[-1]
    in_time = row.limit_at is None or at <= row.limit_at
    undone = in_time and row.state is DeadlineState.BREACHED
    row.met_at = at
    row.state = DeadlineState.MET if in_time else DeadlineState.BREACHED
    if in_time:
        row.breached_at = None
    elif row.breached_at is None:
        row.breached_at = row.limit_at
    row.ended_reason = "met" if in_time else "met_late"
    settle(row)
    await notifications.cancel(uow, "already_answered", deadline_ids=[row.id])
    return Verdict(row, in_time, undone)


async def withdraw(
    uow: UnitOfWork, ticket: Ticket, kinds: Iterable[DeadlineKind], reason: str
) -> list[Deadline]:
    """End deadlines that no longer make sense (re-planned, re-opened); their notices are dropped."""
    return await withdraw_rows(uow, await open_ones(uow, ticket, kinds), reason)


async def unjudge(uow: UnitOfWork, ticket: Ticket, kind: DeadlineKind, reason: str) -> Deadline | None:
    """What had met the newest deadline of a kind is void: neither met nor, if it was late, answered any more.

    A breach stays a breach. Gives the deadline, whose limit the caller may arm anew.
    """
    row = await uow.session.scalar(
        select(Deadline)
        .where(Deadline.ticket_id == ticket.id, Deadline.kind == kind)
        .order_by(Deadline.generation.desc())
        .limit(1)
    )
    if row is None or row.met_at is None:
        return None
    row.met_at, row.ended_reason = None, reason
    if row.state is DeadlineState.MET:
        row.state = DeadlineState.WITHDRAWN
    return row


async def withdraw_for(
    uow: UnitOfWork, ticket: Ticket, kind: DeadlineKind, followup_id: UUID, reason: str
) -> list[Deadline]:
    """As `withdraw`, for the deadlines of one follow-up."""
    rows = await open_ones(uow, ticket, [kind])
    return await withdraw_rows(uow, [row for row in rows if row.followup_id == followup_id], reason)


async def withdraw_rows(uow: UnitOfWork, rows: list[Deadline], reason: str) -> list[Deadline]:
    """As `withdraw`, for rows that are at hand."""
    for row in rows:
        if row.state is not DeadlineState.BREACHED or row.kind is DeadlineKind.ESCALATION:
            row.state = DeadlineState.WITHDRAWN
        row.ended_reason = reason
        settle(row)
    await notifications.cancel(uow, reason, deadline_ids=[row.id for row in rows])
    return rows


def add_alarm(row: Deadline, alarm: Alarm) -> None:
    """Put one more alarm at the end of the plan (the daily repetition of a ladder)."""
    row.alarms = [*row.alarms, _stored(alarm)]


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
        alarm = _loaded(row.alarms[row.alarm_no])
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
    row.due_at = _loaded(row.alarms[row.alarm_no]).at
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


def _stored(alarm: Alarm) -> dict[str, Any]:
    return {"at": alarm.at.isoformat(), "step": alarm.step, "roles": list(alarm.roles), "level": alarm.level}


def _loaded(stored: Mapping[str, Any]) -> Alarm:
    return Alarm(
        at=datetime.fromisoformat(stored["at"]),
        step=stored["step"],
        roles=tuple(stored["roles"]),
        level=stored["level"],
    )
