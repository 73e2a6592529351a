"""The clocks that run are planned anew when a ticket turns out to be another case than it was taken for."""

from __future__ import annotations

from models.deadlines import Deadline
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, Priority
from workers import deadlines
from workers.history import record
from workers.policy import SlaClock
from workers.tickets.clocks import (
    OPENING,
    case_of,
    judged_by,
    pauses_of,
    replace_clocks,
    start_clock,
    start_clocks,
)
from workers.tickets.waiting import clocks_running
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
        facts = {"priority": priority.value, "limits_before": _limits(replaced), **judged_by(ticket, case)}
        await record(uow, ticket, "replanned", at=now, facts=facts)


async def follow_case(uow: UnitOfWork, ticket: Ticket, why: str) -> None:
    """Category or team have changed (`why`): clocks that run go by the limits of the case it is now.

    Those that end at a promised time stay, and so do those that are over, or would be by the other limit.
    """
    now = uow.clock.now()
    async with clocks_running(uow, ticket):
        moved = await _follow(uow, ticket)
        if moved:
            case = await case_of(uow, ticket, ticket.opened_at)
            facts = {"because": why, "limits_before": _limits(moved), **judged_by(ticket, case)}
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
        if promised or limit == row.limit_at or (limit is not None and limit <= now):
            continue
        moved += await deadlines.withdraw_rows(uow, [row], "replanned")
        if limit is not None:
            await start_clock(uow, ticket, row.kind, row.started_at, limit, case=case)
    return moved


def _limits(rows: list[Deadline]) -> dict[str, str]:
    return {row.kind.value: row.limit_at.isoformat() for row in rows if row.limit_at}
