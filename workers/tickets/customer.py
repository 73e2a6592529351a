"""What the customer writes later on: words for the agent, urging 催单, a confirmation, or a re-opening."""

from __future__ import annotations

import json
import re

from models.tickets import Ticket
from models.vocabulary import TicketState
from workers import deadlines, escalations
from workers.history import record
from workers.notifications import Notice, staff_ticket_facts
from workers.text import mask_free_text
from workers.tickets.assigning import assign
from workers.tickets.finishing import confirm, reopen
from workers.tickets.loading import remember_message
from workers.tickets.responding import tell_handler
from workers.tickets.retiming import change_priority
from workers.tickets.waiting import end_wait
from workers.unit_of_work import UnitOfWork

THREAD_LENGTH = 10
TRIMMINGS = " .!。！,，~～"
_URGING = re.compile(
    r"催|尽快|抓紧|还没(有)?(人|回复|处理)|多久|urgent|any (update|news)|still waiting|asap", re.I
)
_THANKS = "(非常)?(感谢|谢谢|多谢)(你们?|您)?(的帮助)?"
_SOLVED = re.compile(
    r"(好的?[,，。!！ ]*)?(问题)?(已经?)?(解决了?|可以了|好了|没问题了)([,，。!！ ]*" + _THANKS + ")?"
    r"|((好的?|收到)[,，。!！ ]*)?"
    + _THANKS
    + r"|(it('s| is)? |that )?(now )?(works?|solved|fixed|resolved|all good|great)( now| again)?"
    r"|((ok|okay|great|perfect)[,.! ]*)?(many )?(thanks|thank you)( (so|very) much)?( for your help)?",
    re.I,
)


async def customer_wrote(
    uow: UnitOfWork,
    ticket: Ticket,
    text: str,
    *,
    message_id: str | None = None,
    event: str = "",
    decides: bool = True,
) -> None:
    """Take in what a customer wrote on their ticket; `event` identifies the message for once-per-reason.

    While work goes on it may be urging; after the result a plain thank-you confirms, anything else re-opens.
    Whoever answers for the ticket hears of all but the thank-you. What somebody else wrote in the customer's
    thread (not `decides`) is passed on and changes nothing.
    """
    facts = {} if decides else {"sender": "other"}
    entry = await record(uow, ticket, "customer_wrote", actor="customer", facts=facts, words={"text": text})
    await _remember(uow, ticket, message_id)
    if decides:
        await end_wait(uow, ticket, "customer_wrote")
    if not decides:
        pass
    elif ticket.state in (TicketState.AWAITING_FEEDBACK, TicketState.RESOLVED, TicketState.CLOSED):
        if is_confirmation(text):
            if ticket.state is TicketState.AWAITING_FEEDBACK:
                await confirm(uow, ticket, solved=True, by="customer")
            return
        await reopen(uow, ticket, "customer_wrote")
    elif _URGING.search(text):
        await _urge(uow, ticket)
    if ticket.handler_id is None:
        await assign(uow, ticket)
    await _pass_on(uow, ticket, text, event or entry.id.hex)


async def collect(uow: UnitOfWork, ticket: Ticket, text: str, *, message_id: str | None, event: str) -> None:
    """Take in one more mail of the same subject: it is logged and passed on, and changes nothing else.

    No urging and no re-opening: whoever sends the same thing every few minutes is a machine.
    """
    facts = {"collected": True}
    await record(uow, ticket, "customer_wrote", actor="customer", facts=facts, words={"text": text})
    await _remember(uow, ticket, message_id)
    await _pass_on(uow, ticket, text, event)


async def begins_anew(uow: UnitOfWork, ticket: Ticket, text: str) -> bool:
    """Whether words on this ticket are a new request: it was closed too long ago, and they are no thanks."""
    if ticket.state is not TicketState.CLOSED or ticket.closed_at is None or is_confirmation(text):
        return False
    policy = await uow.policy_of(ticket.policy_version_id)
    return uow.clock.now() > ticket.closed_at + policy.reopen_within


def is_confirmation(text: str) -> bool:
    """Whether a short message says nothing but that it is solved, or thanks (both languages)."""
    words = " ".join(text.split()).strip(TRIMMINGS)
    return 0 < len(words) <= 60 and _SOLVED.fullmatch(words) is not None


async def _urge(uow: UnitOfWork, ticket: Ticket) -> None:
    """Urging is counted, and raises the priority once where the policy says so."""
    ticket.urged_count += 1
    await record(uow, ticket, "urged", actor="customer", facts={"count": ticket.urged_count})
    policy = await uow.policy_of(ticket.policy_version_id)
    raised = policy.urged(ticket.priority)
    if ticket.urged_count == 1 and raised is not ticket.priority:
        await change_priority(uow, ticket, raised)


async def _remember(uow: UnitOfWork, ticket: Ticket, message_id: str | None) -> None:
    if not message_id:
        return
    await remember_message(uow, ticket, message_id)
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    known = json.loads(sealer.text(ticket.thread_sealed, "tickets.thread") or "[]")
    thread = [*[one for one in known if one != message_id], message_id][-THREAD_LENGTH:]
    ticket.thread_sealed = sealer.seal(json.dumps(thread), "tickets.thread")


async def _pass_on(uow: UnitOfWork, ticket: Ticket, text: str, event: str) -> None:
    facts = {**await staff_ticket_facts(uow, ticket), "text": mask_free_text(text)}
    links = {"accept": escalations.link("accept", ticket.id)}
    notice = Notice(
        kind="customer_reply",
        fact=event,
        ticket=ticket,
        facts=facts,
        links=links,
        lane=deadlines.lane_of(ticket),
    )
    await tell_handler(uow, ticket, notice)
