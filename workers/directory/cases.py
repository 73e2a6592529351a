"""What the limits and the calendar of a ticket depend on, and the policy as it holds for it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from models.people import Customer, Team
from models.tickets import Ticket
from workers.directory.colleagues import team_named
from workers.policy import Case, Policy
from workers.unit_of_work import UnitOfWork


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
        customer_group=customer.customer_group,
        team=team.name if team else None,
        channel=ticket.channel,
        reopened=ticket.opening > 1 and start >= ticket.opened_at,
    )


async def policy_for(uow: UnitOfWork, ticket: Ticket, version_id: UUID | None = None) -> Policy:
    """The policy that judges a ticket (or another version), going by the calendar that holds for it."""
    policy = await uow.policy_of(version_id or ticket.policy_version_id)
    if not policy.document.calendar_for:
        return policy
    return policy.for_case(await case_of(uow, ticket, ticket.opened_at))
