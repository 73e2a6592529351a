"""Find a survey, and hold its ticket while it is answered."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import and_, case, exists, or_, select

from models.notifications import Notification
from models.people import Customer
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import Medium, NotificationState
from workers.errors import NotFound
from workers.tickets import ticket_by_id
from workers.unit_of_work import UnitOfWork

MAY_HAVE_COME = (NotificationState.SENDING, NotificationState.UNKNOWN)


async def survey_by_id(uow: UnitOfWork, ident: UUID) -> tuple[Survey, Ticket]:
    """The survey and its ticket, both held until the transaction ends. Raises NotFound."""
    ticket_id = await uow.session.scalar(select(Survey.ticket_id).where(Survey.id == ident))
    if ticket_id is None:
        raise NotFound("there is no such survey")
    ticket = await ticket_by_id(uow, ticket_id)
    return await uow.session.get_one(Survey, ident, with_for_update=True), ticket


async def open_survey_of(uow: UnitOfWork, ticket: Ticket) -> Survey | None:
    """The survey of this ticket that waits for an answer, None when there is none."""
    now = uow.clock.now()
    return await uow.session.scalar(
        select(Survey)
        .where(Survey.ticket_id == ticket.id, Survey.opening == ticket.opening)
        .where(Survey.state == "invited", Survey.expires_at > now)
    )


async def answered_survey_of(uow: UnitOfWork, ticket: Ticket) -> Survey | None:
    """The survey of this ticket's result that was answered, as long as it could have been; else None."""
    return await uow.session.scalar(
        select(Survey)
        .where(Survey.ticket_id == ticket.id, Survey.opening == ticket.opening)
        .where(Survey.state == "answered", Survey.expires_at > uow.clock.now())
    )


async def asked_by_sms(uow: UnitOfWork, customer: Customer) -> UUID | None:
    """The ticket whose question for a rating an SMS of this customer answers, None when there is none.

    Of several the one asked about last that waits for an answer, then one that has it; what is to be asked
    in the morning, or when a relay has time, was not asked yet.
    """
    left = and_(
        Notification.survey_id == Survey.id,
        Notification.channel == Medium.SMS,
        or_(Notification.sent_at.is_not(None), Notification.state.in_(MAY_HAVE_COME)),
    )
    return await uow.session.scalar(
        select(Survey.ticket_id)
        .where(Survey.customer_id == customer.id, Survey.channel == Medium.SMS)
        .where(Survey.state.in_(("invited", "answered")), Survey.expires_at > uow.clock.now())
        .order_by(
            case((exists().where(left), 0), else_=1),
            case((Survey.state == "invited", 0), else_=1),
            Survey.invited_at.desc(),
        )
        .limit(1)
    )
