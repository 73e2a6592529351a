"""Find records: who may see which, and the filters that lists and exports share (rows C4, A11)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select

from models.communications import Communication
from models.people import Staff
from models.vocabulary import CommunicationState, Medium
from workers.access import talks_seen_by
from workers.errors import NotFound
from workers.locks import held
from workers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records: `since` inclusive, `until` exclusive, by when the talk took place."""

    since: datetime | None = None
    until: datetime | None = None
    channels: tuple[Medium, ...] = ()
    state: CommunicationState | None = None
    handler_id: UUID | None = None
    customer_id: UUID | None = None
    ticket_id: UUID | None = None
    overdue: bool | None = None
    shared: bool | None = None


def matching(wanted: Wanted, reader: Staff | None, now: datetime) -> Select[Communication]:
    """The query for what is wanted and `reader` may see (None: an operator, who may see all)."""
    row = Communication
    late = (row.state == CommunicationState.OPEN) & (row.next_at < now)
    conditions: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(row.happened_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(row.happened_at < wanted.until)
    if wanted.channels:
        conditions.append(row.channel.in_(wanted.channels))
    for column, value in (
        (row.state, wanted.state),
        (row.handler_id, wanted.handler_id),
        (row.customer_id, wanted.customer_id),
        (row.ticket_id, wanted.ticket_id),
    ):
        if value is not None:
            conditions.append(column == value)
    if wanted.overdue is not None:
        conditions.append(late if wanted.overdue else ~late | row.next_at.is_(None))
    if wanted.shared is not None:
        conditions.append(row.shared_at.is_not(None) if wanted.shared else row.shared_at.is_(None))
    return select(row).where(*conditions, talks_seen_by(reader))


async def record_by_number(
    uow: UnitOfWork, number: str, reader: Staff | None, *, hold: bool = False
) -> Communication:
    """The record, its row locked until the transaction ends if `hold`; None as reader may see all.

    Raises NotFound, too, for one that `reader` may not see: guessing numbers tells nobody anything.
    """
    query = matching(Wanted(), reader, uow.clock.now()).where(Communication.number == number.strip().upper())
    row = await uow.session.scalar(held(query) if hold else query)
    if row is None:
        raise NotFound(f"there is no record {number[:24]}", hint="numbers look like CR001")
    return row
