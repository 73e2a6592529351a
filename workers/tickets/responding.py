"""Answers to the customer: relayed mail, calls that connected, progress, and what became of each."""

from __future__ import annotations

from datetime import datetime, timedelta

from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket, TicketEntry
from models.vocabulary import HUMAN_MESSAGES, DeadlineKind, Medium
from workers import deadlines, escalations
from workers.directory import people_for
from workers.errors import Conflict, InvalidInput
from workers.history import record
from workers.notifications import (
    Notice,
    cancel,
    customer_recipient,
    notify,
    staff_recipient,
    staff_ticket_facts,
    ticket_facts,
)
from workers.text import contact_tail
from workers.tickets.chatting import chat_posted
from workers.tickets.first_response import (
    meets_first_response,
    message_responds,
    settle_verdict,
    undo_first_response,
)
from workers.tickets.loading import must_be_open
from workers.tickets.waiting import catch_up, clocks_running
from workers.unit_of_work import UnitOfWork

BEFORE_LIMIT = timedelta(seconds=20)
LONGEST_SMS = 600


async def answer(uow: UnitOfWork, ticket: Ticket, by: Staff, text: str) -> Notification | None:
    """Pass an agent's answer on to the customer after the hold in which it can be taken back.

    The hold is cut short when it would carry the answer over the first-response limit. Gives the queued
    notification, None when it was queued before. Raises InvalidInput for an empty answer or one too long for
    an SMS, Conflict when the customer can only be rung up.
    """
    must_be_open(ticket)
    if not text.strip():
        raise InvalidInput("the answer is empty once quotations and notes are taken out")
    to = await customer_recipient(uow, ticket, ticket.channel)
    if to is None:
        raise Conflict("this customer has no written address", hint="ring them up and log the first response")
    if to.channel is Medium.SMS and len(text) > LONGEST_SMS:
        raise InvalidInput(f"an SMS holds no more than {LONGEST_SMS} characters", hint="write less")
    entry = await record(uow, ticket, "answer_written", by=by, words={"text": text})
    leaves_at = await _leaves_at(uow, ticket)
    facts = {**await ticket_facts(uow, ticket), "text": text, "agent": by.name, "from_name": by.name}
    notice = Notice(
        kind="reply_to_customer",
        fact=entry.id.hex,
        ticket=ticket,
        facts=facts,
        lane=deadlines.lane_of(ticket),
        due_at=leaves_at,
        meets=await meets_first_response(uow, ticket, "reply_to_customer") or "answer",
    )
    queued = await notify(uow, to, notice)
    if queued is not None and queued.due_at is not None and leaves_at > uow.clock.now():
        await _tell_on_hold(uow, ticket, by, queued, text)
    return queued


async def _leaves_at(uow: UnitOfWork, ticket: Ticket) -> datetime:
    policy = await uow.policy_of(ticket.policy_version_id)
    now = uow.clock.now()
    leaves = now + policy.reply_hold
    for row in await deadlines.open_ones(uow, ticket, [DeadlineKind.FIRST_RESPONSE]):
        if row.limit_at is not None and now < row.limit_at:
            leaves = max(now, min(leaves, row.limit_at - BEFORE_LIMIT))
    return leaves


async def _tell_on_hold(uow: UnitOfWork, ticket: Ticket, by: Staff, queued: Notification, text: str) -> None:
    assert queued.due_at is not None
    facts = {**await staff_ticket_facts(uow, ticket), "text": text, "leaves_at": queued.due_at.isoformat()}
    notice = Notice(
        kind="reply_on_hold",
        fact=queued.id.hex,
        ticket=ticket,
        facts=facts,
        links={"take_back": escalations.link("take_back", queued.id)},
        lane=deadlines.lane_of(ticket),
        expires_at=queued.due_at,
    )
    await notify(uow, staff_recipient(uow, by), notice)


async def take_back(uow: UnitOfWork, ticket: Ticket, by: Staff, notification: Notification) -> None:
    """Stop an answer that has not left yet. Raises Conflict when it is on its way or gone."""
    if not await cancel(uow, "taken_back", ids=[notification.id]):
        raise Conflict("this answer has left already", hint="write a correction to the customer instead")
    await record(uow, ticket, "answer_taken_back", by=by, notification_id=notification.id)


async def tell_not_sent(uow: UnitOfWork, ticket: Ticket, to: Staff, why: str, text: str, event: str) -> None:
    """Tell an agent why their mail was not passed on (codes: quotation_uncut, empty, sender_mismatch)."""
    await record(uow, ticket, "answer_not_sent", by=to, facts={"why": why}, words={"text": text})
    facts = {**await staff_ticket_facts(uow, ticket), "why": why, "text": text}
    notice = Notice(
        kind="reply_not_sent", fact=event, ticket=ticket, facts=facts, lane=deadlines.lane_of(ticket)
    )
    await notify(uow, staff_recipient(uow, to), notice)


async def progress(
    uow: UnitOfWork,
    ticket: Ticket,
    by: Staff,
    text: str,
    *,
    tell_customer: bool = False,
    plan: bool = False,
    next_at: datetime | None = None,
) -> TicketEntry:
    """Log what was done; with `plan` it is the handling plan and meets that limit."""
    if not text.strip():
        raise InvalidInput("progress needs words: what was done or agreed")
    if plan:
        await catch_up(uow, ticket)  # a wait that was over before the plan stands before it in the log
    now = uow.clock.now()
    kind = "plan_given" if plan else "progress"
    entry = await record(
        uow, ticket, kind, by=by, at=now, facts={"told": True} if tell_customer else {}, words={"text": text}
    )
    if plan:
        ticket.planned_at = ticket.planned_at or now
        async with clocks_running(uow, ticket):
            verdict = await deadlines.meet(uow, ticket, DeadlineKind.PLAN, now)
            if verdict is not None:
                await settle_verdict(uow, ticket, verdict)
    to = await customer_recipient(uow, ticket) if tell_customer else None
    if to is not None:
        facts = {
            **await ticket_facts(uow, ticket),
            "text": text,
            "next_at": next_at.isoformat() if next_at else None,
        }
        meets = await meets_first_response(uow, ticket, "progress_notice")
        notice = Notice(kind="progress_notice", fact=entry.id.hex, ticket=ticket, facts=facts, meets=meets)
        await notify(uow, to, notice)
    return entry


async def message_accepted(uow: UnitOfWork, ticket: Ticket, message: Notification, at: datetime) -> None:
    """A message was accepted for delivery at `at`: a person's words may be the first response."""
    if message.channel is Medium.CHAT:
        await chat_posted(uow, ticket, message)
        return
    await message_responds(uow, ticket, message, at)
    if message.kind == "result_feedback" and ticket.feedback_at is None:
        ticket.feedback_at = at
        await record(uow, ticket, "feedback_given", at=at, notification_id=message.id)


async def message_bounced(uow: UnitOfWork, ticket: Ticket, message: Notification, reason: str) -> None:
    """A message came back: what it had met is undone, and its handler is told to find another way."""
    await undo_first_response(uow, ticket, message)
    if message.kind == "result_feedback" and ticket.feedback_at == message.sent_at:
        ticket.feedback_at = None
    await record(uow, ticket, "bounced", facts={"reason": reason}, notification_id=message.id)
    if message.kind not in HUMAN_MESSAGES:
        return
    sealer = await uow.vault.sealer(uow.session, message.data_key_id)
    address = sealer.text(message.recipient_sealed, "notifications.recipient")
    facts = {**await staff_ticket_facts(uow, ticket), "reason": reason, "address_tail": contact_tail(address)}
    notice = Notice(kind="answer_bounced", fact=message.id.hex, ticket=ticket, facts=facts)
    await tell_handler(uow, ticket, notice)


async def tell_handler(uow: UnitOfWork, ticket: Ticket, notice: Notice) -> None:
    """Tell whoever answers for the ticket: its handler, and who stands in for one that is away or has left.

    Somebody who is away hears it as well, and finds it on coming back.
    """
    people = await people_for(uow, ticket, ["handler"])
    handler = await uow.session.get(Staff, ticket.handler_id) if ticket.handler_id else None
    if handler is not None and handler.active and handler not in people:
        people.append(handler)
    for person in people:
        await notify(uow, staff_recipient(uow, person), notice)
    if not people:
        await record(uow, ticket, "nobody_to_tell", facts={"notification": notice.kind})
