"""A request of the past comes in from a table: a closed ticket without clocks, of which nobody is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from models.base import new_id
from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import IMPORTED, Category, Medium, Priority, TicketState
from workers.history import record
from workers.tickets.opening import language_of
from workers.unit_of_work import UnitOfWork

SUBJECT = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a table says of a request; moments are aware. `number` is kept, without it one is drawn.

    `register` names the table; `words` go into the log, under their names.
    """

    register: str
    received_at: datetime
    description: str
    number: str | None = None
    background: str = ""
    channel: Medium = Medium.PHONE
    category: Category = Category.OTHER
    subkind: str | None = None
    priority: Priority | None = None
    handler: Staff | None = None
    occurred_at: datetime | None = None
    first_response_at: datetime | None = None
    transferred_at: datetime | None = None
    accepted_at: datetime | None = None
    expected_resolution_at: datetime | None = None
    feedback_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    unconfirmed_reason: str | None = None
    order_number: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)


async def take_in(uow: UnitOfWork, past: Past, customer: Customer) -> Ticket:
    """Write it down as it was. It meets and breaches nothing, no message is made, no rating asked for."""
    sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    subject = " ".join(past.description.split())[:SUBJECT]
    handler, background = past.handler, past.background
    ticket = Ticket(
        id=new_id(),
        number=past.number or await free_number(uow, past.received_at),
        version=1,
        opening=1,
        state=TicketState.CLOSED,
        priority=past.priority or uow.policy.default_priority,
        category=past.category,
        subkind=past.subkind,
        order_number=past.order_number,
        channel=past.channel,
        locale=customer.locale or language_of(past.description, uow.settings.locale),
        customer_id=customer.id,
        data_key_id=customer.data_key_id,
        subject_sealed=sealer.seal(subject, "tickets.subject"),
        description_sealed=sealer.seal(past.description, "tickets.description"),
        background_sealed=sealer.seal(background, "tickets.background") if background else None,
        policy_version_id=uow.policy_version_id,
        handler_id=handler.id if handler else None,
        team_id=handler.team_id if handler else None,
        credited_id=handler.id if handler else None,
        credited_team_id=handler.team_id if handler else None,
        occurred_at=past.occurred_at,
        received_at=past.received_at,
        opened_at=past.received_at,
        triaged_at=past.received_at,
        accepted_at=past.accepted_at,
        expected_resolution_at=past.expected_resolution_at,
        first_response_at=past.first_response_at,
        transferred_at=past.transferred_at,
        feedback_at=past.feedback_at,
        resolved_at=past.resolved_at,
        confirmed_at=None if past.unconfirmed_reason else past.resolved_at,
        unconfirmed_reason=past.unconfirmed_reason,
        unrated_reason=IMPORTED,
        closed_at=past.closed_at or past.resolved_at or past.received_at,
        close_reason=IMPORTED,
        overdue_count=0,
        urged_count=0,
        attention=False,
    )
    await uow.add(ticket)
    uow.words_changed("ticket", ticket.id)
    await record(uow, ticket, IMPORTED, facts={"register": past.register}, words=dict(past.words))
    return ticket


async def free_number(uow: UnitOfWork, received_at: datetime) -> str:
    """The next number of the day (row B1) that no table has brought along."""
    day = uow.policy.calendar.local_date(received_at).strftime("%Y%m%d")
    while True:
        number = await uow.draw_number(f"CS{day}", 4)
        if await uow.session.scalar(select(Ticket.id).where(Ticket.number == number)) is None:
            return number
