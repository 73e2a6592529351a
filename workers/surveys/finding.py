"""Find a survey, and hold its ticket while it is answered."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from models.surveys import Survey
from models.tickets import Ticket
from workers.errors import NotFound
from workers.tickets import ticket_by_id
from workers.unit_of_work import UnitOfWork


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
