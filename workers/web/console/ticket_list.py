"""The queries behind the list of tickets: whose, which, by the next limit or the newest first.

Open tickets come by the limit that is next, found in the index of unmet limits; those without one follow, the
newest first. A page takes the same few queries however many tickets there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, literal_column, or_, select, tuple_
from sqlalchemy.orm import aliased

from models.bulk import among
from models.deadlines import Deadline
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Category, Priority, Role, TicketState
from workers.access import seen_by
from workers.core_fields import lacks_core
from workers.errors import InvalidInput
from workers.unit_of_work import UnitOfWork
from workers.web.console.my_tickets import CLOCKS, IN_HAND

PAGE = 50
FEW = 1_000
"""Tickets that are found one by one sooner than by walking through the limits of all."""
LIMITS, NO_LIMIT, NEWEST = "l", "n", "d"
_LAST = "ZZZZ"  # behind every digit and letter that may follow in a number


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see. `view`: mine, team, all, free (nobody's yet)."""

    view: str = "mine"
    state: TicketState | None = None
    priority: Priority | None = None
    category: Category | None = None
    team_id: UUID | None = None
    overdue: bool = False
    untriaged: bool = False
    number: str = ""

    @property
    def by_limit(self) -> bool:
        """Whether the next limit orders the list: it does while work goes on."""
        return not self.number and (self.state is None or self.state in IN_HAND)


@dataclass(frozen=True, slots=True)
class Found:
    """One page: tickets with their next limit, and where the page after it begins ("": nowhere)."""

    tickets: Sequence[Ticket]
    clocks: dict[UUID, Deadline]
    cursor: str


async def find(uow: UnitOfWork, person: Staff, asked: Asked, cursor: str = "") -> Found:
    """One page of the list as this person may see it. Raises InvalidInput for a cursor that is none."""
    which = _conditions(uow, person, asked)
    part, place = _read(cursor) if cursor else (LIMITS if asked.by_limit else NEWEST, None)
    if part == NEWEST:
        return await _newest(uow, select(Ticket).where(*which), place, NEWEST, PAGE)
    found: list[tuple[Ticket, Deadline]] = []
    if part == LIMITS:
        found = await _by_limit(uow, place, await _narrowed(uow, which, asked))
        if len(found) > PAGE:
            last = found[PAGE - 1][1]
            return _page(found[:PAGE], _write(LIMITS, last.limit_at, last.id))
        place = None
    if asked.overdue:
        return _page(found, "")
    rest = select(Ticket).where(*which, ~_unmet().offset(0).exists())
    more = await _newest(uow, rest, place, NO_LIMIT, PAGE - len(found))
    return Found([*(row for row, _ in found), *more.tickets], {row.id: d for row, d in found}, more.cursor)


def _conditions(uow: UnitOfWork, person: Staff, asked: Asked) -> list[ColumnElement[bool]]:
    states = (asked.state,) if asked.state else None if asked.number else IN_HAND
    known: dict[str, ColumnElement[bool]] = {
        "mine": Ticket.handler_id == person.id,
        "team": Ticket.team_id == person.team_id,
        "free": and_(Ticket.handler_id.is_(None), Ticket.team_id == person.team_id)
        if person.role is Role.AGENT
        else Ticket.handler_id.is_(None),
    }
    which = [known[asked.view]] if asked.view in known else []
    if asked.view != "free":
        which.append(seen_by(person))
    if states is not None:
        which.append(Ticket.state.in_(states))
    optional = (
        (asked.priority, Ticket.priority == asked.priority),
        (asked.category, Ticket.category == asked.category),
        (asked.team_id, Ticket.team_id == asked.team_id),
    )
    which += [condition for given, condition in optional if given]
    if asked.untriaged:
        which.append(lacks_core(uow.policy))
    if asked.number:
        which += [Ticket.number >= asked.number, Ticket.number < asked.number + _LAST]
    if asked.overdue and not asked.by_limit:
        late = _unmet().where(Deadline.limit_at <= uow.clock.now(), Deadline.paused_at.is_(None))
        which.append(late.offset(0).exists())
    return which


def _unmet() -> Select[Any]:
    """The limits of a ticket (of the query around it) that nothing has met."""
    return select(Deadline.id).where(Deadline.ticket_id == Ticket.id, is_unmet(Deadline)).correlate(Ticket)


def is_unmet(row: Any) -> ColumnElement[bool]:
    """The condition of the index, with the kinds as words: by parameters the database would not see it."""
    kinds = row.kind.in_([literal_column(f"'{kind.value}'") for kind in CLOCKS])
    return and_(row.met_at.is_(None), row.ended_reason.is_(None), row.limit_at.is_not(None), kinds)


async def _narrowed(
    uow: UnitOfWork, which: list[ColumnElement[bool]], asked: Asked
) -> list[ColumnElement[bool]]:
    """How the limits of the tickets that are meant are found: among those that have passed, by the tickets if
    these are few, else by walking through all limits until the page is full.
    """
    if asked.overdue:
        return [*which, Deadline.limit_at <= uow.clock.now(), Deadline.paused_at.is_(None)]
    ids = list(await uow.session.scalars(select(Ticket.id).where(*which).limit(FEW + 1)))
    if len(ids) <= FEW:
        return [*which, among(uow.session, Deadline.ticket_id, ids)]
    # Where so many are meant, a page is full after a short walk. PostgreSQL takes open tickets of a team for
    # rare (open ones are, and those of a team are) and would collect and sort all of them for each page.
    meant = select(Ticket.id).where(Ticket.id == Deadline.ticket_id, *which).correlate(Deadline)
    return [meant.offset(0).exists()]


async def _by_limit(
    uow: UnitOfWork, place: tuple[datetime, UUID] | None, narrowed: list[ColumnElement[bool]]
) -> list[tuple[Ticket, Deadline]]:
    """Tickets with an unmet limit, each at its first one, one more than a page."""
    first = aliased(Deadline, name="first")
    # OFFSET 0 keeps PostgreSQL from making a join of it, which compares all unmet limits with each other: so
    # it looks into the ticket's own few for each row that the page needs.
    earlier = (
        select(first.id)
        .where(
            first.ticket_id == Deadline.ticket_id,
            is_unmet(first),
            tuple_(first.limit_at, first.id) < tuple_(Deadline.limit_at, Deadline.id),
        )
        .correlate(Deadline)
        .offset(0)
        .exists()
    )
    query = (
        select(Ticket, Deadline)
        .join(Ticket, Ticket.id == Deadline.ticket_id)
        .where(is_unmet(Deadline), ~earlier, *narrowed)
        .order_by(Deadline.limit_at, Deadline.id)
        .limit(PAGE + 1)
    )
    if place is not None:
        at, ident = place
        query = query.where(
            or_(Deadline.limit_at > at, and_(Deadline.limit_at == at, Deadline.id > ident)),
            Deadline.limit_at >= at,
        )
    return [(row[0], row[1]) for row in await uow.session.execute(query)]


async def _newest(
    uow: UnitOfWork,
    query: Select[Ticket],
    place: tuple[datetime, UUID] | None,
    part: str,
    limit: int,
) -> Found:
    if place is not None:
        query = query.where(Ticket.id < place[1])
    rows = list(await uow.session.scalars(query.order_by(Ticket.id.desc()).limit(limit + 1)))
    shown = rows[:limit]
    if len(rows) <= limit:
        return Found(shown, {}, "")
    # Where the limits fill the page, the next one begins with the newest of these.
    return Found(shown, {}, _write(part, None, shown[-1].id if shown else UUID(int=2**128 - 1)))


def _page(found: list[tuple[Ticket, Deadline]], cursor: str) -> Found:
    return Found([row for row, _ in found], {row.id: deadline for row, deadline in found}, cursor)


def _write(part: str, at: datetime | None, ident: UUID) -> str:
    micros = int(at.timestamp()) * 10**6 + at.microsecond if at is not None else 0
    return f"{part}-{micros}-{ident.hex}"


def _read(cursor: str) -> tuple[str, tuple[datetime, UUID]]:
    part, _, rest = cursor.partition("-")
    micros, _, ident = rest.partition("-")
    try:
        if part not in (LIMITS, NO_LIMIT, NEWEST) or not micros.isdigit():
            raise ValueError
        seconds, rest_of = divmod(int(micros), 10**6)
        return part, (datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_of), UUID(ident))
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput("this is no place in the list", hint="begin at its first page") from error
