"""A customer asks where a ticket stands: a link goes to the contact that is known, whoever asked (row B1).

Whoever asks is told the same, in the same time, whether there is such a ticket and whether the address is its
customer's: the same few queries and one errand, which finds out what is to be sent.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import func, select

from models.base import new_id
from models.deadlines import Errand
from models.notifications import Notification
from models.people import Customer
from models.tickets import Ticket
from models.vocabulary import Lane
from workers.directory import normal_email, normal_phone, region_of
from workers.notifications import Notice, customer_recipient, notify, ticket_facts
from workers.unit_of_work import UnitOfWork

LOOK_UP = "lookup"
"""The kind of the errand and of the message."""
MOST_A_DAY = 3
LONGEST = 254


async def ask(uow: UnitOfWork, number: str, contact: str) -> None:
    """Somebody wants to know of a ticket, and says by which mail address or phone number it was asked.

    Raises InvalidInput for what can be no address and no phone number; says nothing of what is there.
    """
    hashed = _hashed(uow, contact.strip()[:LONGEST])
    found = await uow.session.execute(
        select(Ticket.id, Customer.email_hash, Customer.phone_hash)
        .join(Customer, Customer.id == Ticket.customer_id)
        .where(Ticket.number == number.strip().upper()[:24])
    )
    row = found.one_or_none()
    subject: UUID = row[0] if row is not None and hashed in (row[1], row[2]) else uuid4()
    now = uow.clock.now()
    ident = new_id()
    errand = Errand(
        id=ident,
        key=f"{LOOK_UP}:{ident.hex}",
        kind=LOOK_UP,
        subject_id=subject,
        lane=Lane.NORMAL,
        due_at=now,
    )
    await uow.add(errand)
    uow.ring("errands", Lane.NORMAL, now)


def _hashed(uow: UnitOfWork, contact: str) -> bytes:
    if "@" in contact:
        return uow.vault.lookup("email", normal_email(contact))
    return uow.vault.lookup("phone", normal_phone(contact, region_of(uow.settings.timezone)))


async def answer(uow: UnitOfWork, errand: Errand) -> None:
    """The errand: send the link, a few times a day at most; nothing where there is nobody to send it to."""
    ticket = await uow.session.get(Ticket, errand.subject_id) if errand.subject_id else None
    if ticket is None or await _sent_of_late(uow, ticket) >= MOST_A_DAY:
        return
    to = await customer_recipient(uow, ticket, ticket.channel)
    if to is None or to.customer_id is None:
        return
    facts = await ticket_facts(uow, ticket)
    await notify(uow, to, Notice(kind=LOOK_UP, fact=errand.id.hex, ticket=ticket, facts=facts))


async def _sent_of_late(uow: UnitOfWork, ticket: Ticket) -> int:
    count = await uow.session.scalar(
        select(func.count(Notification.id)).where(
            Notification.ticket_id == ticket.id,
            Notification.kind == LOOK_UP,
            Notification.created_at > uow.clock.now() - timedelta(days=1),
        )
    )
    return count or 0
