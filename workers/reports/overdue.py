"""Who had how many breaches in a period (row B14), by the handler at the moment each limit passed.

Of a follow-up that was begun late it is whoever was to call back, not the handler, who was rated.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.deadlines import Deadline
from models.people import Staff, Team
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, DeadlineState
from workers.measures.asking import COUNTED
from workers.unit_of_work import UnitOfWork

CLOCKS = (
    DeadlineKind.ACCEPTANCE,
    DeadlineKind.FIRST_RESPONSE,
    DeadlineKind.PLAN,
    DeadlineKind.RESOLUTION,
    DeadlineKind.FOLLOWUP_START,
)
HANDED = ("assigned", "transferred")
CALLED = ("followup_contact", "followup_try")
"""Who calls without having been named takes the follow-up on."""
AT_ONCE = 500
"""Tickets whose handlers are looked up by one query: SQLite takes no more than some thousand values."""


@dataclass(frozen=True, slots=True)
class OverdueCount:
    """One person's breaches: staff number and name (both empty: nobody had the ticket), team as of now, how
    many in all and by clock, and the tickets' numbers, oldest breach first.
    """

    staff: str
    name: str
    team: str
    total: int
    clocks: Mapping[str, int]
    tickets: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class _Breach:
    ticket_id: UUID
    followup_id: UUID | None
    number: str
    clock: str
    at: datetime


async def overdue_counts(
    uow: UnitOfWork, first: datetime, last: datetime, *, team: str | None = None, only: Staff | None = None
) -> list[OverdueCount]:
    """Breaches whose limit passed from `first` until before `last` (UTC), most first.

    A breach that proved to have been met in time is none; a clock that was planned anew, or whose answer came
    back, counts once. What was dismissed as no request does not count, nor a ticket that goes on in another
    one: the customer asked once, and waits by the clocks of the earlier one. `team` narrows it to the people
    of a team, `only` to one person.
    """
    breaches = await _breaches(uow, first, last)
    handlers = await _handlers(uow, breaches)
    by_number: dict[str, list[_Breach]] = defaultdict(list)
    for breach in breaches:
        by_number[handlers[breach]].append(breach)
    people = {person.number: person for person in await uow.session.scalars(select(Staff))}
    teams = {row.id: row.name for row in await uow.session.scalars(select(Team))}
    counts = [_count(number, people.get(number), teams, rows) for number, rows in by_number.items()]
    shown = [
        count
        for count in counts
        if team in (None, count.team) and (only is None or count.staff == only.number)
    ]
    return sorted(shown, key=lambda count: (-count.total, count.staff))


def _count(
    number: str, person: Staff | None, teams: Mapping[UUID, str], breaches: Sequence[_Breach]
) -> OverdueCount:
    ordered = sorted(breaches, key=lambda breach: breach.at)
    clocks = Counter(breach.clock for breach in ordered)
    team = teams.get(person.team_id, "") if person is not None and person.team_id else ""
    return OverdueCount(
        staff=number,
        name=person.name if person else "",
        team=team,
        total=len(ordered),
        clocks={clock.value: clocks[clock.value] for clock in CLOCKS},
        tickets=tuple(dict.fromkeys(breach.number for breach in ordered)),
    )


async def _breaches(uow: UnitOfWork, first: datetime, last: datetime) -> list[_Breach]:
    """Each breached clock once: of several generations from one start the first to be missed."""
    rows = await uow.session.execute(
        select(
            Deadline.ticket_id,
            Deadline.followup_id,
            Ticket.number,
            Deadline.kind,
            Deadline.started_at,
            Deadline.breached_at,
        )
        .join(Ticket, Ticket.id == Deadline.ticket_id)
        .where(Deadline.state == DeadlineState.BREACHED, Deadline.kind.in_(CLOCKS))
        .where(Deadline.breached_at >= first, Deadline.breached_at < last)
        .where(COUNTED)
        .order_by(Deadline.breached_at, Deadline.id)
    )
    found: dict[tuple[UUID, str, datetime], _Breach] = {}
    for ticket_id, followup_id, number, kind, started_at, at in rows:
        if at is not None:
            breach = _Breach(ticket_id, followup_id, number, kind.value, at)
            found.setdefault((ticket_id, kind.value, started_at), breach)
    return list(found.values())


async def _handlers(uow: UnitOfWork, breaches: Sequence[_Breach]) -> dict[_Breach, str]:
    """The staff number of whoever had each ticket, or follow-up, when its limit passed, from the tickets'
    logs; or ''.
    """
    idents = list({breach.ticket_id for breach in breaches})
    handed: dict[UUID, list[tuple[datetime, str]]] = defaultdict(list)
    kinds = (*HANDED, "accepted", "followup_owner", *CALLED)
    for start in range(0, len(idents), AT_ONCE):
        rows = await uow.session.execute(
            select(
                TicketEntry.ticket_id,
                TicketEntry.followup_id,
                TicketEntry.at,
                TicketEntry.kind,
                TicketEntry.facts,
                Staff.number,
            )
            .outerjoin(Staff, Staff.id == TicketEntry.staff_id)
            .where(TicketEntry.ticket_id.in_(idents[start : start + AT_ONCE]))
            .where(TicketEntry.kind.in_(kinds))
            .order_by(TicketEntry.at, TicketEntry.id)
        )
        for ticket_id, followup_id, at, kind, facts, number in rows:
            of, to = handed[followup_id or ticket_id], _taken_by(kind, facts, number)
            if to and not (of and kind in CALLED):
                of.append((at, to))
    return {breach: _holder(handed[breach.followup_id or breach.ticket_id], breach.at) for breach in breaches}


def _taken_by(kind: str, facts: Mapping[str, Any], by: str | None) -> str | None:
    """The staff number of whoever has it from a line of the log on, which `by` wrote."""
    if kind in HANDED:
        return facts.get("to")
    return facts.get("owner") if kind == "followup_owner" else by


def _holder(handed: Sequence[tuple[datetime, str]], at: datetime) -> str:
    return next((number for since, number in reversed(handed) if since < at), "")
