"""Which deadlines a ticket has, by its policy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.people import Customer, Team
from models.tickets import Ticket
from models.vocabulary import DeadlineKind
from workers import deadlines
from workers.directory import team_named
from workers.policy import Case, SlaClock
from workers.unit_of_work import UnitOfWork

OPENING = (DeadlineKind.FIRST_RESPONSE, DeadlineKind.ACCEPTANCE, DeadlineKind.PLAN, DeadlineKind.RESOLUTION)


async def case_of(uow: UnitOfWork, ticket: Ticket, start: datetime) -> Case:
    """What the limits of a ticket's clocks depend on, for a clock started at `start` (UTC).

    While no team serves it yet, it is the one that the assignment rules give it to.
    """
    customer = await uow.the(Customer, ticket.customer_id)
    if ticket.team_id is not None:
        team = await uow.session.get(Team, ticket.team_id)
    else:
        policy = await uow.policy_of(ticket.policy_version_id)
        facts = (ticket.category, ticket.subkind, customer.level, ticket.priority, ticket.channel)
        team = await team_named(uow, policy.assignment(*facts).team)
    return Case(
        priority=ticket.priority,
        category=ticket.category,
        customer_level=customer.level,
        team=team.name if team else None,
        channel=ticket.channel,
        reopened=ticket.opening > 1 and start >= ticket.opened_at,
    )


async def start_clocks(
    uow: UnitOfWork, ticket: Ticket, kinds: Sequence[DeadlineKind], start: datetime
) -> dict[str, datetime | None]:
    """Arm the next generation of these clocks from `start`; gives each one's limit (None: it has none)."""
    policy = await uow.policy_of(ticket.policy_version_id)
    case = await case_of(uow, ticket, start)
    limits: dict[str, datetime | None] = {}
    for kind in kinds:
        limit = policy.limit_at(SlaClock(kind.value), case, start)
        limits[kind.value] = limit
        if limit is not None:
            await start_clock(uow, ticket, kind, start, limit, promised=False)
    return limits


async def start_clock(
    uow: UnitOfWork,
    ticket: Ticket,
    kind: DeadlineKind,
    start: datetime,
    limit: datetime,
    *,
    promised: bool = True,
) -> None:
    """Arm the next generation of one clock; `promised`: its limit was agreed, not the policy's own."""
    policy = await uow.policy_of(ticket.policy_version_id)
    agreed = limit if promised else None
    case = await case_of(uow, ticket, start)
    alarms = policy.alarms(SlaClock(kind.value), case, start, limit=agreed)
    await deadlines.arm(
        uow,
        ticket,
        kind,
        fact=ticket.id,
        generation=await deadlines.next_generation(uow, ticket, kind),
        started_at=start,
        limit_at=limit,
        alarms=alarms,
    )


async def running_limits(uow: UnitOfWork, ticket: Ticket) -> dict[str, str | None]:
    """The limits that still run, by clock, as ISO 8601 in UTC (what staff mails show)."""
    limits: dict[str, str | None] = {"first_response": None, "plan": None, "resolution": None}
    for row in await deadlines.open_ones(uow, ticket, OPENING):
        if row.kind.value in limits and row.limit_at is not None:
            limits[row.kind.value] = row.limit_at.isoformat()
    return limits
