"""Look up for many mails at once what each of them is going to be asked about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from models.intake import BlockedSender
from models.notifications import Notification
from models.people import Customer, Staff, Team
from models.tickets import TicketMessage
from workers import senders
from workers.ahead import Ahead
from workers.directory import as_merged, normal_email
from workers.directory.presence import SOON, absences_from, duties_from
from workers.errors import InvalidInput
from workers.intake.mail import InboundMail
from workers.unit_of_work import UnitOfWork


async def look_ahead(uow: UnitOfWork, mails: Sequence[InboundMail]) -> Ahead:
    """Staff, teams, and what is known of these mails' senders and ids, by eight queries."""
    now = uow.clock.now()
    addresses = list(_addresses(mails))
    hashes = {uow.vault.lookup("email", address) for address in addresses}
    ids = {uow.vault.lookup("message-id", mail.message_id) for mail in mails if mail.message_id}
    blocks = {each for address in addresses for each in senders.hashes_of(uow, address)}
    known_ones = select(Customer).where(Customer.email_hash.in_(hashes)).order_by(Customer.id)
    # None of them is erased before this transaction has ended, as `find_or_make_customer` has it.
    customers = list(await uow.session.scalars(known_ones.with_for_update(read=True, key_share=True)))
    await uow.vault.warm(uow.session, [row.data_key_id for row in customers])
    hashed = [(row.email_hash, row) for row in customers if row.email_hash is not None]
    known = {mail: await as_merged(uow, row) for mail, row in hashed}
    staff = select(Staff).where(Staff.active.is_(True)).order_by(Staff.number)
    absent = {("customers", each) for each in hashes - known.keys()}
    absent |= await _absent(uow, TicketMessage.message_hash, ids)
    absent |= await _absent(uow, Notification.recipient_hash, hashes)
    absent |= await _absent(uow, BlockedSender.sender_hash, blocks)
    return Ahead(
        staff=(await uow.session.scalars(staff)).all(),
        teams=(await uow.session.scalars(select(Team).order_by(Team.id))).all(),
        customers=known,
        absent=absent,
        absences=await absences_from(uow, now, now + SOON),
        duties=await duties_from(uow, now, now + SOON),
    )


def _addresses(mails: Iterable[InboundMail]) -> Iterable[str]:
    given = {mail.from_email for mail in mails}
    given |= {address for mail in mails for _, address in mail.reply_to[:1]}
    for address in given:
        try:
            yield normal_email(address)
        except InvalidInput:
            continue


async def _absent(
    uow: UnitOfWork, column: InstrumentedAttribute[Any], wanted: Collection[bytes]
) -> set[tuple[str, bytes]]:
    """Which of these keyed hashes do not occur in a column, each with the table's name."""
    there = set(await uow.session.scalars(select(column).distinct().where(column.in_(wanted))))
    return {(column.class_.__tablename__, each) for each in wanted if each not in there}
