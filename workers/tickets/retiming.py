"""The clocks that run are planned anew when a ticket turns out to be another case than it was taken for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from models.deadlines import Deadline
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, DeadlineState, Priority
from workers import deadlines
from workers.alarms import change_plan, plan_of
from workers.directory import case_of, policy_for
from workers.history import record
from workers.policy import Alarm, SlaClock
from workers.tickets.clocks import (
    OPENING,
    judged_by,
    pauses_of,
    replace_rows,
    start_clock,
)
from workers.tickets.waiting import clocks_running, not_heard
from workers.unit_of_work import UnitOfWork

PROMISING = ("reopened", "accepted", "escalation_requested", "escalation_decided")
"""The lines of a log that tell whether a person has promised a resolution of this opening."""


async def change_priority(uow: UnitOfWork, ticket: Ticket, priority: Priority) -> None:
    """Set the priority and re-plan every clock that still runs, from the same start.

    A resolution time that a person has promised stays promised. A clock that ends when it did goes on, and
    nobody hears again what they have heard of it; nor does a ladder begin anew that somebody has stopped.
    """
    now = uow.clock.now()
    async with clocks_running(uow, ticket):
        ticket.priority = priority
        replaced = await _replan(uow, ticket, now)
        for row in await deadlines.open_ones(uow, ticket, [DeadlineKind.ESCALATION]):
            await move_ladder(uow, ticket, row)
        facts = {
            "priority": priority.value,
            "limits_before": _limits(replaced),
            "same_start": True,
            **await judged_by(uow, ticket, await case_of(uow, ticket, ticket.opened_at)),
        }
        await record(uow, ticket, "replanned", at=now, facts=facts)


async def _replan(uow: UnitOfWork, ticket: Ticket, now: datetime) -> list[Deadline]:
    """Plan what is open by the ticket's priority; gives the clocks that others have taken the place of."""
    policy, replaced = await uow.policy_of(ticket.policy_version_id), list[Deadline]()
    for row in await deadlines.open_ones(uow, ticket, OPENING):
        clock, case = SlaClock(row.kind.value), await case_of(uow, ticket, row.started_at)
        limit = await _limit_by_priority(uow, ticket, row)
        if limit is not None and limit == row.limit_at:
            row.lane = deadlines.lane_of(ticket)
            if row.state is DeadlineState.RUNNING:
                alarms = policy.alarms(clock, case, row.started_at, limit=limit)
                change_plan(uow, row, _not_told(row, alarms))
            continue
        replaced += await replace_rows(uow, ticket, [row], "replanned", now)
        if limit is not None:
            await start_clock(uow, ticket, row.kind, row.started_at, limit, case=case)
    return replaced


async def _limit_by_priority(uow: UnitOfWork, ticket: Ticket, row: Deadline) -> datetime | None:
    """Where an open clock ends by the ticket's priority as it is now; a promised resolution when promised.

    What a re-opening expects of itself nobody has promised: it goes by the priority, too.
    """
    policy = await uow.policy_of(ticket.policy_version_id)
    clock, case = SlaClock(row.kind.value), await case_of(uow, ticket, row.started_at)
    expected = ticket.expected_resolution_at if row.kind is DeadlineKind.RESOLUTION else None
    if expected is not None and await _promised(uow, ticket):
        return expected
    limit = policy.limit_at(clock, case, row.started_at)
    if limit is None and expected is not None:
        limit = policy.expected_resolution(case, row.started_at)
    if limit is not None:
        limit = policy.after_pauses(clock, case, row.started_at, limit, await pauses_of(uow, ticket))
    if expected is not None:
        ticket.expected_resolution_at = limit
    return limit


async def _promised(uow: UnitOfWork, ticket: Ticket) -> bool:
    """Whether a person has said until when this opening will be resolved."""
    if ticket.opening == 1:
        return True  # nothing else is expected of a first one
    lines = await uow.session.execute(
        select(TicketEntry.id, TicketEntry.kind, TicketEntry.facts)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind.in_(PROMISING))
        .order_by(TicketEntry.id)
    )
    promised, asked = False, dict[str, bool]()
    for ident, kind, facts in lines:
        if kind == "escalation_requested":
            asked[str(ident)] = facts["new_expected_at"] is not None
        elif kind == "escalation_decided":
            promised = promised or bool(facts["approved"] and asked[facts["request"]])
        else:
            promised = kind == "accepted"
    return promised


def _not_told(row: Deadline, alarms: Sequence[Alarm]) -> list[Alarm]:
    """As `not_heard`, but those whom the new plan adds to an alarm that was heard hear it, too."""
    heard = plan_of(row)[: row.alarm_no]
    left: list[Alarm] = []
    for alarm in alarms:
        same = next((each for each in heard if each.step == alarm.step), None)
        if same is None:
            left.append(alarm)
            continue
        heard.remove(same)
        others = tuple(role for role in alarm.roles if role not in same.roles)
        left += [replace(alarm, roles=others)] if others else []
    return left


async def follow_case(uow: UnitOfWork, ticket: Ticket, why: str) -> None:
    """Category, team or customer have changed (`why`): clocks that run go by the limits and the calendar of
    the case it is now, and so do ladders.

    Those that end at a promised time stay, and so do those that are over, or would be by the other limit.
    """
    now = uow.clock.now()
    async with clocks_running(uow, ticket):
        moved = await _follow(uow, ticket)
        policy = await policy_for(uow, ticket)
        if policy.document.calendar_for:
            for row in await deadlines.open_ones(uow, ticket, [DeadlineKind.ESCALATION]):
                await move_ladder(uow, ticket, row)
        if moved or policy.document.calendar_for:
            case = await case_of(uow, ticket, ticket.opened_at)
            facts = {"because": why, "limits_before": _limits(moved), **await judged_by(uow, ticket, case)}
            await record(uow, ticket, "replanned", at=now, facts=facts)


async def _follow(uow: UnitOfWork, ticket: Ticket) -> list[Deadline]:
    policy, now = await uow.policy_of(ticket.policy_version_id), uow.clock.now()
    pauses = await pauses_of(uow, ticket)
    moved: list[Deadline] = []
    for row in await deadlines.open_ones(uow, ticket, OPENING):
        if row.state is not DeadlineState.RUNNING or row.limit_at is None or row.limit_at <= now:
            continue
        clock, case = SlaClock(row.kind.value), await case_of(uow, ticket, row.started_at)
        limit = policy.limit_at(clock, case, row.started_at)
        if limit is not None:
            limit = policy.after_pauses(clock, case, row.started_at, limit, pauses)
        promised = row.kind is DeadlineKind.RESOLUTION and row.limit_at == ticket.expected_resolution_at
        if policy.document.calendar_for and (promised or limit == row.limit_at):
            # The limit is the same; how long before it people are warned is measured by the other calendar.
            alarms = policy.alarms(clock, case, row.started_at, limit=row.limit_at)
            change_plan(uow, row, not_heard(row, alarms))
        if promised or limit == row.limit_at or (limit is not None and limit <= now):
            continue
        moved += await deadlines.withdraw_rows(uow, [row], "replanned")
        if limit is not None:
            await start_clock(uow, ticket, row.kind, row.started_at, limit, case=case)
    return moved


async def move_ladder(uow: UnitOfWork, ticket: Ticket, row: Deadline) -> bool:
    """The rungs of a ladder that nobody has heard of yet go by the ticket's policy and calendar as they are
    now; those that were told are not told again. Gives whether that changes anything.
    """
    policy = await policy_for(uow, ticket)
    told = plan_of(row)[: row.alarm_no]
    left = list(policy.ladder(ticket.priority, row.started_at)[len(told) :])
    if not left:
        last = told[-1].at if told else row.started_at
        left = [policy.ladder_repeat(ticket.priority, last)]
    if left == plan_of(row)[row.alarm_no :]:
        return False
    change_plan(uow, row, left)
    return True


def _limits(rows: list[Deadline]) -> dict[str, str]:
    return {row.kind.value: row.limit_at.isoformat() for row in rows if row.limit_at}
