"""Who reads a report, about which teams, by whose wall clock; and who gets it in place of somebody absent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from models.people import Staff, Team
from models.vocabulary import Role
from workers.calendars import Calendar
from workers.directory import people_in_roles
from workers.directory.presence import presence
from workers.policy.report_parts import ReportKind
from workers.unit_of_work import UnitOfWork

ALL = "all"
WIDE = {"quality": Role.QUALITY, "administrator": Role.ADMINISTRATOR}
"""Who reads about all teams, by the words of the policy."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a report is about: the `teams` of `supervisor`; all teams when there is none."""

    supervisor: Staff | None = None
    teams: tuple[Team, ...] = ()

    @property
    def code(self) -> str:
        """What it is called in keys: `all`, or the supervisor's id."""
        return self.supervisor.id.hex if self.supervisor else ALL

    @property
    def names(self) -> list[str]:
        """The names of its teams; none for all teams."""
        return [team.name for team in self.teams]

    def calendar(self, uow: UnitOfWork) -> Calendar:
        """By which calendar it is due: that of its teams where they have one in common, else the policy's."""
        own = {uow.policy.for_team(team.name).calendar for team in self.teams}
        return own.pop() if len(own) == 1 else uow.policy.calendar


async def scopes(uow: UnitOfWork) -> list[Scope]:
    """What reports are made about: all teams for those who look at all, own teams for each supervisor.

    A supervisor who reads about all teams as quality staff or administrator gets no second report.
    """
    part = uow.policy.document.reports
    found = [Scope()] if await wide_readers(uow) else []
    if "supervisor" not in part.to:
        return found
    led: defaultdict[UUID, list[Team]] = defaultdict(list)
    for team in await uow.session.scalars(select(Team).order_by(Team.name)):
        if team.supervisor_id is not None:
            led[team.supervisor_id].append(team)
    leaders = await uow.session.scalars(
        select(Staff).where(Staff.id.in_(led), Staff.active.is_(True)).order_by(Staff.number)
    )
    wide = {WIDE[each] for each in part.to if each in WIDE}
    return found + [
        Scope(person, tuple(led[person.id])) for person in leaders.all() if person.role not in wide
    ]


async def scope_of(uow: UnitOfWork, staff_id: UUID | None) -> Scope | None:
    """The scope that an errand names: all teams for None. None when the person leads no team any more."""
    for scope in await scopes(uow):
        if (scope.supervisor.id if scope.supervisor else None) == staff_id:
            return scope
    return None


async def wide_readers(uow: UnitOfWork) -> Sequence[Staff]:
    """Active quality staff and administrators, as far as the policy names them, by number."""
    roles = [WIDE[each] for each in uow.policy.document.reports.to if each in WIDE]
    found = await uow.session.scalars(
        select(Staff).where(Staff.active.is_(True), Staff.role.in_(roles)).order_by(Staff.number)
    )
    return found.all()


async def readers(uow: UnitOfWork, scope: Scope, kind: ReportKind) -> list[Staff]:
    """Who wants this report, present or not."""
    people = [scope.supervisor] if scope.supervisor else await wide_readers(uow)
    return [person for person in people if uow.policy.document.reports.wants(person.number, kind)]


async def instead_of(uow: UnitOfWork, scope: Scope, person: Staff) -> Staff | None:
    """Who gets a supervisor's report while they are absent: their substitute, else that of a team, else an
    administrator. None: they are there, or nobody else is, and it waits in their own mailbox.
    """
    there = await presence(uow)
    if scope.supervisor is None or person.id in there.present:
        return None
    own = there.standing_in(person.id)
    if own is not None:
        return own
    for team in scope.teams:
        for other in await people_in_roles(uow, team_id=team.id, handler_id=None, roles=["supervisor"]):
            return other
    return None
