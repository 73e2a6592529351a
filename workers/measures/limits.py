"""Limits that were missed: the share by clock, and the worst of them.

A clock that was planned anew, or whose answer came back, counts once: as missed if any of its limits was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, literal, select

from models.base import UtcDateTime
from models.deadlines import Deadline
from models.people import Staff, Team
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState
from workers.measures.asking import OWNER, OWNING_TEAM, Question
from workers.measures.figure import Overdue
from workers.measures.making import share
from workers.measures.narrowing import Narrowing, Viewer
from workers.measures.period import Period
from workers.measures.sql import seconds_between
from workers.measures.times import Found
from workers.unit_of_work import UnitOfWork

CLOCKS = (
    DeadlineKind.FIRST_RESPONSE,
    DeadlineKind.ACCEPTANCE,
    DeadlineKind.PLAN,
    DeadlineKind.RESOLUTION,
)
MOST = 100


async def overdue(asked: Question, wanted: Collection[str]) -> Found:
    """Missed ÷ judged, of the limits that ended in the period, by clock."""
    clocks = [kind for kind in CLOCKS if f"overdue_{kind.value}" in wanted]
    missed = case((Deadline.state == DeadlineState.BREACHED, 1), else_=0).label("missed")
    columns = (Deadline.ticket_id, Deadline.kind, Deadline.started_at, missed)
    rows = (
        _limits(asked, columns)
        .where(Deadline.kind.in_(clocks))
        .where(Deadline.state.in_((DeadlineState.MET, DeadlineState.BREACHED)))
        .subquery()
    )
    groups = [rows.c.grp] if asked.group is not None else []
    once = (
        select(*groups, rows.c.kind, func.max(rows.c.missed).label("missed"))
        .group_by(*groups, rows.c.ticket_id, rows.c.kind, rows.c.started_at)
        .subquery()
    )
    by = [once.c.grp] if groups else []
    query = select(*by, once.c.kind, func.count(), func.sum(once.c.missed)).group_by(*by, once.c.kind)
    found: Found = {}
    for row in await asked.uow.session.execute(query):
        *group, kind, number, some = row
        key = f"overdue_{kind.value}"
        found.setdefault(group[0] if group else None, {})[key] = share(key, int(some), number)
    return found


def _limits(asked: Question, columns: Sequence[Any]) -> Select[Any]:
    """Limits that ended in the period, of requests that count."""
    if not asked.of_all:
        return asked.tickets(Deadline.limit_at, *columns).join(Deadline, Deadline.ticket_id == Ticket.id)
    grp, counts = asked.not_left_out(Deadline.ticket_id, Deadline.limit_at)
    return select(*grp, *columns).where(asked.within(Deadline.limit_at), counts)


async def worst_overdue(
    uow: UnitOfWork, viewer: Viewer, period: Period, narrowing: Narrowing, limit: int = 10
) -> list[Overdue]:
    """The limits missed in the period by most, at most `limit` (up to 100) of them.

    Late until it was met, or the request closed, or until now. An agent gets those of own requests that they
    still have, since others' are not for them to open.
    """
    asked = Question(uow, viewer, period, narrowing)
    until = func.coalesce(Deadline.met_at, _happened(), Ticket.closed_at, _now(uow))
    late = seconds_between(uow.session, Deadline.limit_at, until).label("late")
    chain = (Deadline.ticket_id, Deadline.kind, Deadline.started_at)
    place = func.row_number().over(partition_by=chain, order_by=late.element.desc()).label("place")
    columns = (
        Ticket.id,
        Ticket.number,
        Deadline.kind,
        OWNER.label("owner"),
        OWNING_TEAM.label("team"),
        Ticket.category,
        Ticket.priority,
        Deadline.limit_at,
        func.coalesce(Deadline.met_at, _happened()).label("met_at"),
        Ticket.special_period,
    )
    rows = (
        asked.tickets(Deadline.breached_at, *columns, late, place, apart=False)
        .join(Deadline, Deadline.ticket_id == Ticket.id)
        .where(Deadline.state == DeadlineState.BREACHED, Deadline.kind.in_(CLOCKS))
    )
    if viewer.own is not None:
        rows = rows.where(Ticket.handler_id == viewer.own)
    found = rows.subquery()
    query = (
        select(found, Staff.number.label("staff_number"), Team.name.label("team_name"))
        .outerjoin(Staff, Staff.id == found.c.owner)
        .outerjoin(Team, Team.id == found.c.team)
        .where(found.c.place == 1)
        .order_by(found.c.late.desc(), found.c.number, found.c.kind)
        .limit(max(1, min(limit, MOST)))
    )
    return [_overdue(row) for row in await uow.session.execute(query)]


def _overdue(row: Any) -> Overdue:
    return Overdue(
        ticket=row.number,
        clock=row.kind.value,
        staff=row.staff_number or "",
        team=row.team_name or "",
        category=row.category.value,
        priority=row.priority.value,
        limit_at=row.limit_at,
        met_at=row.met_at,
        late=float(row.late),
        special_period=row.special_period,
    )


def _happened() -> ColumnElement[Any]:
    """When what a limit asked for happened after it: of one that was planned anew another one was met."""
    moments = {
        DeadlineKind.FIRST_RESPONSE: Ticket.first_response_at,
        DeadlineKind.ACCEPTANCE: Ticket.accepted_at,
        DeadlineKind.PLAN: Ticket.planned_at,
        DeadlineKind.RESOLUTION: Ticket.resolved_at,
    }
    whens = [((Deadline.kind == kind) & (at > Deadline.limit_at), at) for kind, at in moments.items()]
    return case(*whens)


def _now(uow: UnitOfWork) -> Any:
    return literal(uow.clock.now(), UtcDateTime())
