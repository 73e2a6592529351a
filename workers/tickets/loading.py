"""Find a ticket, and hold it while it changes."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from models.tickets import Ticket, TicketMessage
from models.vocabulary import TicketState
from workers.errors import Conflict, NotFound, Unavailable
from workers.locks import held
from workers.unit_of_work import UnitOfWork


async def ticket_by_number(uow: UnitOfWork, number: str, *, hold: bool = True) -> Ticket:
    """The ticket with this number, its row locked until the transaction ends if `hold`. Raises NotFound."""
    query = select(Ticket).where(Ticket.number == number.strip().upper())
    ticket = await uow.session.scalar(held(query) if hold else query)
    if ticket is None:
        raise NotFound(f"there is no ticket {number[:24]}", hint="numbers look like CS202405200001")
    return ticket


async def ticket_by_id(uow: UnitOfWork, ident: UUID, *, hold: bool = True) -> Ticket:
    """As `ticket_by_number`, by id."""
    query = select(Ticket).where(Ticket.id == ident)
    ticket = await uow.session.scalar(held(query) if hold else query)
    if ticket is None:
        raise NotFound("there is no such ticket")
    return ticket


async def goes_on_in(uow: UnitOfWork, ticket: Ticket) -> Ticket:
    """The ticket itself, or the one that it was merged into in the end, held like it."""
    seen = {ticket.id}
    while ticket.merged_into_id is not None and ticket.merged_into_id not in seen:
        seen.add(ticket.merged_into_id)
        ticket = await ticket_by_id(uow, ticket.merged_into_id)
    return ticket


async def remember_message(uow: UnitOfWork, ticket: Ticket, message_id: str) -> None:
    """Note that the mail of this Message-ID belongs to the ticket: replies to it do, and copies of it.

    Raises Unavailable when another transaction has just taken in a copy; what it did is visible next time.
    """
    hashed = uow.vault.lookup("message-id", message_id)
    if message_id and not await uow.insert_new(TicketMessage(message_hash=hashed, ticket_id=ticket.id)):
        raise Unavailable("another copy of this mail is being taken in")


def must_be_open(ticket: Ticket) -> None:
    """Raises Conflict once the result has been given: then only re-opening leads back."""
    if ticket.state in (TicketState.RESOLVED, TicketState.CLOSED):
        raise Conflict(
            f"ticket {ticket.number} is {ticket.state.value}",
            hint="re-open it first (confirm with solved=false)",
        )
