"""Staff by number or address, teams by name, and the first administrator."""

from __future__ import annotations

import itertools

from sqlalchemy import select

from models.base import new_id
from models.people import Staff, Team
from models.vocabulary import Role
from workers.errors import NotFound
from workers.unit_of_work import UnitOfWork


async def staff_by_email(uow: UnitOfWork, address: str) -> Staff | None:
    """The active member of staff with this address, or None."""
    if uow.ahead is not None:
        wanted = address.strip().lower()
        return next((person for person in uow.ahead.staff if person.email == wanted), None)
    return await uow.session.scalar(
        select(Staff).where(Staff.email == address.strip().lower(), Staff.active.is_(True))
    )


async def staff_by_number(uow: UnitOfWork, number: str) -> Staff:
    """The active member of staff with this number (CS001). Raises NotFound."""
    person = await uow.session.scalar(select(Staff).where(Staff.number == number, Staff.active.is_(True)))
    if person is None:
        raise NotFound(f"there is no active member of staff {number}")
    return person


async def team_named(uow: UnitOfWork, name: str) -> Team | None:
    """The team of this name, else the oldest team (what a small installation has), else None."""
    if uow.ahead is not None:
        teams = uow.ahead.teams
        return next((team for team in teams if team.name == name), next(iter(teams), None))
    named = await uow.session.scalar(select(Team).where(Team.name == name))
    return named or await uow.session.scalar(select(Team).order_by(Team.id).limit(1))


async def ensure_administrator(uow: UnitOfWork) -> None:
    """Make the default team and its administrator from CLOSELOOP_ADMIN, once, whoever else starts meanwhile.

    Without an administrator the service takes in everything and sends nothing.
    """
    if not uow.settings.admin:
        return
    email = uow.settings.admin.strip().lower()
    if await uow.session.scalar(select(Staff).where(Staff.email == email)):
        return
    oldest = select(Team).order_by(Team.id).limit(1)
    team = await uow.session.scalar(oldest)
    if team is None:
        team = Team(id=new_id(), name=uow.policy.default_team)
        if not await uow.insert_new(team):
            team = (await uow.session.scalars(oldest)).one()
    taken = set(await uow.session.scalars(select(Staff.number).where(Staff.number.like("AD%"))))
    person = Staff(
        id=new_id(),
        number=next(number for count in itertools.count(1) if (number := f"AD{count:03d}") not in taken),
        name=email.partition("@")[0],
        email=email,
        role=Role.ADMINISTRATOR,
        team_id=team.id,
    )
    if await uow.insert_new(person):
        team.supervisor_id = team.supervisor_id or person.id
