"""Whom an erasure is about: the customer, their tickets and by what they are found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from models.bulk import among
from models.notifications import Notification
from models.people import Customer, Staff
from models.tickets import Ticket
from workers.unit_of_work import UnitOfWork

REASON = "customer_erased"
"""Why deadlines, messages, surveys and follow-ups ended."""

Counts = dict[str, int]
"""What one part has removed: the table, or the table and column, and how many."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One erasure: the customer and all their tickets, held by this transaction.

    `family` is the customer and those that proved to be the same one and were merged into them.
    `addresses` are the keyed hashes of their contacts, `by` is who erases (None: at the command line).
    """

    customer: Customer
    family: tuple[Customer, ...]
    tickets: tuple[Ticket, ...]
    addresses: frozenset[bytes]
    by: Staff | None
    at: datetime

    @property
    def ticket_ids(self) -> list[UUID]:
        """The ids of the tickets."""
        return [ticket.id for ticket in self.tickets]

    @property
    def data_keys(self) -> frozenset[UUID]:
        """The keys that seal what they said."""
        keys = [one.data_key_id for one in self.family]
        return frozenset([*keys, *(ticket.data_key_id for ticket in self.tickets)])

    def theirs(self, column: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """The condition that a row belongs to the customer."""
        return column.in_([one.id for one in self.family])

    def on_tickets(self, uow: UnitOfWork, column: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """The condition that a row belongs to one of the tickets."""
        return among(uow.session, column, self.ticket_ids)

    def messages(self, uow: UnitOfWork) -> ColumnElement[bool]:
        """The condition on `notifications`: to the customer, or about one of the tickets."""
        return or_(self.theirs(Notification.customer_id), self.on_tickets(uow, Notification.ticket_id))

    def message_ids(self, uow: UnitOfWork) -> Any:
        """The ids of those messages, as a query."""
        return select(Notification.id).where(self.messages(uow))


async def run(uow: UnitOfWork, statement: Any) -> int:
    """Run a change of many rows; gives how many it changed."""
    result = await uow.session.execute(statement.execution_options(synchronize_session=False))
    return int(getattr(result, "rowcount", 0))


async def blank(uow: UnitOfWork, model: Any, where: ColumnElement[bool], **values: Any) -> Counts:
    """Empty columns of a table where they hold something; counts each as `table.column`."""
    counts: Counts = {}
    for name, value in values.items():
        column = getattr(model, name)
        filled = column.is_not(None) if value is None else column != value
        changed = update(model).where(where, filled).values({name: value})
        counts[f"{model.__tablename__}.{name}"] = await run(uow, changed)
    return counts
