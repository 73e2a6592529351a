"""首问负责制 (row E5): the team that a ticket came to first stays responsible, wherever it goes."""

from __future__ import annotations

from collections.abc import Iterable

from models.people import Staff
from models.tickets import Ticket
from workers.directory import people_in_roles
from workers.unit_of_work import UnitOfWork

LEADING = ("supervisor", "substitute", "head")


async def owners(uow: UnitOfWork, ticket: Ticket, roles: Iterable[str] = ("supervisor",)) -> list[Staff]:
    """Who of the first team answers for a ticket that another team has by now: those of its people whom
    `roles` mean. Empty where the policy does not ask for it, and while the first team has the ticket.
    """
    policy = await uow.policy_of(ticket.policy_version_id)
    leading = [role for role in roles if role in LEADING]
    if not policy.first_contact_owns or ticket.first_team_id in (None, ticket.team_id) or not leading:
        return []
    return await people_in_roles(uow, team_id=ticket.first_team_id, handler_id=None, roles=leading)
