"""What a person must look at: somebody was not told, an event cannot be read, an SMS may have arrived."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, func, literal_column, or_, select

from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.keys import DataKey
from models.mailboxes import Mailbox
from models.notifications import Notification
from models.tickets import Ticket, TicketEntry
from models.vocabulary import EventState, Medium, NotificationState, TicketState
from workers.unit_of_work import UnitOfWork
from workers.web.parts import Parts

CONFIRMABLE = timedelta(days=7)
"""How long the code of a forwarding confirmation is of any use."""

router = APIRouter(prefix="/attention", tags=["attention"])

STUCK = 3
"""Failed tries after which a deadline's alarm is shown to people."""


class What(StrEnum):
    """Kinds of things to look at."""

    BROKEN_RUNG = "broken_rung"
    NOBODY_TO_TELL = "nobody_to_tell"
    POISON_EVENT = "poison_event"
    FORWARD_CONFIRMATION = "forward_confirmation"
    UNKNOWN_SMS = "unknown_sms"
    MAILBOX = "mailbox"
    KEY_MISSING = "key_missing"
    STUCK_DEADLINE = "stuck_deadline"


class Item(BaseModel):
    """One thing to look at."""

    what: What
    since: datetime
    id: UUID = Field(
        description="Of the notification, of the event (poison_event), of the deadline (stuck_deadline)"
    )
    ticket: str | None = Field(description="Ticket number")
    reason: str | None
    kind: str | None = Field(description="Of the notification or event", examples=["breach"])
    staff: str | None = Field(default=None, description="Whom it did not reach (broken_rung)")
    passed_on_to: list[str] = Field(default=[], description="Who was told instead (broken_rung)")


class Attention(BaseModel):
    """Everything there is to look at now: how many of each, and the newest of them."""

    counts: dict[What, int]
    items: list[Item] = Field(description="Newest first")


@router.get("", summary="What needs a person's attention")
async def get_attention(
    parts: Parts, limit: Annotated[int, Query(ge=1, le=200, description="Items of each kind at most")] = 50
) -> Attention:
    """Broken rungs and tickets with nobody to tell until the ticket is closed; poison until it is read again;
    SMS of unknown outcome until somebody retries or a receipt comes; messages whose customer's key is not in
    the ring until it is back; deadlines whose alarm has failed three times until it is heard;
    mailboxes until they are fetched again; a provider's question whether it may forward a mailbox here for a
    week (`closeloop intake show` tells its code and link).
    """
    looks: dict[What, Callable[[UnitOfWork, int], Awaitable[tuple[int, list[Item]]]]] = {
        What.BROKEN_RUNG: _broken_rungs,
        What.NOBODY_TO_TELL: _nobody_to_tell,
        What.POISON_EVENT: _poison,
        What.FORWARD_CONFIRMATION: _confirmations,
        What.UNKNOWN_SMS: _unknown,
        What.MAILBOX: _mailboxes,
        What.KEY_MISSING: _key_missing,
        What.STUCK_DEADLINE: _stuck,
    }
    counts, items = {}, []
    async with parts.workshop.read() as uow:
        for what, look in looks.items():
            counts[what], found = await look(uow, limit)
            items += found
    return Attention(counts=counts, items=sorted(items, key=_since, reverse=True))


def _since(item: Item) -> datetime:
    return item.since


async def _broken_rungs(uow: UnitOfWork, limit: int) -> tuple[int, list[Item]]:
    return await _entries(uow, What.BROKEN_RUNG, "rung_broken", limit)


async def _nobody_to_tell(uow: UnitOfWork, limit: int) -> tuple[int, list[Item]]:
    return await _entries(uow, What.NOBODY_TO_TELL, "nobody_to_tell", limit)


async def _entries(uow: UnitOfWork, what: What, kind: str, limit: int) -> tuple[int, list[Item]]:
    """Lines of this kind in the logs of tickets that are not closed."""
    which = (TicketEntry.kind == kind, Ticket.state != TicketState.CLOSED)
    count = await uow.session.scalar(
        select(func.count())
        .select_from(TicketEntry)
        .join(Ticket, Ticket.id == TicketEntry.ticket_id)
        .where(*which)
    )
    rows = await uow.session.execute(
        select(TicketEntry, Ticket.number)
        .join(Ticket, Ticket.id == TicketEntry.ticket_id)
        .where(*which)
        .order_by(TicketEntry.at.desc(), TicketEntry.id.desc())
        .limit(limit)
    )
    return count or 0, [
        Item(
            what=what,
            since=entry.at,
            id=entry.notification_id or entry.id,
            ticket=number,
            reason=entry.facts.get("reason"),
            kind=entry.facts.get("notification"),
            staff=entry.facts.get("staff"),
            passed_on_to=entry.facts.get("passed_on_to") or [],
        )
        for entry, number in rows
    ]


async def _poison(uow: UnitOfWork, limit: int) -> tuple[int, list[Item]]:
    return await _events(uow, What.POISON_EVENT, (IntakeEvent.state == EventState.POISON,), limit)


async def _confirmations(uow: UnitOfWork, limit: int) -> tuple[int, list[Item]]:
    which = (
        IntakeEvent.kind == What.FORWARD_CONFIRMATION.value,
        IntakeEvent.state == EventState.REJECTED,
        IntakeEvent.received_at >= uow.clock.now() - CONFIRMABLE,
    )
    return await _events(uow, What.FORWARD_CONFIRMATION, which, limit)


async def _events(
    uow: UnitOfWork, what: What, which: Sequence[ColumnElement[bool]], limit: int
) -> tuple[int, list[Item]]:
    count = await uow.session.scalar(select(func.count(IntakeEvent.id)).where(*which))
    rows = await uow.session.execute(
        select(IntakeEvent, Ticket.number)
        .outerjoin(Ticket, Ticket.id == IntakeEvent.ticket_id)
        .where(*which)
        .order_by(IntakeEvent.id.desc())
        .limit(limit)
    )
    return count or 0, [
        Item(
            what=what,
            since=row.received_at,
            id=row.id,
            ticket=number,
            reason=row.reason,
            kind=row.kind,
        )
        for row, number in rows
    ]


async def _unknown(uow: UnitOfWork, limit: int) -> tuple[int, list[Item]]:
    which = (Notification.state == NotificationState.UNKNOWN, Notification.channel == Medium.SMS)
    return await _messages(uow, What.UNKNOWN_SMS, which, limit)


async def _key_missing(uow: UnitOfWork, limit: int) -> tuple[int, list[Item]]:
    # The word stands in the statement, so that the partial index on it is used.
    which = (Notification.reason == literal_column("'key_missing'"),)
    return await _messages(uow, What.KEY_MISSING, which, limit)


async def _messages(
    uow: UnitOfWork, what: What, which: Sequence[ColumnElement[bool]], limit: int
) -> tuple[int, list[Item]]:
    count = await uow.session.scalar(select(func.count(Notification.id)).where(*which))
    rows = await uow.session.execute(
        select(Notification, Ticket.number)
        .outerjoin(Ticket, Ticket.id == Notification.ticket_id)
        .where(*which)
        .order_by(Notification.id.desc())
        .limit(limit)
    )
    return count or 0, [
        Item(what=what, since=row.created_at, id=row.id, ticket=number, reason=row.reason, kind=row.kind)
        for row, number in rows
    ]


async def _stuck(uow: UnitOfWork, limit: int) -> tuple[int, list[Item]]:
    """Alarms that were due and failed again and again."""
    which = (Deadline.due_at <= uow.clock.now(), Deadline.tries >= STUCK)
    count = await uow.session.scalar(select(func.count(Deadline.id)).where(*which))
    rows = await uow.session.execute(
        select(Deadline, Ticket.number, DataKey.ring_key)
        .join(Ticket, Ticket.id == Deadline.ticket_id)
        .join(DataKey, DataKey.id == Ticket.data_key_id)
        .where(*which)
        .order_by(Deadline.due_at.desc())
        .limit(limit)
    )
    known = uow.settings.secret_keys.ids
    return count or 0, [
        Item(
            what=What.STUCK_DEADLINE,
            since=row.due_at or row.started_at,
            id=row.id,
            ticket=number,
            reason="alarm_failed" if ring_key in known else "key_missing",
            kind=row.kind.value,
        )
        for row, number, ring_key in rows
    ]


LASTING = ("authentication_failed", "folder_refused", "tls_failed")


async def _mailboxes(uow: UnitOfWork, limit: int) -> tuple[int, list[Item]]:
    """Mailboxes that cannot be fetched, or not all of them; what may pass by itself from the third time."""
    wrong = or_(Mailbox.fault.in_(LASTING), Mailbox.failures > 2)
    rows = list(await uow.session.scalars(select(Mailbox).where(wrong).order_by(Mailbox.id)))
    return len(rows), [
        Item(
            what=What.MAILBOX,
            since=row.fault_since or uow.clock.machine(),
            id=row.id,
            ticket=None,
            reason=row.fault,
            kind=row.name,
        )
        for row in rows[:limit]
    ]
