"""What is removed of a customer who is erased: addresses, hashes, bodies, links, and at last the key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from uuid import UUID

from sqlalchemy import delete, or_, select, update

from models.bulk import among
from models.crypto import Erased, Tampered, UnknownKey
from models.intake import BlockedSender, IntakeBody, IntakeEvent
from models.keys import DataKey
from models.links import Link
from models.notifications import DeliveryAttempt, Notification, NotificationBody, Suppression
from models.people import Customer, CustomerOrder
from models.tickets import TicketMessage
from models.vocabulary import EventState, NotificationState
from models.webhooks import AppAccount
from workers import search
from workers.directory import normal_email, normal_phone, region_of
from workers.errors import InvalidInput, NotFound
from workers.intake.store import Event, load
from workers.privacy.erasing.subject import REASON, Counts, Subject, blank, run
from workers.text import ERASED
from workers.unit_of_work import UnitOfWork

WAITING = (
    NotificationState.QUEUED,
    NotificationState.CLAIMED,
    NotificationState.RETRYING,
    NotificationState.HELD,
)
OWN_WISH = ("opted_out", "complaint", "stop")
"""Reasons by which customers themselves refuse messages."""
LOOKED_AT = 5000
"""So many events that nobody has read yet are opened, to see whether they come from the customer."""
HEADERS = 65536


async def forget_messages(uow: UnitOfWork, subject: Subject) -> Counts:
    """What waits is withdrawn (what is being sent at this moment goes out), what was sent loses its address
    and its text; that it was sent, when, and what became of it, stays.
    """
    mine, ids = subject.messages(uow), subject.message_ids(uow)
    withdrawn = await run(
        uow,
        update(Notification)
        .where(mine, Notification.state.in_(WAITING))
        .values(
            state=NotificationState.SUPPRESSED, reason=REASON, due_at=None, free_at=None, lease_token=None
        ),
    )
    bodies = await run(uow, delete(NotificationBody).where(NotificationBody.notification_id.in_(ids)))
    own = subject.theirs(Notification.customer_id)
    return {
        "notifications (withdrawn)": withdrawn,
        "notification_bodies": bodies,
        **await blank(uow, Notification, own, recipient_hash=b""),
        **await blank(uow, DeliveryAttempt, DeliveryAttempt.notification_id.in_(ids), text=None),
    }


async def forget_links(uow: UnitOfWork, subject: Subject) -> Counts:
    """All links and reply addresses of the customer, and of staff to the tickets."""
    mine = or_(subject.theirs(Link.customer_id), subject.on_tickets(uow, Link.ticket_id))
    return {"links": await run(uow, delete(Link).where(mine))}


async def forget_threads(uow: UnitOfWork, subject: Subject) -> Counts:
    """The keyed hashes of Message-IDs, by which an answer finds its ticket."""
    mine = subject.on_tickets(uow, TicketMessage.ticket_id)
    return {"ticket_messages": await run(uow, delete(TicketMessage).where(mine))}


async def forget_arrivals(uow: UnitOfWork, subject: Subject) -> Counts:
    """The raw bytes of all that came in for the tickets, with the keys that sealed them."""
    mine = subject.on_tickets(uow, IntakeEvent.ticket_id)
    found = await uow.session.scalars(select(IntakeEvent.id).where(mine))
    return await _forget_events(uow, subject, list(found))


async def forget_waiting_arrivals(uow: UnitOfWork, subject: Subject) -> Counts:
    """What the customer has sent and nobody has read yet. What is being read at this moment makes a new
    customer: it is a new request.
    """
    waiting = or_(IntakeEvent.due_at.is_not(None), IntakeEvent.state == EventState.POISON)
    rows = await uow.session.scalars(
        select(IntakeEvent)
        .where(waiting, IntakeEvent.ticket_id.is_(None), IntakeEvent.lease_token.is_(None))
        .where(IntakeEvent.kind.in_(("mail", "sms")))
        .order_by(IntakeEvent.id)
        .limit(LOOKED_AT)
        .with_for_update(skip_locked=True)
    )
    theirs = []
    for row in rows:
        try:
            event = await load(uow, row)
        except (Erased, NotFound, Tampered, UnknownKey):
            continue
        if subject.addresses.intersection(_senders(uow, event)):
            theirs.append(row.id)
    counts = await _forget_events(uow, subject, theirs)
    return {f"{name} (not read yet)": count for name, count in counts.items() if not name.endswith("_hash")}


def _senders(uow: UnitOfWork, event: Event) -> Iterator[bytes]:
    """The keyed hashes of whom an event may come from."""
    if event.kind == "sms":
        try:
            number = normal_phone(str(event.envelope.get("sender", "")), region_of(uow.settings.timezone))
        except InvalidInput:
            return
        yield uow.vault.lookup("phone", number)
        return
    head = BytesHeaderParser().parsebytes(event.raw[:HEADERS])
    named = getaddresses([str(value) for name in ("from", "sender") for value in head.get_all(name, [])])
    for _, address in [*named, ("", str(event.envelope.get("from") or ""))]:
        try:
            yield uow.vault.lookup("email", normal_email(address))
        except InvalidInput:
            continue


async def _forget_events(uow: UnitOfWork, subject: Subject, ids: Sequence[UUID]) -> Counts:
    mine = among(uow.session, IntakeEvent.id, ids)
    keys = select(IntakeEvent.data_key_id).where(mine)
    bodies = await run(uow, delete(IntakeBody).where(among(uow.session, IntakeBody.event_id, ids)))
    await run(
        uow,
        update(IntakeEvent)
        .where(mine, or_(IntakeEvent.due_at.is_not(None), IntakeEvent.state == EventState.POISON))
        .values(state=EventState.REJECTED, reason=REASON, due_at=None, free_at=None, lease_token=None),
    )
    destroyed = await run(
        uow,
        update(DataKey)
        .where(DataKey.id.in_(keys), DataKey.id.not_in(subject.data_keys))
        .where(DataKey.purpose.is_(None), DataKey.wrapped.is_not(None))
        .values(wrapped=None),
    )
    emptied = await blank(uow, IntakeEvent, mine, group_hash=None)
    return {"intake_bodies": bodies, "data_keys (of raw events)": destroyed, **emptied}


async def forget_index(uow: UnitOfWork, subject: Subject) -> Counts:
    """What the customer's tickets and talks are found by."""
    return {"search_documents": sum([await search.forget(uow, one.id) for one in subject.family])}


async def forget_accounts(uow: UnitOfWork, subject: Subject) -> Counts:
    """By what the team's app knows the customer."""
    mine = subject.theirs(AppAccount.customer_id)
    return {"app_accounts": await run(uow, delete(AppAccount).where(mine))}


async def forget_orders(uow: UnitOfWork, subject: Subject) -> Counts:
    """Which orders were theirs."""
    mine = subject.theirs(CustomerOrder.customer_id)
    return {"customer_orders": await run(uow, delete(CustomerOrder).where(mine))}


async def forget_contacts(uow: UnitOfWork, subject: Subject) -> Counts:
    """Lists of addresses that must not be written to or taken requests from.

    What the customer has asked for themselves (no more surveys, STOP, a complaint) stays, as a keyed hash: it
    has to hold for their address as long as we can write to anybody.
    """
    lists = delete(Suppression).where(
        Suppression.address_hash.in_(subject.addresses), Suppression.reason.not_in(OWN_WISH)
    )
    blocks = delete(BlockedSender).where(
        BlockedSender.sender_hash.in_(subject.addresses), BlockedSender.scope == "address"
    )
    return {"suppressions": await run(uow, lists), "blocked_senders": await run(uow, blocks)}


async def forget_customer(uow: UnitOfWork, subject: Subject) -> Counts:
    """Name, contacts and their keyed hashes, and the data key: from here on nothing that it sealed opens."""
    mine = subject.theirs(Customer.id)
    counts = await blank(
        uow,
        Customer,
        mine,
        name_sealed=None,
        email_sealed=None,
        email_hash=None,
        phone_sealed=None,
        phone_hash=None,
        masked=ERASED,
        industry=None,
        preferred_channel=None,
    )
    await run(uow, update(Customer).where(mine).values(erased_at=subject.at))
    destroyed = await run(
        uow,
        update(DataKey)
        .where(DataKey.id.in_(subject.data_keys), DataKey.wrapped.is_not(None))
        .values(wrapped=None),
    )
    return {**counts, "data_keys": destroyed}
