"""What an SMS is about: stop, a rating, more words on an open ticket, or a new request."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from models.intake import IntakeEvent
from models.tickets import Ticket
from models.vocabulary import EventState, Medium, TicketState
from workers import suppressions, surveys, tickets
from workers.directory import Contact, find_or_make_customer, normal_phone, region_of, team_named
from workers.errors import InvalidInput
from workers.intake.filed import Filed
from workers.intake.providers.sms.port import InboundSms
from workers.intake.rating_reply import rating_in
from workers.intake.sms_words import SmsWord, sms_word
from workers.intake.turned_away import blocked_words
from workers.notifications import Notice, Recipient, notify
from workers.unit_of_work import UnitOfWork


async def sms_in(
    uow: UnitOfWork, row: IntakeEvent, sms: InboundSms, received_at: datetime, *, wanted: bool = False
) -> Filed:
    """Act on one SMS and say what it was; what comes from a name or a short code is turned away.

    `received_at` is when (the first part of) it came; `wanted` says that staff want it whoever wrote it.
    """
    try:
        normal_phone(sms.sender, region_of(uow.settings.timezone))
    except InvalidInput:
        return Filed(EventState.REJECTED, reason="sender_is_no_number")
    match sms_word(sms.text):
        case SmsWord.HELP:
            return await _help(uow, sms)
        case SmsWord() as word:
            return await _stop_or_start(uow, sms.sender, stop=word is SmsWord.STOP)
    contact = Contact(phone=sms.sender)
    customer = await find_or_make_customer(uow, contact)
    waiting = await surveys.asked_by_sms(uow, customer)
    if waiting is not None:
        rating = await rating_in(uow, await tickets.ticket_by_id(uow, waiting), sms.text, Medium.SMS)
        if rating is not None:
            return rating
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
    blocked = None if wanted else await blocked_words(uow, (sms.sender,), None)
    if blocked is not None:
        return blocked
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


async def _help(uow: UnitOfWork, sms: InboundSms) -> Filed:
    """HELP, 帮助: who we are and how to stop, once a day for each customer; never a request."""
    customer = await find_or_make_customer(uow, Contact(phone=sms.sender))
    number = normal_phone(sms.sender, region_of(uow.settings.timezone))
    team = await team_named(uow, uow.policy.default_team)
    locale = customer.locale or tickets.language_of(sms.text, uow.settings.locale)
    facts = {
        "zone": uow.settings.timezone,
        "team": {
            "name": team.name if team else uow.policy.default_team,
            "hours": uow.policy.calendar.hours_text(locale),
            "address": uow.settings.mail_from,
        },
    }
    today = uow.policy.calendar.local_date(uow.clock.now()).isoformat()
    to = Recipient(number, Medium.SMS, "", locale, customer_id=customer.id)
    notice = Notice(kind="sms_help", fact=today, ticket=None, data_key_id=customer.data_key_id, facts=facts)
    told = await notify(uow, to, notice)
    return Filed(EventState.DONE, kind="help", reason=None if told else "told_today")
