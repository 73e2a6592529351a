"""Stored clocks and verdicts beside those recomputed from the log: says what differs, changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from models.deadlines import Deadline
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineState
from workers.policy import Policy
from workers.tickets.clocks import OPENING
from workers.tickets.counted import Counted, Line, NotEnoughHistory
from workers.tickets.recounting import recount
from workers.unit_of_work import UnitOfWork

BATCH = 200
SLACK = timedelta(seconds=1)
"""Lines of an earlier version were stamped a moment after the step that they tell of."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a stored clock is not what its ticket's log says.

    `what`: missing (not stored), surplus (not in the log), started_at, limit_at, met_at or verdict.
    """

    clock: str
    generation: int
    what: str
    stored: str | None
    counted: str | None


@dataclass(frozen=True, slots=True)
class Audited:
    """One ticket: how many clocks it has had, how many lines tell of them, and what differs.

    `known` is False where the log was begun by a version that did not say by what its clocks are judged.
    """

    ticket_id: UUID
    number: str
    clocks: int
    lines: int
    differences: tuple[Difference, ...] = ()
    known: bool = True


async def audit_batch(
    uow: UnitOfWork, *, after: UUID | None = None, number: str = "", limit: int = BATCH
) -> list[Audited]:
    """Recompute the next tickets in order of their ids (or the one of this number) and compare.

    `after` is the last id of the batch before; an empty list means that there is no further one.
    """
    query = select(Ticket.id, Ticket.number).order_by(Ticket.id).limit(limit)
    if number:
        query = query.where(Ticket.number == number.strip().upper())
    found = (await uow.session.execute(query.where(Ticket.id > after) if after else query)).all()
    ids = [ident for ident, _ in found]
    lines = await _lines(uow, ids)
    stored = await _stored(uow, ids)
    policies = await _policies(uow, lines)
    now = uow.clock.now()
    return [_audited(ident, name, lines[ident], stored[ident], policies, now) for ident, name in found]


def _audited(
    ident: UUID,
    number: str,
    lines: Sequence[Line],
    stored: Sequence[Deadline],
    policies: Mapping[str, Policy],
    now: datetime,
) -> Audited:
    try:
        counted = recount(lines, policies.__getitem__, now)
    except NotEnoughHistory:
        return Audited(ident, number, len(stored), len(lines), known=False)
    found = tuple(differences(stored, counted, now))
    return Audited(ident, number, len(stored), len(lines), found)


def differences(
    stored: Sequence[Deadline], counted: Sequence[Counted], now: datetime
) -> Iterator[Difference]:
    """Where the clocks of one ticket differ; `now` (UTC) is the moment as of which `counted` was judged."""
    rows = {(row.kind.value, row.generation): row for row in stored}
    told = {(each.clock.value, each.generation): each for each in counted}
    for clock, generation in sorted(rows.keys() | told.keys()):
        row, each = rows.get((clock, generation)), told.get((clock, generation))
        if row is None or each is None:
            what = "missing" if row is None else "surplus"
            states = (row.state.value if row else None, each.state.value if each else None)
            yield Difference(clock, generation, what, *states)
            continue
        for name in ("started_at", "limit_at", "met_at"):
            one, other = getattr(row, name), getattr(each, name)
            if (one is None) != (other is None) or (one and abs(one - other) > SLACK):
                yield Difference(clock, generation, name, _iso(one), _iso(other))
        if _state(row, now) != each.state.value:
            yield Difference(clock, generation, "verdict", row.state.value, each.state.value)


def _state(row: Deadline, now: datetime) -> str:
    """The stored state; a breach whose check is under way is one already."""
    late = row.state is DeadlineState.RUNNING and row.limit_at is not None and row.limit_at <= now
    told = late and row.due_at is not None and any(alarm["step"] == "breach" for alarm in row.alarms)
    return (DeadlineState.BREACHED if told else row.state).value


async def _lines(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, list[Line]]:
    rows = await uow.session.execute(
        select(
            TicketEntry.ticket_id,
            TicketEntry.id,
            TicketEntry.kind,
            TicketEntry.at,
            TicketEntry.facts,
            TicketEntry.corrects_id,
        )
        .where(TicketEntry.ticket_id.in_(ids))
        .order_by(TicketEntry.id)
    )
    found: dict[UUID, list[Line]] = defaultdict(list)
    for ticket_id, ident, kind, at, facts, corrects in rows:
        found[ticket_id].append(Line(ident, kind, at, facts, corrects))
    return found


async def _stored(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, list[Deadline]]:
    rows = await uow.session.scalars(
        select(Deadline).where(Deadline.ticket_id.in_(ids), Deadline.kind.in_(OPENING)).order_by(Deadline.id)
    )
    found: dict[UUID, list[Deadline]] = defaultdict(list)
    for row in rows:
        found[row.ticket_id].append(row)
    return found


async def _policies(uow: UnitOfWork, lines: Mapping[UUID, Sequence[Line]]) -> Mapping[str, Policy]:
    named = {line.facts["policy"] for of_one in lines.values() for line in of_one if "case" in line.facts}
    return {name: await uow.policy_of(UUID(name)) for name in named}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
