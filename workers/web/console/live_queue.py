"""The queries behind the live queue: what is due next, what is late, and how much each team and person has.

Everything is counted from the limits that nothing has met (a small part of all, with an index of their own)
and from the tickets that are worked on, so that it takes as long with a million closed ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select, tuple_
from sqlalchemy.orm import aliased

from models.deadlines import Deadline
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import TicketState
from workers.access import seen_by
from workers.unit_of_work import UnitOfWork
from workers.web.console.my_tickets import IN_HAND
from workers.web.console.ticket_list import is_unmet

SOON = timedelta(hours=1)
MOST = 50


@dataclass(slots=True)
class Load:
    """What one person of one team (None: nobody yet) has in hand."""

    team_id: UUID | None
    staff_id: UUID | None
    tickets: int = 0
    soon: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class Queue:
    """What is in hand now. `overdue` and `soon` are the first of all by their limit, `loads` the busiest.

    A ticket counts once, by the first limit that nothing has met and that does not stand still.
    """

    at: datetime
    states: dict[TicketState, int]
    overdue: Sequence[tuple[Ticket, Deadline]]
    soon: Sequence[tuple[Ticket, Deadline]]
    loads: Sequence[Load] = field(default=())

    @property
    def overdue_count(self) -> int:
        """How many tickets are overdue in all."""
        return sum(each.overdue for each in self.loads)

    @property
    def soon_count(self) -> int:
        """How many tickets have their next limit within the hour."""
        return sum(each.soon for each in self.loads)


async def queue_of(uow: UnitOfWork, person: Staff, team_id: UUID | None = None) -> Queue:
    """The queue as this person may see it, of one team or of all: five queries, however many tickets."""
    now = uow.clock.now()
    which = [Ticket.state.in_(IN_HAND), seen_by(person)]
    if team_id is not None:
        which.append(Ticket.team_id == team_id)
    loads, states = await _in_hand(uow, which)
    await _add_due(uow, which, now, loads)
    return Queue(
        now,
        states,
        await _next(uow, which, Deadline.limit_at <= now),
        await _next(uow, which, Deadline.limit_at > now, Deadline.limit_at <= now + SOON),
        sorted(loads.values(), key=lambda each: (-each.overdue, -each.soon, -each.tickets)),
    )


Loads = dict[tuple[UUID | None, UUID | None], Load]


async def _in_hand(uow: UnitOfWork, which: list[ColumnElement[bool]]) -> tuple[Loads, dict[TicketState, int]]:
    columns = (Ticket.team_id, Ticket.handler_id, Ticket.state)
    loads: Loads = {}
    states = dict.fromkeys(IN_HAND, 0)
    query = select(*columns, func.count()).where(*which).group_by(*columns)
    for team, person, state, count in await uow.session.execute(query):
        loads.setdefault((team, person), Load(team, person)).tickets += count
        states[state] += count
    return loads, states


def _firsts(until: datetime) -> Any:
    """The first limit of each ticket that has one until then."""
    limit = func.min(Deadline.limit_at).label("limit_at")
    return (
        select(Deadline.ticket_id, limit)
        .where(is_unmet(Deadline), Deadline.paused_at.is_(None), Deadline.limit_at <= until)
        .group_by(Deadline.ticket_id)
        .subquery("firsts")
    )


async def _add_due(uow: UnitOfWork, which: list[ColumnElement[bool]], now: datetime, loads: Loads) -> None:
    firsts = _firsts(now + SOON)
    late = func.sum(case((firsts.c.limit_at <= now, 1), else_=0))
    query = (
        select(Ticket.team_id, Ticket.handler_id, func.count(), late)
        .join(firsts, firsts.c.ticket_id == Ticket.id)
        .where(*which)
        .group_by(Ticket.team_id, Ticket.handler_id)
    )
    for team, person, count, overdue in await uow.session.execute(query):
        load = loads.setdefault((team, person), Load(team, person))
        load.overdue, load.soon = int(overdue), int(count) - int(overdue)


async def _next(
    uow: UnitOfWork, which: list[ColumnElement[bool]], *limits: ColumnElement[bool]
) -> Sequence[tuple[Ticket, Deadline]]:
    """Tickets whose first limit lies there, the earliest first, each with that limit."""
    query = (
        select(Ticket, Deadline)
        .join(Ticket, Ticket.id == Deadline.ticket_id)
        .where(is_unmet(Deadline), Deadline.paused_at.is_(None), *limits, ~_earlier(), *which)
        .order_by(Deadline.limit_at, Deadline.id)
        .limit(MOST)
    )
    return [(row[0], row[1]) for row in await uow.session.execute(query)]


def _earlier() -> ColumnElement[bool]:
    """Whether the ticket has an unmet limit before this one, looked up in its own few (hence OFFSET 0)."""
    before = aliased(Deadline, name="before")
    return (
        select(before.id)
        .where(
            before.ticket_id == Deadline.ticket_id,
            is_unmet(before),
            before.paused_at.is_(None),
            tuple_(before.limit_at, before.id) < tuple_(Deadline.limit_at, Deadline.id),
        )
        .correlate(Deadline)
        .offset(0)
        .exists()
    )
