"""Whom a role means on a ticket."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from models.people import Staff, Team
from models.tickets import Ticket
from workers.directory.presence import presence
from workers.unit_of_work import UnitOfWork


async def people_for(uow: UnitOfWork, ticket: Ticket, roles: Iterable[str]) -> list[Staff]:
    """The people whom these roles (handler, supervisor, substitute, head, administrator) mean on a ticket.

    Each person stands in the list once. Whoever is absent is stood in for by the substitute named for the
    absence (and so on, if that one is absent, too), then by the team's substitute, for a handler then by the
    supervisor, at last by the administrators, so that a rung is never silently empty.
    """
    return await people_in_roles(uow, team_id=ticket.team_id, handler_id=ticket.handler_id, roles=roles)


async def people_in_roles(
    uow: UnitOfWork, *, team_id: UUID | None, handler_id: UUID | None, roles: Iterable[str]
) -> list[Staff]:
    """As `people_for`, for a team and handler given by their ids."""
    team = await uow.the(Team, team_id) if team_id else None
    there = await presence(uow)
    holders: dict[str, UUID | None] = {
        "handler": handler_id,
        "supervisor": team.supervisor_id if team else None,
        "substitute": team.substitute_id if team else None,
        "head": team.head_id if team else None,
    }
    found: dict[UUID, Staff] = {}
    for role in roles:
        if role == "substitute" and holders["substitute"] is None:
            continue
        order = [holders.get(role), holders["substitute"]]
        if role == "handler":
            order.append(holders["supervisor"])
        standing = (there.standing_in(who) for who in order)
        first = next((person for person in standing if person is not None), None)
        people = [first] if first is not None and role != "administrator" else there.administrators
        found.update({person.id: person for person in people})
    return list(found.values())
