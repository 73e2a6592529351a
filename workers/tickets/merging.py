"""Two tickets about one thing become one, and one ticket about two things becomes two."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Customer, Staff
from models.tickets import Ticket, TicketEntry
from models.vocabulary import HUMAN_MESSAGES, MERGED, Role, TicketState
from workers import deadlines, escalations
from workers.access.seeing import TELL_OF_RATINGS
from workers.directory import Contact
from workers.errors import Conflict, Forbidden, InvalidInput, NotFound
from workers.history import record
from workers.locks import held
from workers.notifications import Notice, cancel, staff_ticket_facts
from workers.text import mask_free_text
from workers.tickets.clocks import OPENING, replace_clocks
from workers.tickets.dismissing import meet_meanwhile, take_up_clocks
from workers.tickets.loading import must_be_open, ticket_by_id
from workers.tickets.opening import Request, open_ticket
from workers.tickets.responding import tell_handler
from workers.tickets.waiting import end_wait
from workers.unit_of_work import UnitOfWork

STILL_SENT = (*sorted(HUMAN_MESSAGES), "receipt", *TELL_OF_RATINGS)
LONGEST_SUBJECT = 100


async def hold_two(uow: UnitOfWork, one: str, other: str) -> None:
    """Lock the tickets of these numbers in the order that all keep to (`workers.locks`)."""
    numbers = {number.strip().upper() for number in (one, other)}
    await uow.session.execute(held(select(Ticket.id).where(Ticket.number.in_(numbers)).order_by(Ticket.id)))


async def merge(uow: UnitOfWork, ticket: Ticket, into: Ticket, by: Staff, note: str = "") -> None:
    """The request goes on in the ticket `into` (both held), which was received before it.

    This one closes without a survey: its clocks end, what had been missed stays missed; automatic messages
    that wait are suppressed, a person's words still leave. The case of an earlier low rating goes on with
    clocks and messages of its own. Its words go to the other one's log and handler,
    and so does whatever its customer writes from now on. The other one's clocks run as before: what was said
    on the later ticket was no answer to the earlier one. Only a wait for the customer is over, if they wrote
    here since it began.

    Raises Conflict unless both are open requests of one customer, the later without a result; InvalidInput
    when it is the earlier one; Forbidden for an agent when somebody else handles the other one.
    """
    await _check(uow, ticket, into, by)
    await end_wait(uow, ticket, MERGED)
    now = uow.clock.now()
    await replace_clocks(uow, ticket, OPENING, MERGED, now)
    facts: dict[str, Any] = {
        "into": into.number,
        "state": ticket.state.value,
        "attention": ticket.attention,
    }
    own = [row for row in await deadlines.open_ones(uow, ticket) if row.followup_id is None]
    await deadlines.withdraw_rows(uow, own, MERGED)
    await _silence(uow, ticket)
    ticket.state, ticket.closed_at = TicketState.CLOSED, now
    ticket.close_reason, ticket.merged_into_id, ticket.attention = MERGED, into.id, False
    await record(uow, ticket, "merged", by=by, at=now, facts=facts, words={"note": note} if note else None)
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    words = {
        "subject": sealer.text(ticket.subject_sealed, "tickets.subject"),
        "text": sealer.text(ticket.description_sealed, "tickets.description"),
    }
    await record(uow, into, "merged_in", by=by, at=now, facts={"from": ticket.number}, words=words)
    if into.waiting_since is not None and await _last_words(uow, ticket) > into.waiting_since:
        await end_wait(uow, into, "customer_wrote")
    if into.handler_id != by.id:
        await _tell(uow, ticket, into, words["text"])


async def _check(uow: UnitOfWork, ticket: Ticket, into: Ticket, by: Staff) -> None:
    if ticket.id == into.id:
        raise InvalidInput("a ticket cannot be merged into itself")
    if by.role is Role.AGENT and into.handler_id not in (None, by.id):
        raise Forbidden("somebody else handles the other ticket", hint="a supervisor can merge the two")
    if await _customer(uow, ticket) != await _customer(uow, into):
        raise Conflict("the two tickets are not the same customer's")
    for each in (ticket, into):
        must_be_open(each)
    if ticket.resolved_at is not None:
        raise Conflict(f"the result of {ticket.number} has been given")
    if (into.received_at, into.id) > (ticket.received_at, ticket.id):
        raise InvalidInput(
            f"{into.number} was received later",
            hint="merge the later ticket into the earlier one: the customer has waited since then",
        )


async def _customer(uow: UnitOfWork, ticket: Ticket) -> UUID:
    """Who asks; customers who proved to be one are one."""
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    return customer.merged_into_id or customer.id


async def _last_words(uow: UnitOfWork, ticket: Ticket) -> datetime:
    """When the customer wrote on this ticket last, when it was received at the earliest."""
    lines = await uow.session.scalars(
        select(TicketEntry).where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "customer_wrote")
    )
    written = [line.at for line in lines if line.facts.get("sender") != "other"]
    return max([ticket.received_at, *written])


async def _silence(uow: UnitOfWork, ticket: Ticket) -> None:
    of_cases = select(Deadline.id).where(Deadline.ticket_id == ticket.id, Deadline.followup_id.is_not(None))
    waiting = await uow.session.scalars(
        select(Notification.id).where(
            Notification.ticket_id == ticket.id,
            Notification.due_at.is_not(None),
            Notification.kind.not_in(STILL_SENT),
            or_(Notification.deadline_id.is_(None), Notification.deadline_id.not_in(of_cases)),
        )
    )
    await cancel(uow, MERGED, ids=list(waiting))


async def _tell(uow: UnitOfWork, ticket: Ticket, into: Ticket, text: str) -> None:
    """Whoever handles the ticket that goes on hears what came in with the other one."""
    notice = Notice(
        kind="customer_reply",
        fact=f"merged-{ticket.id.hex}",
        ticket=into,
        generation=ticket.version,
        facts={**await staff_ticket_facts(uow, into), "text": mask_free_text(text)},
        links={"accept": escalations.link("accept", into.id)},
        lane=deadlines.lane_of(into),
    )
    await tell_handler(uow, into, notice)


async def undo_merge(uow: UnitOfWork, ticket: Ticket, by: Staff, note: str = "") -> None:
    """The ticket stands where it stood before, and its clocks have never stopped.

    What its customer wrote meanwhile stays with the other one. Raises Conflict when it was not merged.
    """
    if ticket.close_reason != MERGED or ticket.merged_into_id is None:
        raise Conflict(f"ticket {ticket.number} was not merged into another one")
    into = await ticket_by_id(uow, ticket.merged_into_id)
    line = await _line(uow, ticket)
    ticket.state, ticket.attention = TicketState(line.facts["state"]), line.facts["attention"]
    ticket.closed_at = ticket.close_reason = ticket.merged_into_id = None
    facts = {"from": into.number}
    await record(uow, ticket, "merge_undone", by=by, facts=facts, words={"note": note} if note else None)
    await record(uow, into, "merge_undone", by=by, facts={"from": ticket.number})
    await take_up_clocks(uow, ticket, MERGED)
    await meet_meanwhile(uow, ticket)


async def _line(uow: UnitOfWork, ticket: Ticket) -> TicketEntry:
    found = await uow.session.scalars(
        select(TicketEntry)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "merged")
        .order_by(TicketEntry.id.desc())
        .limit(1)
    )
    return found.one()


async def split(uow: UnitOfWork, ticket: Ticket, entry_id: UUID, by: Staff, subject: str = "") -> Ticket:
    """A message that the customer wrote on this ticket becomes one of its own; gives that one.

    It was received when the message came in: its clocks count from then, and are overdue where they are. The
    customer gets its number. Raises NotFound for what is no message of the customer on this ticket, Conflict
    when it was split off before.
    """
    line = await uow.session.get(TicketEntry, entry_id)
    if line is None or line.ticket_id != ticket.id or line.kind != "customer_wrote":
        raise NotFound("there is no such message of the customer on this ticket")
    before = await uow.session.scalars(
        select(TicketEntry.facts).where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "split_off")
    )
    if any(facts.get("entry") == str(entry_id) for facts in before):
        raise Conflict("this message has a ticket of its own already")
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    words: dict[str, str] = sealer.json(line.words_sealed, "ticket_entries.words") or {}
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    request = Request(
        contact=Contact(code=customer.code),
        channel=ticket.channel,
        subject=subject.strip()[:LONGEST_SUBJECT],
        description=words.get("text", ""),
        received_at=line.at,
        order_number=ticket.order_number,
    )
    made = await open_ticket(uow, request)
    facts = {"to": made.number, "entry": str(entry_id)}
    await record(uow, ticket, "split_off", by=by, facts=facts)
    await record(uow, made, "split_from", by=by, facts={"from": ticket.number})
    return made
