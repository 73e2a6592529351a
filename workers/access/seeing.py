"""Which tickets somebody sees (row A11): the one place that says so, for lists and single ones."""

from __future__ import annotations

from sqlalchemy import ColumnElement, true

from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Role
from workers.errors import Forbidden


def seen_by(person: Staff) -> ColumnElement[bool]:
    """The condition on `tickets` that a list for this person has: an agent's own ones, else all."""
    return Ticket.handler_id == person.id if person.role is Role.AGENT else true()


def may_see(person: Staff, ticket: Ticket) -> bool:
    """Whether this person may look at this one ticket.

    Beyond what lists show, an agent may look at one that nobody handles yet: accepting makes it theirs.
    """
    return person.role is not Role.AGENT or ticket.handler_id in (None, person.id)


def must_see(person: Staff, ticket: Ticket) -> None:
    """Raises Forbidden for an agent whose ticket it is not."""
    if not may_see(person, ticket):
        raise Forbidden("agents see their own tickets only")
