"""A request becomes a ticket: number, customer, deadlines, handler and receipt, all in one transaction."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from models.base import new_id
from models.notifications import Notification
from models.people import Customer
from models.tickets import Ticket
from models.vocabulary import Category, DeadlineKind, Medium, Priority, TicketState
from workers.directory import Contact, case_of, find_or_make_customer
from workers.history import record
from workers.notifications import (
    Notice,
    Recipient,
    address_hash,
    customer_recipient,
    notify,
    ticket_facts,
)
from workers.tickets.assigning import assign
from workers.tickets.chatting import post_to_chat
from workers.tickets.clocks import OPENING, judged_by, start_clocks
from workers.tickets.collecting import subject_hash
from workers.tickets.loading import remember_message
from workers.tickets.piloting import come_under_pilot
from workers.unit_of_work import UnitOfWork

_CJK = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Request:
    """What a customer asks, as it came in. Times are aware UTC; `message_id` is the mail's, for threading.

    `silence` is the reason why no automatic receipt may be sent (loop guard), None when it may.
    `claimed` marks a sender that a forwarding mailbox names and nobody has verified. `earlier` is the closed
    ticket that this request takes further.
    """

    contact: Contact
    channel: Medium
    subject: str
    description: str
    received_at: datetime
    background: str = ""
    occurred_at: datetime | None = None
    priority: Priority | None = None
    category: Category | None = None
    subkind: str | None = None
    order_number: str | None = None
    message_id: str | None = None
    silence: str | None = None
    claimed: bool = False
    earlier: Ticket | None = None


async def open_ticket(uow: UnitOfWork, request: Request) -> Ticket:
    """Open a ticket with everything that belongs to it. Raises InvalidInput for a malformed contact."""
    number = await _draw_number(uow, request.received_at)
    customer = await find_or_make_customer(uow, request.contact)
    ticket = await _write(uow, request, customer, number)
    await come_under_pilot(uow, ticket)
    case = await case_of(uow, ticket, ticket.received_at)
    facts: dict[str, Any] = {"channel": request.channel.value, "claimed_sender": request.claimed}
    facts |= await judged_by(uow, ticket, case)
    if request.earlier is not None:
        facts["earlier"] = request.earlier.number
    await record(uow, ticket, "received", actor="customer", at=request.received_at, facts=facts)
    if request.message_id:
        await remember_message(uow, ticket, request.message_id)
    limits = await start_clocks(uow, ticket, OPENING, ticket.received_at, case=case)
    await assign(uow, ticket)
    first_response = limits.get(DeadlineKind.FIRST_RESPONSE.value)
    await _send_receipt(uow, ticket, first_response, request.silence)
    await post_to_chat(uow, ticket, first_response)
    return ticket


async def _draw_number(uow: UnitOfWork, received_at: datetime) -> str:
    """CS + the team's local date + sequence (row B1)."""
    day = uow.policy.calendar.local_date(received_at).strftime("%Y%m%d")
    return await uow.draw_number(f"CS{day}", 4)


async def _write(uow: UnitOfWork, request: Request, customer: Customer, number: str) -> Ticket:
    sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    subject = request.subject.strip() or request.description.strip()[:60]
    background, thread = request.background, [request.message_id] if request.message_id else []
    ticket = Ticket(
        id=new_id(),
        number=number,
        version=1,
        opening=1,
        state=TicketState.TO_ASSIGN,
        priority=request.priority or uow.policy.default_priority,
        category=request.category or Category.OTHER,
        subkind=request.subkind,
        order_number=request.order_number,
        channel=request.channel,
        locale=customer.locale or language_of(f"{subject} {request.description}", uow.settings.locale),
        customer_id=customer.id,
        data_key_id=customer.data_key_id,
        subject_sealed=sealer.seal(subject, "tickets.subject"),
        description_sealed=sealer.seal(request.description, "tickets.description"),
        background_sealed=sealer.seal(background, "tickets.background") if background else None,
        thread_sealed=sealer.seal(json.dumps(thread), "tickets.thread") if thread else None,
        policy_version_id=uow.policy_version_id,
        special_period=uow.policy.special_period(request.received_at),
        occurred_at=request.occurred_at,
        received_at=request.received_at,
        opened_at=request.received_at,
        triaged_at=request.received_at if request.priority and request.category else None,
        overdue_count=0,
        urged_count=0,
        attention=False,
        subject_hash=subject_hash(uow, subject) if request.subject.strip() else None,
        earlier_id=request.earlier.id if request.earlier else None,
    )
    await uow.add(ticket)
    uow.words_changed("ticket", ticket.id)
    return ticket


async def _send_receipt(
    uow: UnitOfWork, ticket: Ticket, promised_at: datetime | None, silence: str | None
) -> None:
    """Tell the customer number and promised time at once; a receipt is never a first response (row A4)."""
    to = await customer_recipient(uow, ticket, ticket.channel)
    if to is None:
        return
    if silence is None and await _many_receipts(uow, to):
        silence = "rate_cap"
    facts: dict[str, Any] = await ticket_facts(uow, ticket)
    facts["promised_at"] = promised_at.isoformat() if promised_at else None
    notice = Notice(kind="receipt", fact=ticket.id.hex, ticket=ticket, facts=facts, silenced=silence)
    await notify(uow, to, notice)


async def _many_receipts(uow: UnitOfWork, to: Recipient) -> bool:
    """Whether an unmarked answering machine, or somebody who plays with us, has had enough of them."""
    if uow.lacks("notifications", [address_hash(uow, to)]):
        return False
    now, brakes = uow.clock.now(), uow.policy.brakes
    last_hour = func.count().filter(Notification.created_at > now - timedelta(hours=1))
    found = await uow.session.execute(
        select(func.count(), last_hour).where(
            Notification.recipient_hash == address_hash(uow, to),
            Notification.kind == "receipt",
            Notification.created_at > now - timedelta(days=1),
        )
    )
    today, hour = found.one()
    return bool(today >= brakes.receipts_a_day or hour >= brakes.receipts_an_hour)


def language_of(words: str, default: str) -> str:
    """The locale to write to a customer in: zh_CN when Chinese characters occur, en when only others do."""
    if not any(letter.isalpha() for letter in words):
        return default
    return "zh_CN" if _CJK.search(words) else "en"
