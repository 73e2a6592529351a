"""Which report somebody asks for, by the names that people use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select

from models.people import Staff, Team
from workers.errors import InvalidInput, NotFound
from workers.measures import Period
from workers.policy.report_parts import ReportKind
from workers.reports.document import Report
from workers.reports.making import make_report
from workers.reports.periods import kind_of, last_period, period_with
from workers.reports.readers import Scope
from workers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Wish:
    """A report: its kind, its scope, and its period."""

    kind: ReportKind
    scope: Scope
    period: Period

    async def made(self, uow: UnitOfWork) -> Report:
        """The report, as the records stand now."""
        return await make_report(uow, self.kind, self.period, self.scope)


async def wish(
    uow: UnitOfWork, kind: str, *, supervisor: str = "", team: str = "", day: date | None = None
) -> Wish:
    """The report of this kind: about the teams of a supervisor (a staff number), one team, or all; about the
    week, month or quarter that `day` lies in, else the last one that is over.

    Raises InvalidInput, or NotFound for a person or team that is not there or leads nothing.
    """
    which = kind_of(kind)
    if supervisor and team:
        raise InvalidInput("a report is about the teams of a supervisor, or about one team", hint="name one")
    scope = await _led_by(uow, supervisor) if supervisor else await _team(uow, team) if team else Scope()
    zone = scope.calendar(uow).zone
    if day is None:
        return Wish(which, scope, last_period(which, uow.clock.now(), zone))
    if not 1970 < day.year < 2100:
        raise InvalidInput("a report is about a day between 1971 and 2099")
    return Wish(which, scope, period_with(which, day, zone))


async def _led_by(uow: UnitOfWork, number: str) -> Scope:
    person = await uow.session.scalar(
        select(Staff).where(Staff.number == number.strip().upper(), Staff.active.is_(True))
    )
    if person is None:
        raise NotFound("there is no active member of staff of this number")
    found = await uow.session.scalars(select(Team).where(Team.supervisor_id == person.id).order_by(Team.name))
    teams = tuple(found)
    if not teams:
        raise NotFound("this member of staff is no team's supervisor", hint="closeloop team add --supervisor")
    return Scope(person, teams)


async def _team(uow: UnitOfWork, name: str) -> Scope:
    team = await uow.session.scalar(select(Team).where(Team.name == name))
    if team is None:
        raise NotFound("there is no team of this name")
    return Scope(None, (team,))
