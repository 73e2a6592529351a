"""Where the time of all tickets of a period went, by category (row A9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from models.bulk import among
from models.people import Team
from models.tickets import Ticket, TicketEntry
from models.vocabulary import IMPORTED, MERGED, NOT_A_TICKET, Category
from workers.unit_of_work import UnitOfWork
from workers.weak_links.spending import PHASES, TOLD, Line, Phase, spent

UNTOLD = (NOT_A_TICKET, MERGED, IMPORTED)
"""Close reasons of tickets whose logs tell of no wait: no request, gone on in another one, from a table."""
PAGE = 500
WORST = 3
MOST_READ = 20_000
"""So many tickets' logs are read; of more, so many that lie evenly over the period: shares of thousands are
right to less than one per cent."""


@dataclass(frozen=True, slots=True)
class Link:
    """One phase: how long tickets were in it in all (seconds, elapsed time), its share of their whole time
    (0–1), how many tickets were in it at all, their mean, and the numbers of those that were so for longest.
    """

    phase: Phase
    seconds: float
    share: float
    tickets: int
    mean_seconds: float
    worst: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CategoryLinks:
    """The tickets of a category (None: all): how many, their whole time, how often they were handed over, and
    their phases: what takes the most time first, work last.
    """

    category: Category | None
    tickets: int
    seconds: float
    transfers: int
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class WeakLinks:
    """A period (UTC, `until` exclusive) of received tickets: all together, and by category, slowest first.

    `requests` is how many there were. When they are more than those that `all` tells of, these are a sample
    that lies evenly over the period.
    """

    since: datetime
    until: datetime
    requests: int
    all: CategoryLinks
    categories: tuple[CategoryLinks, ...]


@dataclass(frozen=True, slots=True)
class _Story:
    number: str
    category: Category
    spans: Mapping[Phase, timedelta]
    transfers: int


async def weak_links(
    uow: UnitOfWork, since: datetime, until: datetime, *, team: str | None = None
) -> WeakLinks:
    """Where the time went of tickets received from `since` until before `until` (UTC).

    Counted is each ticket's whole time, that of one that still runs up to now. What staff found to be no
    request, what goes on in another ticket, and what came in from a table does not count. `team` narrows it
    to tickets of that team. Of more than MOST_READ tickets, so many are read.
    """
    idents = await _received(uow, since, until, team)
    stories: list[_Story] = []
    for page in _pages(_evenly(idents)):
        stories += await _told(uow, page)
    by_category: dict[Category, list[_Story]] = defaultdict(list)
    for story in stories:
        by_category[story.category].append(story)
    found = [_summed(category, told) for category, told in by_category.items()]
    ordered = sorted(found, key=lambda each: (-each.seconds, str(each.category)))
    return WeakLinks(since, until, len(idents), _summed(None, stories), tuple(ordered))


def _summed(category: Category | None, stories: Sequence[_Story]) -> CategoryLinks:
    whole = sum((sum(story.spans.values(), timedelta()) for story in stories), timedelta())
    links = [_link(phase, stories, whole) for phase in PHASES]
    shown = [each for each in links if each.tickets or each.phase is Phase.WORK]
    return CategoryLinks(
        category=category,
        tickets=len(stories),
        seconds=whole.total_seconds(),
        transfers=sum(story.transfers for story in stories),
        links=tuple(sorted(shown, key=lambda each: (each.phase is Phase.WORK, -each.seconds, each.phase))),
    )


def _link(phase: Phase, stories: Sequence[_Story], whole: timedelta) -> Link:
    held = [(story.spans[phase], story.number) for story in stories if story.spans.get(phase)]
    total = sum((span for span, _ in held), timedelta())
    longest = sorted(held, key=lambda each: (-each[0], each[1]))[:WORST]
    return Link(
        phase=phase,
        seconds=total.total_seconds(),
        share=total / whole if whole else 0.0,
        tickets=len(held),
        mean_seconds=total.total_seconds() / len(held) if held else 0.0,
        worst=tuple(number for _, number in longest),
    )


async def _received(uow: UnitOfWork, since: datetime, until: datetime, team: str | None) -> list[UUID]:
    """The ids of the tickets in the order in which they came."""
    query = (
        select(Ticket.id)
        .where(Ticket.received_at >= since, Ticket.received_at < until)
        .where(or_(Ticket.close_reason.is_(None), Ticket.close_reason.not_in(UNTOLD)))
        .order_by(Ticket.received_at, Ticket.id)
    )
    if team is not None:
        query = query.where(Ticket.team_id.in_(select(Team.id).where(Team.name == team)))
    return list(await uow.session.scalars(query))


def _evenly(idents: Sequence[UUID]) -> Sequence[UUID]:
    """At most MOST_READ of them, as far from each other as they can be."""
    if len(idents) <= MOST_READ:
        return idents
    return [idents[place * len(idents) // MOST_READ] for place in range(MOST_READ)]


def _pages(idents: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    return (idents[start : start + PAGE] for start in range(0, len(idents), PAGE))


async def _told(uow: UnitOfWork, idents: Sequence[UUID]) -> list[_Story]:
    rows = await uow.session.execute(
        select(Ticket.id, Ticket.number, Ticket.category, Ticket.received_at).where(
            among(uow.session, Ticket.id, idents)
        )
    )
    now = uow.clock.now()
    lines = await _lines(uow, idents)
    return [_story(row, lines[row.id], now) for row in rows]


async def _lines(uow: UnitOfWork, idents: Sequence[UUID]) -> Mapping[UUID, list[Line]]:
    entry = TicketEntry
    found: dict[UUID, list[Line]] = defaultdict(list)
    rows = await uow.session.execute(
        select(entry.ticket_id, entry.kind, entry.at, entry.facts)
        .where(among(uow.session, entry.ticket_id, idents), entry.kind.in_(TOLD))
        .order_by(entry.id)
    )
    for ticket_id, kind, at, facts in rows:
        found[ticket_id].append((kind, at, facts))
    return found


def _story(row: Any, lines: Sequence[Line], now: datetime) -> _Story:
    transfers = sum(kind == "transferred" for kind, _, _ in lines)
    return _Story(row.number, row.category, spent(row.received_at, lines, now), transfers)
