"""Which deadlines a ticket has, by its policy, and what ends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from models.deadlines import Deadline
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind
from workers import deadlines, escalations
from workers.directory import case_of
from workers.policy import Case, SlaClock
from workers.tickets.pauses import Pause, pauses_in
from workers.unit_of_work import UnitOfWork

OPENING = (DeadlineKind.FIRST_RESPONSE, DeadlineKind.ACCEPTANCE, DeadlineKind.PLAN, DeadlineKind.RESOLUTION)


async def judged_by(uow: UnitOfWork, ticket: Ticket, case: Case) -> Mapping[str, Any]:
    """What the log keeps wherever clocks are planned, so that limits can be recomputed from it alone.

    Where the policy has several calendars it says by which of them ("": the general one).
    """
    policy = (await uow.policy_of(ticket.policy_version_id)).for_case(case)
    return {
        "policy": str(ticket.policy_version_id),
        **({"calendar": policy.calendar_name} if policy.document.calendars else {}),
        "case": {
            "priority": case.priority.value,
            "category": case.category.value if case.category else None,
            "customer_level": case.customer_level,
            "customer_group": case.customer_group,
            "team": case.team,
            "channel": case.channel.value if case.channel else None,
        },
    }


async def start_clocks(
    uow: UnitOfWork,
    ticket: Ticket,
    kinds: Sequence[DeadlineKind],
    start: datetime,
    *,
    case: Case | None = None,
) -> dict[str, datetime | None]:
    """Arm the next generation of these clocks from `start`; gives each one's limit (None: it has none).

    `case` is that of the ticket, where the caller has it at hand.
    """
    policy = await uow.policy_of(ticket.policy_version_id)
    case = case or await case_of(uow, ticket, start)
    pauses = await pauses_of(uow, ticket)
    limits: dict[str, datetime | None] = {}
    for kind in kinds:
        clock = SlaClock(kind.value)
        limit = policy.limit_at(clock, case, start)
        if limit is not None:
            limit = policy.after_pauses(clock, case, start, limit, pauses)
            await start_clock(uow, ticket, kind, start, limit, case=case)
        limits[kind.value] = limit
    return limits


async def start_clock(
    uow: UnitOfWork,
    ticket: Ticket,
    kind: DeadlineKind,
    start: datetime,
    limit: datetime,
    *,
    case: Case | None = None,
) -> None:
    """Arm the next generation of one clock that ends at `limit`: the policy's own, or one that was agreed."""
    policy = await uow.policy_of(ticket.policy_version_id)
    case = case or await case_of(uow, ticket, start)
    await deadlines.arm(
        uow,
        ticket,
        kind,
        fact=ticket.id,
        generation=await deadlines.next_generation(uow, ticket, kind),
        started_at=start,
        limit_at=limit,
        alarms=policy.alarms(SlaClock(kind.value), case, start, limit=limit),
    )


async def replace_clocks(
    uow: UnitOfWork, ticket: Ticket, kinds: Sequence[DeadlineKind], reason: str, now: datetime
) -> list[Deadline]:
    """End the open clocks of these kinds, for others to take their place; gives them.

    One whose limit had passed is a breach, whether its check has come round to saying so or not.
    """
    return await replace_rows(uow, ticket, await deadlines.open_ones(uow, ticket, kinds), reason, now)


async def replace_rows(
    uow: UnitOfWork, ticket: Ticket, rows: list[Deadline], reason: str, now: datetime
) -> list[Deadline]:
    """As `replace_clocks`, for clocks that are at hand."""
    for row in rows:
        await escalations.judge_passed(uow, ticket, row, now)
    await deadlines.withdraw_rows(uow, rows, reason)
    for row in rows:
        await escalations.settle_late(uow, ticket, row, reason)
    return rows


async def pauses_of(uow: UnitOfWork, ticket: Ticket) -> tuple[Pause, ...]:
    """When the customer was waited for, in time order; a wait that goes on ends now for this purpose."""
    if not ticket.waits:
        return ()
    lines = await uow.session.execute(
        select(TicketEntry.kind, TicketEntry.at)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind.in_(("waiting", "resumed")))
        .order_by(TicketEntry.id)
    )
    return pauses_in([(kind, at) for kind, at in lines], uow.clock.now())


async def running_limits(uow: UnitOfWork, ticket: Ticket) -> dict[str, str | None]:
    """The limits that still run, by clock, as ISO 8601 in UTC (what staff mails show)."""
    limits: dict[str, str | None] = {"first_response": None, "plan": None, "resolution": None}
    for row in await deadlines.open_ones(uow, ticket, OPENING):
        if row.kind.value in limits and row.limit_at is not None:
            limits[row.kind.value] = row.limit_at.isoformat()
    return limits
