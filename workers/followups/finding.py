"""Find a follow-up and hold it; who was rated, and how many cases its customer has."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from models.surveys import Followup, Survey
from models.tickets import Ticket
from models.vocabulary import FollowupState
from workers.errors import Conflict, NotFound
from workers.tickets import ticket_by_id
from workers.unit_of_work import UnitOfWork

LATELY = timedelta(days=7)
OVER = tuple(state for state in FollowupState if state.over)


async def followup_by_id(uow: UnitOfWork, ident: UUID) -> tuple[Followup, Ticket]:
    """The follow-up and its ticket, both held until the transaction ends. Raises NotFound."""
    ticket_id = await uow.session.scalar(select(Followup.ticket_id).where(Followup.id == ident))
    if ticket_id is None:
        raise NotFound("there is no such follow-up")
    ticket = await ticket_by_id(uow, ticket_id)
    return await uow.session.get_one(Followup, ident, with_for_update=True), ticket


async def rated_person(uow: UnitOfWork, followup: Followup) -> UUID | None:
    """The member of staff whom the low score rates: scores are not shown to them."""
    return await uow.session.scalar(select(Survey.staff_id).where(Survey.id == followup.survey_id))


async def cases_lately(uow: UnitOfWork, followup: Followup) -> int:
    """How many cases of this customer were opened in the last seven days and run (with this one)."""
    query = select(func.count()).where(
        Followup.customer_id == followup.customer_id,
        Followup.state.not_in(OVER),
        Followup.opened_at > uow.clock.now() - LATELY,
    )
    return await uow.session.scalar(query) or 0


def must_run(followup: Followup) -> None:
    """Raises Conflict when the case is over."""
    if followup.state.over:
        raise Conflict("this follow-up is over")


def is_overdue(followup: Followup, now: datetime) -> bool:
    """Whether what the case waits for next (the first contact, a measure, its re-evaluation) is late."""
    if followup.state.over:
        return False
    due_at = followup.start_by if followup.started_at is None else followup.due_at
    return due_at is not None and due_at < now


def overdue_at(now: datetime) -> ColumnElement[bool]:
    """As `is_overdue`, as a condition on `followups` that is never NULL."""
    unstarted = and_(Followup.started_at.is_(None), Followup.start_by < now)
    unfinished = and_(Followup.started_at.is_not(None), func.coalesce(Followup.due_at, now) < now)
    return and_(Followup.state.not_in(OVER), or_(unstarted, unfinished))
