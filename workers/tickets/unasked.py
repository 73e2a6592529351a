"""Nobody is asked about a result that counts no more."""

from __future__ import annotations

from sqlalchemy import select, update

from models.notifications import Notification
from models.surveys import Survey
from models.tickets import Ticket
from workers.notifications import cancel
from workers.unit_of_work import UnitOfWork

ASKING_TO_RATE = ("csat_invitation", "csat_reminder", "csat_unclear", "survey_task")
"""Messages that ask for a rating, or tell a person to ask."""
ASKING = (*ASKING_TO_RATE, "confirmation_reminder", "confirmation_task")
"""Those that ask about a result."""


async def ask_no_more(uow: UnitOfWork, ticket: Ticket) -> None:
    """The survey of this opening is withdrawn; what waits to ask (for the morning, a relay) is not sent."""
    await uow.session.execute(
        update(Survey)
        .where(Survey.ticket_id == ticket.id, Survey.opening == ticket.opening, Survey.state == "invited")
        .values(state="withdrawn")
    )
    waiting = select(Notification.id).where(
        Notification.ticket_id == ticket.id,
        Notification.due_at.is_not(None),
        Notification.kind.in_(ASKING),
    )
    await cancel(uow, "reopened", ids=list(await uow.session.scalars(waiting)))
