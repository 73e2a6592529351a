"""What an SMS is about: stop, a rating, more words on an open ticket, or a new request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from models.intake import IntakeEvent
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import EventState, Medium, TicketState
from workers import suppressions, surveys, tickets
from workers.directory import Contact, find_or_make_customer, normal_phone, region_of
from workers.errors import InvalidInput
from workers.intake.filed import Filed
from workers.intake.mail_route import rated
from workers.intake.providers.sms.port import InboundSms
from workers.unit_of_work import UnitOfWork

STOP_WORDS = frozenset(
    {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "arret", "退订", "td", "r", "n"}
)
START_WORDS = frozenset({"start", "unstop", "解除", "恢复", "恢复订阅"})
"""Take a STOP back. Not "yes", which providers count too: it answers too many other questions."""


async def sms_in(uow: UnitOfWork, row: IntakeEvent, sms: InboundSms, received_at: datetime) -> Filed:
    """Act on one SMS and say what it was; what comes from a name or a short code is turned away.

    `received_at` is when (the first part of) it came.
    """
    try:
        normal_phone(sms.sender, region_of(uow.settings.timezone))
    except InvalidInput:
        return Filed(EventState.REJECTED, reason="sender_is_no_number")
    word = sms.text.strip().casefold()
    if word in STOP_WORDS or word in START_WORDS:
        return await _stop_or_start(uow, sms.sender, stop=word in STOP_WORDS)
    contact = Contact(phone=sms.sender)
    customer = await find_or_make_customer(uow, contact)
    waiting = await uow.session.scalar(
        select(Survey.ticket_id)
        .where(Survey.customer_id == customer.id, Survey.state == "invited", Survey.channel == Medium.SMS)
        .order_by(Survey.invited_at.desc())
        .limit(1)
    )
    if waiting is not None and surveys.parse_score(sms.text) is not None:
        ticket = await tickets.ticket_by_id(uow, waiting)
        if await rated(uow, ticket, sms.text, "sms", asked=True):
            return Filed(EventState.DONE, kind="rating", ticket_id=ticket.id)
    running = await uow.session.scalar(
        select(Ticket.id)
        .where(Ticket.customer_id == customer.id, Ticket.state != TicketState.CLOSED)
        .where(Ticket.channel == Medium.SMS)
        .order_by(Ticket.received_at.desc())
        .limit(1)
    )
    if running is not None:
        ticket = await tickets.ticket_by_id(uow, running)
        await tickets.customer_wrote(uow, ticket, sms.text, event=row.id.hex)
        return Filed(EventState.DONE, kind="reply", ticket_id=ticket.id)
    request = tickets.Request(
        contact=contact,
        channel=Medium.SMS,
        subject="",
        description=sms.text,
        received_at=received_at,
    )
    ticket = await tickets.open_ticket(uow, request)
    return Filed(EventState.DONE, kind="person", ticket_id=ticket.id)


async def _stop_or_start(uow: UnitOfWork, sender: str, *, stop: bool) -> Filed:
    """STOP, 退订 and their like: no SMS goes to this number until START or 解除 comes, or staff lift it."""
    number = uow.vault.lookup("phone", normal_phone(sender, region_of(uow.settings.timezone)))
    if stop:
        await suppressions.suppress(uow, number, Medium.SMS, "stop")
    else:
        await suppressions.started_again(uow, number)
    return Filed(EventState.DONE, kind="stop" if stop else "start")
