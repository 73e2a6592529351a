"""The same subject again and again from one sender (a monitoring system's alarms) is one ticket."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta

from sqlalchemy import select

from models.people import Customer
from models.tickets import Ticket
from models.vocabulary import TicketState
from workers.directory import normal_email
from workers.errors import InvalidInput
from workers.tickets.loading import ticket_by_id
from workers.unit_of_work import UnitOfWork

WITHIN = timedelta(hours=1)
_PREFIX = re.compile(
    r"(?:(?:re|fwd?|aw|wg|sv|vs|tr|rv|回复|答复|转发|回覆|轉寄)(?:\[\d{1,3}\])?:\s*){1,20}", re.IGNORECASE
)


def subject_hash(uow: UnitOfWork, subject: str) -> bytes:
    """By what equal subjects are known: "Re:", case, width and blanks do not matter, numbers do."""
    plain = " ".join(unicodedata.normalize("NFKC", subject).casefold().split())
    return uow.vault.lookup("subject", _PREFIX.sub("", plain, count=1))


async def first_of_same(uow: UnitOfWork, sender: str, subject: str) -> Ticket | None:
    """The first open ticket, held, among this sender's of the same subject in the last hour.

    None while there are fewer than the policy's `collect_same_subject`, or when none of them is open.
    """
    most = uow.policy.brakes.collect_same_subject
    if not most or not subject.strip():
        return None
    try:
        address = uow.vault.lookup("email", normal_email(sender))
    except InvalidInput:
        return None
    if uow.lacks("customers", [address]):
        return None
    rows = await uow.session.execute(
        select(Ticket.id, Ticket.state)
        .join(Customer, Customer.id == Ticket.customer_id)
        .where(Customer.email_hash == address, Ticket.subject_hash == subject_hash(uow, subject))
        .where(Ticket.received_at > uow.clock.now() - WITHIN)
        .order_by(Ticket.id)
    )
    same = rows.all()
    if len(same) < most:
        return None
    open_ones = [row.id for row in same if row.state is not TicketState.CLOSED]
    return await ticket_by_id(uow, open_ones[0]) if open_ones else None
