"""What proves to be no request (an advertisement, a wrong address) is closed, and can be taken up again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Customer, Staff
from models.surveys import Survey
from models.tickets import Ticket, TicketEntry
from models.vocabulary import NOT_A_TICKET, DeadlineKind, DeadlineState, NoRequest, TicketState
from workers import deadlines, senders
from workers.errors import Conflict
from workers.history import record
from workers.notifications import cancel
from workers.tickets.first_response import settle_verdict
from workers.tickets.waiting import end_wait
from workers.unit_of_work import UnitOfWork

MET_MEANWHILE = (
    (DeadlineKind.FIRST_RESPONSE, "first_response_at"),
    (DeadlineKind.ACCEPTANCE, "first_response_at"),
)


async def dismiss(
    uow: UnitOfWork,
    ticket: Ticket,
    by: Staff,
    reason: NoRequest = NoRequest.OTHER,
    *,
    note: str = "",
    block_sender: bool = False,
    block_until: datetime | None = None,
) -> None:
    """Close a ticket that is no request: no survey, no deadline, no escalation and no message any more.

    Every deadline is withdrawn and every message that waits is suppressed, with the reason `not_a_ticket`; it
    counts nowhere as overdue or unrated. `block_sender` takes no requests from its customer's addresses any
    more (until `block_until`, UTC). Dismissing twice changes nothing but the block. Raises Conflict for a
    ticket that was closed as a request or rated by its customer, and what `senders.block` raises.
    """
    if ticket.close_reason != NOT_A_TICKET:
        await _close(uow, ticket, by, reason, note)
    if block_sender:
        for address in await _addresses(uow, ticket):
            await senders.block(uow, address, reason.value, by=by, until=block_until, ticket=ticket)


async def _close(uow: UnitOfWork, ticket: Ticket, by: Staff, reason: NoRequest, note: str) -> None:
    if ticket.state is TicketState.CLOSED:
        raise Conflict(f"ticket {ticket.number} is closed already")
    if await _was_rated(uow, ticket):
        raise Conflict(
            f"the customer has rated ticket {ticket.number}", hint="a request that was rated is a request"
        )
    await end_wait(uow, ticket, "dismissed")
    asked = await _withdraw_survey(uow, ticket)
    facts: dict[str, Any] = {
        "reason": reason.value,
        "state": ticket.state.value,
        "attention": ticket.attention,
        "overdue_count": ticket.overdue_count,
        "survey": asked,
    }
    for row in await deadlines.withdraw(uow, ticket, tuple(DeadlineKind), NOT_A_TICKET):
        row.state = DeadlineState.WITHDRAWN  # what was overdue is overdue no more
    await _silence(uow, ticket)
    ticket.state, ticket.closed_at = TicketState.CLOSED, uow.clock.now()
    ticket.close_reason = NOT_A_TICKET
    ticket.attention, ticket.overdue_count = False, 0
    await record(uow, ticket, "dismissed", by=by, facts=facts, words={"note": note} if note else None)


async def _was_rated(uow: UnitOfWork, ticket: Ticket) -> bool:
    """Whether its customer has rated it, now or before it was opened again: a case may run about that."""
    if ticket.rated_at is not None:
        return True
    rated = select(Survey.id).where(Survey.ticket_id == ticket.id, Survey.state == "answered")
    return await uow.session.scalar(rated.limit(1)) is not None


async def _silence(uow: UnitOfWork, ticket: Ticket) -> None:
    waiting = await uow.session.scalars(
        select(Notification.id).where(Notification.ticket_id == ticket.id, Notification.due_at.is_not(None))
    )
    await cancel(uow, "not_a_ticket", ids=list(waiting))


async def _withdraw_survey(uow: UnitOfWork, ticket: Ticket) -> bool:
    return await _turn_survey(uow, ticket, "invited", "withdrawn")


async def _turn_survey(uow: UnitOfWork, ticket: Ticket, old: str, new: str) -> bool:
    result = await uow.session.execute(
        update(Survey)
        .where(Survey.ticket_id == ticket.id, Survey.opening == ticket.opening, Survey.state == old)
        .values(state=new)
    )
    return bool(getattr(result, "rowcount", 0))


async def _addresses(uow: UnitOfWork, ticket: Ticket) -> list[str]:
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    found = (
        sealer.text(customer.email_sealed, "customers.email"),
        sealer.text(customer.phone_sealed, "customers.phone"),
    )
    return [address for address in found if address]


async def undo_dismissal(uow: UnitOfWork, ticket: Ticket, by: Staff, note: str = "") -> None:
    """It is a request after all: the ticket stands where it stood, and its clocks have never stopped.

    What was due meanwhile happens now, and the verdict comes from the time stamps. Messages that were
    suppressed are not sent again, a block of the sender is lifted separately. Raises Conflict when the ticket
    is not dismissed.
    """
    if ticket.close_reason != NOT_A_TICKET:
        raise Conflict(f"ticket {ticket.number} was not dismissed")
    entry = await _dismissal(uow, ticket)
    ticket.state = TicketState(entry.facts["state"])
    ticket.attention, ticket.overdue_count = entry.facts["attention"], entry.facts["overdue_count"]
    ticket.closed_at = ticket.close_reason = None
    await record(uow, ticket, "dismissal_undone", by=by, words={"note": note} if note else None)
    if entry.facts["survey"]:
        await _turn_survey(uow, ticket, "withdrawn", "invited")
    await take_up_clocks(uow, ticket, NOT_A_TICKET)
    await meet_meanwhile(uow, ticket)


async def meet_meanwhile(uow: UnitOfWork, ticket: Ticket) -> None:
    """An answer that left before the ticket closed, and arrived after that, has met its clocks."""
    for kind, name in MET_MEANWHILE:
        at = getattr(ticket, name)
        verdict = await deadlines.meet(uow, ticket, kind, at) if at else None
        if verdict is not None:
            await settle_verdict(uow, ticket, verdict)


async def take_up_clocks(uow: UnitOfWork, ticket: Ticket, ended: str) -> None:
    """The deadlines that ended for this reason run on as if they had never stopped: alarms whose time has
    passed are heard now.
    """
    query = select(Deadline).where(Deadline.ticket_id == ticket.id, Deadline.ended_reason == ended)
    for row in await uow.session.scalars(query.order_by(Deadline.id)):
        row.state = DeadlineState.BREACHED if row.breached_at is not None else DeadlineState.RUNNING
        row.ended_reason = None
        if row.alarm_no < len(row.alarms):
            row.due_at = datetime.fromisoformat(row.alarms[row.alarm_no]["at"])
            uow.ring("deadlines", row.lane, row.due_at)


async def _dismissal(uow: UnitOfWork, ticket: Ticket) -> TicketEntry:
    found = await uow.session.scalars(
        select(TicketEntry)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "dismissed")
        .order_by(TicketEntry.id.desc())
        .limit(1)
    )
    return found.one()
