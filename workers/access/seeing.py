"""Which tickets somebody sees (row A11): the one place that says so, for lists and single ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, null, or_, select, true

from models.bulk import among
from models.notifications import Notification
from models.people import Customer, Staff
from models.surveys import Followup, Survey
from models.tickets import Ticket
from models.vocabulary import Role
from workers.unit_of_work import UnitOfWork


def seen_by(person: Staff) -> ColumnElement[bool]:
    """The condition on `tickets` that a list for this person has: an agent's own ones, else all."""
    return Ticket.handler_id == person.id if person.role is Role.AGENT else true()


async def _belongs_to(uow: UnitOfWork, kind: str, name: str) -> Sequence[tuple[UUID | None, UUID | None]]:
    """The ticket that something belongs to, and the person who has it in hand besides the ticket's handler.

    `kind`: ticket, notification, survey, followup, customer; `name`: its number, id or code. Of a customer:
    all their tickets. Empty when there is no such thing.
    """
    query = _BELONGS[kind](name)
    if query is None:
        return []
    return [(row[0], row[1]) for row in await uow.session.execute(query)]


async def agent_may(uow: UnitOfWork, person: Staff, kind: str, name: str) -> bool:
    """Whether an agent may come near it: their own ticket's, or what they have in hand themselves.

    A ticket that nobody handles yet counts as well, for accepting makes it theirs. What does not exist is
    left to the route to say; a customer without tickets is nobody's.
    """
    found = await _belongs_to(uow, kind, name)
    if not found:
        return kind != "customer"
    if any(holder == person.id for _, holder in found):
        return True
    ids = [ticket for ticket, _ in found if ticket is not None]
    own = select(Ticket.id).where(among(uow.session, Ticket.id, ids), or_(seen_by(person), _NOBODYS))
    return await uow.session.scalar(own.limit(1)) is not None


def _by_id(table: Any, holder: Any, name: str) -> Select[Any] | None:
    try:
        ident = UUID(name)
    except ValueError:
        return None
    return select(table.ticket_id, holder).where(table.id == ident)


_NOBODYS = Ticket.handler_id.is_(None)
_BELONGS: Mapping[str, Callable[[str], Any]] = {
    "ticket": lambda name: select(Ticket.id, null()).where(Ticket.number == name.strip().upper()),
    "notification": lambda name: _by_id(Notification, Notification.staff_id, name),
    "survey": lambda name: select(Survey.ticket_id, null()).where(Survey.number == name.strip().upper()),
    "followup": lambda name: _by_id(Followup, Followup.owner_id, name),
    "customer": lambda name: (
        select(Ticket.id, null())
        .join(Customer, Customer.id == Ticket.customer_id)
        .where(Customer.code == name)
    ),
}
