"""Words that a customer sends from a page of ours, as if they had answered a mail."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, or_, select

from models.people import Customer
from models.tickets import Ticket, TicketEntry
from models.vocabulary import TicketState
from workers.directory import Contact
from workers.history import record
from workers.tickets.customer import begins_anew, customer_wrote
from workers.tickets.loading import ticket_by_id
from workers.tickets.opening import Request, open_ticket
from workers.unit_of_work import UnitOfWork

WRITTEN = ("customer_wrote", "taken_further")
A_DAY = timedelta(days=1)


async def wrote_lately(uow: UnitOfWork, ticket: Ticket) -> int:
    """How often the customer has written on this ticket, and on those that take it further, within a day."""
    meant = select(Ticket.id).where(or_(Ticket.id == ticket.id, Ticket.earlier_id == ticket.id))
    entries = select(func.count()).where(
        TicketEntry.ticket_id.in_(meant),
        TicketEntry.kind.in_(WRITTEN),
        TicketEntry.at > uow.clock.now() - A_DAY,
    )
    return await uow.session.scalar(entries) or 0


async def wrote_from_page(uow: UnitOfWork, ticket: Ticket, text: str) -> None:
    """Take in what a customer wrote about a ticket, which the caller holds.

    Long after its closing it is a request of its own, with its own clocks, linked to the old one; what
    follows while that one is open goes there.
    """
    if not await begins_anew(uow, ticket, text):
        await customer_wrote(uow, ticket, text)
        return
    further = await _taken_further(uow, ticket)
    if further is not None:
        await customer_wrote(uow, further, text)
        return
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    request = Request(
        contact=Contact(code=customer.code),
        channel=ticket.channel,
        subject="",
        description=text,
        received_at=uow.clock.now(),
        earlier=ticket,
    )
    made = await open_ticket(uow, request)
    await record(uow, ticket, "taken_further", actor="customer", facts={"ticket": made.number})


async def _taken_further(uow: UnitOfWork, ticket: Ticket) -> Ticket | None:
    """The open ticket that takes this one further; of several the newest."""
    found = select(Ticket.id).where(Ticket.earlier_id == ticket.id, Ticket.state != TicketState.CLOSED)
    ident = await uow.session.scalar(found.order_by(Ticket.id.desc()).limit(1))
    return None if ident is None else await ticket_by_id(uow, ident)
