"""Which tickets somebody sees (row A11): the one place that says so, for lists and single ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, null, or_, select, true

from models.bulk import among
from models.communications import Communication, CommunicationEntry
from models.deadlines import Deadline
from models.knowledge import KnowledgeEntry
from models.notifications import Notification
from models.people import Customer, Staff
from models.surveys import Followup, Survey
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, KnowledgeState, Role
from workers.unit_of_work import UnitOfWork

TELL_OF_RATINGS = (
    "low_score_alert",
    "score_flagged",
    "praise",
    "followup_due",
    "followup_overdue",
    "followup_reminder",
    "followup_unreached",
)
"""Messages to others by which the person who was rated would learn the verdict."""

_OF_FOLLOWUPS = (DeadlineKind.FOLLOWUP_START, DeadlineKind.FOLLOWUP_DUE)


def seen_by(person: Staff) -> ColumnElement[bool]:
    """The condition on `tickets` that a list for this person has: an agent's own ones, else all."""
    return Ticket.handler_id == person.id if person.role is Role.AGENT else true()


def seen_rows(person: Staff | None, table: type[Any]) -> ColumnElement[bool]:
    """The condition that a list of what belongs to tickets has for this person (None: for a system, all).

    `table` has a `ticket_id`. An agent gets what belongs to tickets they handle, without what would tell
    them how they were rated; of follow-ups those that they have in hand themselves.
    """
    if person is None or person.role is not Role.AGENT:
        return true()
    if table is Followup:
        return or_(Followup.owner_id == person.id, Followup.measure_owner_id == person.id)
    own: ColumnElement[bool] = table.ticket_id.in_(select(Ticket.id).where(Ticket.handler_id == person.id))
    if table is Notification:
        return and_(own, or_(Notification.kind.not_in(TELL_OF_RATINGS), Notification.staff_id == person.id))
    if table is Deadline:
        return and_(own, Deadline.kind.not_in(_OF_FOLLOWUPS))
    if table is TicketEntry:
        tells = (Notification.id == TicketEntry.notification_id, Notification.kind.in_(TELL_OF_RATINGS))
        return and_(own, ~exists().where(*tells))
    return own


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


def _by_id(table: Any, ticket: Any, holder: Any, name: str) -> Select[Any] | None:
    try:
        ident = UUID(name)
    except ValueError:
        return None
    return select(ticket, holder).where(table.id == ident)


def _case(name: str) -> Any:
    """A case is in the hands of its owner, and of who answers for its measure."""
    owner = _by_id(Followup, Followup.ticket_id, Followup.owner_id, name)
    measure = _by_id(Followup, Followup.ticket_id, Followup.measure_owner_id, name)
    return owner.union_all(measure) if owner is not None and measure is not None else None


_NOBODYS = Ticket.handler_id.is_(None)
_TOLD_OF = case((Notification.kind.in_(TELL_OF_RATINGS), null()), else_=Notification.ticket_id)
_BELONGS: Mapping[str, Callable[[str], Any]] = {
    "ticket": lambda name: select(Ticket.id, null()).where(Ticket.number == name.strip().upper()),
    "notification": lambda name: _by_id(Notification, _TOLD_OF, Notification.staff_id, name),
    "survey": lambda name: select(Survey.ticket_id, null()).where(Survey.number == name.strip().upper()),
    "followup": lambda name: _case(name),
    "customer": lambda name: (
        select(Ticket.id, null())
        .join(Customer, Customer.id == Ticket.customer_id)
        .where(Customer.code == name)
    ),
}


def talks_seen_by(person: Staff | None) -> ColumnElement[bool]:
    """The condition on `communications`: an agent sees own records, and what was shared with them or
    their team. None: an operator, who may see all.
    """
    if person is None or person.role is not Role.AGENT:
        return true()
    line = CommunicationEntry
    with_whom = line.shared_staff_id == person.id
    if person.team_id is not None:
        with_whom = or_(with_whom, line.shared_team_id == person.team_id)
    told = exists().where(line.communication_id == Communication.id, with_whom)
    return or_(Communication.handler_id == person.id, told)


def entries_seen_by(person: Staff | None) -> ColumnElement[bool]:
    """The condition on `knowledge_entries`: what is published is for all of the staff, one's own drafts for
    their author, everything for those who lead (None: an operator).
    """
    if person is None or person.role is not Role.AGENT:
        return true()
    own = (KnowledgeEntry.author_id == person.id) & (KnowledgeEntry.state == KnowledgeState.DRAFT)
    return or_(KnowledgeEntry.state == KnowledgeState.PUBLISHED, own)
