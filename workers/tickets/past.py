"""The stories of tickets that were, read from the database page by page; nothing is written or unsealed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, func, or_, select

from models.people import Customer, Team
from models.tickets import Ticket, TicketEntry
from models.vocabulary import NOT_A_TICKET
from workers.policy import Case, Story
from workers.tickets.pauses import pauses_in
from workers.unit_of_work import UnitOfWork, Workshop

Query = TypeVar("Query", bound=Select[*tuple[Any, ...]])

PAGE = 500
TOLD = (
    "reopened",
    "first_response",
    "accepted",
    "plan_given",
    "resolved",
    "acknowledged",
    "waiting",
    "resumed",
)
"""The lines of a log that a story is made of."""


@dataclass(frozen=True, slots=True)
class Past:
    """One ticket as it went: its id, the version that judges it, and its openings in order."""

    ticket_id: UUID
    version_id: UUID
    stories: tuple[Story, ...]


@dataclass(frozen=True, slots=True)
class Which:
    """Which tickets are meant: received from `since` on and before `until` (UTC); of some teams, or all."""

    since: datetime
    until: datetime
    teams: tuple[UUID, ...] = ()

    def narrow(self, query: Query) -> Query:
        """The query for these tickets alone; what staff found to be no request is left out."""
        query = query.where(Ticket.received_at >= self.since, Ticket.received_at < self.until)
        query = query.where(or_(Ticket.close_reason.is_(None), Ticket.close_reason != NOT_A_TICKET))
        return query.where(Ticket.team_id.in_(self.teams)) if self.teams else query


async def count_past(workshop: Workshop, which: Which) -> int:
    """How many tickets there are of that kind."""
    async with workshop.read() as uow:
        return int(await uow.session.scalar(which.narrow(select(func.count()).select_from(Ticket))) or 0)


async def past_tickets(workshop: Workshop, which: Which) -> AsyncIterator[list[Past]]:
    """Pages of tickets in order of their ids, each read in a transaction of its own that only reads."""
    after: UUID | None = None
    while True:
        async with workshop.read() as uow:
            page = await page_of_past(uow, which, after)
        if not page:
            return
        yield page
        after = page[-1].ticket_id


async def page_of_past(uow: UnitOfWork, which: Which, after: UUID | None) -> list[Past]:
    """The next tickets after that id, in a transaction that the caller has."""
    query = (
        select(
            Ticket.id,
            Ticket.policy_version_id,
            Ticket.priority,
            Ticket.category,
            Ticket.channel,
            Customer.level,
            Team.name.label("team"),
            Ticket.received_at,
            Ticket.first_response_at,
            Ticket.accepted_at,
            Ticket.planned_at,
            Ticket.resolved_at,
            Ticket.closed_at,
        )
        .join(Customer, Customer.id == Ticket.customer_id)
        .outerjoin(Team, Team.id == Ticket.team_id)
        .order_by(Ticket.id)
        .limit(PAGE)
    )
    query = which.narrow(query.where(Ticket.id > after) if after else query)
    rows = (await uow.session.execute(query)).all()
    lines = await _lines(uow, [row.id for row in rows])
    now = uow.clock.now()
    return [Past(row.id, row.policy_version_id, _stories(row, lines[row.id], now)) for row in rows]


_Line = tuple[str, datetime]


async def _lines(uow: UnitOfWork, idents: Sequence[UUID]) -> Mapping[UUID, list[_Line]]:
    found: dict[UUID, list[_Line]] = defaultdict(list)
    rows = await uow.session.execute(
        select(TicketEntry.ticket_id, TicketEntry.kind, TicketEntry.at)
        .where(TicketEntry.ticket_id.in_(idents), TicketEntry.kind.in_(TOLD))
        .order_by(TicketEntry.id)
    )
    for ticket_id, kind, at in rows:
        found[ticket_id].append((kind, at))
    return found


def _stories(row: Any, lines: list[_Line], now: datetime) -> tuple[Story, ...]:
    """Each opening with what happened in it; for the last one the ticket itself knows best."""
    begins = [row.received_at, *(at for kind, at in lines if kind == "reopened")]
    pauses = pauses_in([line for line in lines if line[0] in ("waiting", "resumed")], now)
    stories = []
    for number, begin in enumerate(begins):
        last = number == len(begins) - 1
        end = (row.closed_at or now) if last else begins[number + 1]
        moments = _Moments(lines, begin if number else None, None if last else end)
        stories.append(
            Story(
                case=Case(row.priority, row.category, row.level, row.team, row.channel, reopened=number > 0),
                opened_at=begin,
                known_until=end,
                first_response_at=moments.of("first_response", None if number else row.first_response_at),
                accepted_at=moments.of("accepted", row.accepted_at if last else None),
                planned_at=moments.of("plan_given", row.planned_at if last else None),
                resolved_at=moments.of("resolved", row.resolved_at if last else None),
                acknowledged=tuple(at for kind, at in lines if kind == "acknowledged"),
                pauses=pauses,
            )
        )
    return tuple(stories)


@dataclass(frozen=True, slots=True)
class _Moments:
    """The lines of one opening: after `begin` (None: the first), up to `end` (None: it goes on)."""

    lines: list[_Line]
    begin: datetime | None
    end: datetime | None

    def of(self, kind: str, known: datetime | None) -> datetime | None:
        """What the ticket knows, if it belongs to this opening; else the first line of this kind in it."""
        moments = [known] if known else [at for found, at in self.lines if found == kind]
        return next((at for at in moments if self._within(at)), None)

    def _within(self, at: datetime) -> bool:
        return (self.begin is None or at > self.begin) and (self.end is None or at <= self.end)
