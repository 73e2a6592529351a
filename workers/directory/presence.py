"""Who is there, who stands in for whoever is not, and who is on duty 值班."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from models.people import Absence, Duty, Staff
from models.vocabulary import Role
from workers.unit_of_work import UnitOfWork

SOON = timedelta(minutes=1)
"""A transaction for many asks once, and may last this long."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is present at a moment, by id, and whose substitute is whose while they are absent."""

    present: Mapping[UUID, Staff]
    substitutes: Mapping[UUID, UUID]
    administrators: Sequence[Staff] = field(init=False)

    def __post_init__(self) -> None:
        who = [person for person in self.present.values() if person.role is Role.ADMINISTRATOR]
        object.__setattr__(self, "administrators", who)

    def standing_in(self, who: UUID | None) -> Staff | None:
        """The person, else the first of the chain of substitutes who is present; None when nobody is."""
        seen: set[UUID] = set()
        while who is not None and who not in seen:
            if who in self.present:
                return self.present[who]
            seen.add(who)
            who = self.substitutes.get(who)
        return None


async def presence(uow: UnitOfWork) -> Presence:
    """Who is present now, of all active members of staff; a transaction for many works it out once."""
    if uow.ahead is None:
        return await _presence_now(uow)
    known = uow.ahead.presence
    if not isinstance(known, Presence):
        uow.ahead.presence = known = await _presence_now(uow)
    return known


async def _presence_now(uow: UnitOfWork) -> Presence:
    now = uow.clock.now()
    away = {row.staff_id: row for row in await _absences(uow, now)}
    present = {
        person.id: person
        for person in await _active(uow, None)
        if person.id not in away and not _absent_until(person, now)
    }
    substitutes = {row.staff_id: row.substitute_id for row in away.values() if row.substitute_id is not None}
    return Presence(present, substitutes)


async def people_present(uow: UnitOfWork, team_id: UUID | None = None) -> Sequence[Staff]:
    """Active members of staff who are not absent now, by number; of one team, or all."""
    now = uow.clock.now()
    away = {row.staff_id for row in await _absences(uow, now)}
    people = await _active(uow, team_id)
    return [person for person in people if person.id not in away and not _absent_until(person, now)]


async def on_duty(uow: UnitOfWork, team_id: UUID | None, at: datetime) -> list[Staff]:
    """Who is on duty at `at` for a team: those of its own roster, else of the roster of all teams.

    Somebody on the roster who is absent is stood in for by their substitute. Empty: a gap in the roster.
    """
    rows = [row for row in await _duties(uow, at) if row.team_id in (None, team_id)]
    own = [row for row in rows if row.team_id is not None] or rows
    if not own:
        return []
    there = await presence(uow)
    people = [there.standing_in(row.staff_id) for row in own]
    return list({person.id: person for person in people if person is not None}.values())


async def substitute_of(uow: UnitOfWork, person: Staff) -> Staff | None:
    """Who stands in for somebody who says that they are away: by an absence that is entered, now or soon."""
    chosen = await uow.session.scalar(
        select(Absence.substitute_id)
        .where(Absence.staff_id == person.id, Absence.cancelled_at.is_(None))
        .where(Absence.ends_at > uow.clock.now(), Absence.substitute_id.is_not(None))
        .order_by(Absence.starts_at)
        .limit(1)
    )
    found = (await presence(uow)).standing_in(chosen)
    return found if found is not None and found.id != person.id else None


def _absent_until(person: Staff, now: datetime) -> bool:
    return person.absent_until is not None and person.absent_until > now


async def _active(uow: UnitOfWork, team_id: UUID | None) -> Iterable[Staff]:
    if uow.ahead is not None:
        return [person for person in uow.ahead.staff if team_id in (None, person.team_id)]
    query = select(Staff).where(Staff.active.is_(True)).order_by(Staff.number)
    return await uow.session.scalars(query.where(Staff.team_id == team_id) if team_id else query)


async def _absences(uow: UnitOfWork, at: datetime) -> Sequence[Absence]:
    if uow.ahead is None:
        return await absences_from(uow, at, at)
    if uow.ahead.absences is None:
        with uow.session.no_autoflush:
            uow.ahead.absences = await absences_from(uow, at, at + SOON)
    return [row for row in uow.ahead.absences if row.starts_at <= at < row.ends_at]


async def _duties(uow: UnitOfWork, at: datetime) -> Sequence[Duty]:
    if uow.ahead is None:
        return await duties_from(uow, at, at)
    if uow.ahead.duties is None:
        with uow.session.no_autoflush:
            uow.ahead.duties = await duties_from(uow, at, at + SOON)
    return [row for row in uow.ahead.duties if row.starts_at <= at < row.ends_at]


async def absences_from(uow: UnitOfWork, first: datetime, last: datetime) -> Sequence[Absence]:
    """Absences that touch the time from `first` to `last`, those entered first in front."""
    rows = await uow.session.scalars(
        select(Absence)
        .where(Absence.ends_at > first, Absence.starts_at <= last, Absence.cancelled_at.is_(None))
        .order_by(Absence.id)
    )
    return rows.all()


async def duties_from(uow: UnitOfWork, first: datetime, last: datetime) -> Sequence[Duty]:
    """Duties that touch the time from `first` to `last`, those that begin first in front."""
    rows = await uow.session.scalars(
        select(Duty)
        .where(Duty.ends_at > first, Duty.starts_at <= last, Duty.cancelled_at.is_(None))
        .order_by(Duty.starts_at, Duty.id)
    )
    return rows.all()
