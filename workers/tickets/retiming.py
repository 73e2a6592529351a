"""The clocks that run are planned anew when a ticket turns out to be another case than it was taken for."""

from __future__ import annotations

from models.deadlines import Deadline
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, Priority
from workers import deadlines
from workers.alarms import change_plan, plan_of
from workers.directory import case_of, policy_for
from workers.history import record
from workers.policy import SlaClock
from workers.tickets.clocks import (
    OPENING,
    judged_by,
    pauses_of,
    replace_clocks,
    start_clock,
    start_clocks,
)
from workers.tickets.waiting import clocks_running, not_heard
from workers.unit_of_work import UnitOfWork


async def change_priority(uow: UnitOfWork, ticket: Ticket, priority: Priority) -> None:
    """Set the priority and re-plan every clock that still runs, from the opening of the ticket.

    A resolution time that a person has promised stays promised.
    """
    now = uow.clock.now()
    async with clocks_running(uow, ticket):
        ticket.priority = priority
        replaced = await replace_clocks(uow, ticket, OPENING, "replanned", now)
        case = await case_of(uow, ticket, ticket.opened_at)
        for row in replaced:
            promised = ticket.expected_resolution_at
            if row.kind is DeadlineKind.RESOLUTION and promised is not None:
                await start_clock(uow, ticket, row.kind, row.started_at, promised)
            else:
                await start_clocks(uow, ticket, [row.kind], ticket.opened_at, case=case)
        facts = {
            "priority": priority.value,
            "limits_before": _limits(replaced),
            **await judged_by(uow, ticket, case),
        }
        await record(uow, ticket, "replanned", at=now, facts=facts)


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
