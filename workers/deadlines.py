"""Deadlines: arm, move, meet, withdraw (their alarms are heard in `alarms`).

The verdict comes from time stamps alone: a check that runs late neither excuses a breach nor makes one.
Whoever changes a ticket's deadlines holds the ticket's row lock, so an answer and a check never overtake
each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.base import new_id
from models.deadlines import Deadline
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, Lane, Priority
from workers import notifications
from workers.policy import Alarm
from workers.promises import settle
from workers.unit_of_work import UnitOfWork

OPEN = (DeadlineState.RUNNING, DeadlineState.PAUSED, DeadlineState.BREACHED)


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
        alarms=[stored(alarm) for alarm in alarms],
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
    if uow.ahead is not None and uow.ahead.made(ticket.id) is not None:
        wanted = None if kinds is None else set(kinds)
        rows = uow.ahead.deadlines_of(ticket.id)
        return [row for row in rows if _is_open(row) and (wanted is None or row.kind in wanted)]
    query = select(Deadline).where(
        Deadline.ticket_id == ticket.id,
        Deadline.met_at.is_(None),
        Deadline.ended_reason.is_(None),
        Deadline.state.in_(OPEN),
    )
    if kinds is not None:
        query = query.where(Deadline.kind.in_(list(kinds)))
    return list(await uow.session.scalars(query.order_by(Deadline.id)))


def _is_open(row: Deadline) -> bool:
    return row.met_at is None and row.ended_reason is None and row.state in OPEN


async def next_generation(uow: UnitOfWork, ticket: Ticket, kind: DeadlineKind) -> int:
    """The generation that the next arming of this kind on this ticket takes."""
    if uow.ahead is not None and uow.ahead.made(ticket.id) is not None:
        made = [row.generation for row in uow.ahead.deadlines_of(ticket.id) if row.kind is kind]
        return max(made, default=0) + 1
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
    verdict = await _judge(uow, rows[-1], at)
    undone = await _undo_replaced(uow, ticket, rows[-1], at) if ticket.overdue_count else False
    return replace(verdict, breach_undone=verdict.breach_undone or undone)


async def meet_earlier(uow: UnitOfWork, ticket: Ticket, kind: DeadlineKind, at: datetime) -> Verdict | None:
    """What met the newest deadline of a kind proves to have happened earlier, at `at`: judge it anew.

    None when it has not been met yet, or not later than that.
    """
    row = await _newest(uow, ticket, kind)
    if row is None or row.met_at is None or row.met_at <= at:
        return None
    return await _judge(uow, row, at)


async def _judge(uow: UnitOfWork, row: Deadline, at: datetime) -> Verdict:
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


async def _undo_replaced(uow: UnitOfWork, ticket: Ticket, met: Deadline, at: datetime) -> bool:
    """An answer that is heard of late may lie within a limit that was replaced after it had passed: that was
    no breach either. Gives whether there was one.
    """
    rows = await uow.session.scalars(
        select(Deadline).where(
            Deadline.ticket_id == ticket.id,
            Deadline.kind == met.kind,
            Deadline.started_at == met.started_at,
            Deadline.state == DeadlineState.BREACHED,
            Deadline.met_at.is_(None),
            Deadline.ended_reason == "replanned",
            Deadline.limit_at >= at,
        )
    )
    found = list(rows) if met.state is DeadlineState.MET else []
    for row in found:
        row.state, row.breached_at = DeadlineState.WITHDRAWN, None
    return bool(found)


async def withdraw(
    uow: UnitOfWork, ticket: Ticket, kinds: Iterable[DeadlineKind], reason: str
) -> list[Deadline]:
    """End deadlines that no longer make sense (re-planned, re-opened); their notices are dropped."""
    return await withdraw_rows(uow, await open_ones(uow, ticket, kinds), reason)


async def unjudge(uow: UnitOfWork, ticket: Ticket, kind: DeadlineKind, reason: str) -> Deadline | None:
    """What had met the newest deadline of a kind is void: neither met nor, if it was late, answered any more.

    A breach stays a breach. Gives the deadline, whose limit the caller may arm anew.
    """
    row = await _newest(uow, ticket, kind)
    if row is None or row.met_at is None:
        return None
    row.met_at, row.ended_reason = None, reason
    if row.state is DeadlineState.MET:
        row.state = DeadlineState.WITHDRAWN
    return row


async def _newest(uow: UnitOfWork, ticket: Ticket, kind: DeadlineKind) -> Deadline | None:
    return await uow.session.scalar(
        select(Deadline)
        .where(Deadline.ticket_id == ticket.id, Deadline.kind == kind)
        .order_by(Deadline.generation.desc())
        .limit(1)
    )


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
        row.ended_reason, row.paused_at = reason, None
        settle(row)
    await notifications.cancel(uow, reason, deadline_ids=[row.id for row in rows])
    return rows


def add_alarm(row: Deadline, alarm: Alarm) -> None:
    """Put one more alarm at the end of the plan (the daily repetition of a ladder)."""
    row.alarms = [*row.alarms, stored(alarm)]


def stored(alarm: Alarm) -> dict[str, Any]:
    """An alarm as a row keeps it."""
    return {"at": alarm.at.isoformat(), "step": alarm.step, "roles": list(alarm.roles), "level": alarm.level}


def loaded(kept: Mapping[str, Any]) -> Alarm:
    """An alarm as a row keeps it, made one again."""
    return Alarm(
        at=datetime.fromisoformat(kept["at"]),
        step=kept["step"],
        roles=tuple(kept["roles"]),
        level=kept["level"],
    )
