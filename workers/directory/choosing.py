"""Who takes the next ticket of a team."""

from __future__ import annotations

from models.people import Staff, Team
from models.vocabulary import Role
from workers.directory.presence import people_present
from workers.directory.roles import people_in_roles
from workers.unit_of_work import UnitOfWork


async def next_handler(uow: UnitOfWork, team: Team, skill: str | None = None) -> Staff | None:
    """Who takes the next ticket of this team: present, skilled where somebody is, longest without a new one.

    Falls back to the team's supervisor, then to an administrator, so that a ticket without a handler
    means that nobody at all is there.
    """
    present = await people_present(uow, team.id)
    agents = [person for person in present if person.role is Role.AGENT]
    skilled = [person for person in agents if skill and skill in person.skills]
    pool = skilled or agents
    if pool:
        return min(pool, key=lambda p: (p.last_assigned_at is not None, p.last_assigned_at, p.number))
    everybody = await people_in_roles(uow, team_id=team.id, handler_id=None, roles=["supervisor"])
    return everybody[0] if everybody else None
