"""The ledger: every message to anyone, what was tried, what became of it. Addresses are masked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from models.notifications import DeliveryAttempt, Notification, Receipt
from models.tickets import Ticket
from models.vocabulary import Lane, Medium, NotificationState
from workers.access import seen_rows
from workers.errors import NotFound
from workers.ledger import Wanted, is_walked, matching, stories
from workers.text import ERASED, mask_contact, mask_free_text
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Calling, Page, Paged, is_agent, opened, picked, reader
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.api.walking import page_walked
from workers.web.api.wording import Tell, Wording, worded
from workers.web.parts import Parts

router = Resource("/notifications", "notifications")


class NotificationShown(BaseModel):
    """One message to one person by one channel."""

    id: UUID
    kind: str = Field(examples=["csat_invitation"])
    channel: Medium
    lane: Lane
    state: NotificationState
    reason: str | None = Field(description="Why it is in this state, e.g. test_mode", examples=["opted_out"])
    reason_text: str | None = Field(description="The reason in words, by Accept-Language (en, zh)")
    ticket: str | None = Field(description="Ticket number")
    recipient: str = Field(description="Masked", examples=["138****5678"])
    to: str = Field(description="customer, staff or chat")
    created_at: datetime
    due_at: datetime | None
    expires_at: datetime | None
    sent_at: datetime | None
    tries: int
    meets: str | None = Field(description="The deadline that is met when it is accepted for delivery")


class AttemptShown(BaseModel):
    """One try to send."""

    started_at: datetime
    finished_at: datetime | None
    outcome: str | None = Field(description="null while under way")
    reason: str | None
    reason_text: str | None = Field(description="The reason in words, by Accept-Language (en, zh)")
    code: int | None
    text: str | None = Field(description="What the other side said, masked")
    host: str | None
    tls: bool | None
    seconds: float | None


class ReceiptShown(BaseModel):
    """What was heard of it later."""

    at: datetime
    source: str
    kind: str
    reason: str | None
    reason_text: str | None = Field(description="The reason in words, by Accept-Language (en, zh)")


class NotificationDetail(NotificationShown):
    """A message with its tries and receipts."""

    message_id: str | None
    locale: str
    attempts: list[AttemptShown]
    receipts: list[ReceiptShown]


class MomentShown(BaseModel):
    """Something that happened to a message."""

    at: datetime
    what: str = Field(description="made, attempt, receipt or noted (a line of the ticket's log)")
    facts: dict[str, Any] = Field(
        description="Of an attempt: outcome, reason, code, text, host, tls, seconds, claim (who had it)"
    )


class Timeline(BaseModel):
    """A message, why it was made, and what happened to it."""

    notification: NotificationShown
    to: str = Field(description="Staff number and name, or the customer's address, masked")
    why: dict[str, Any] = Field(
        description="ticket, deadline and its limit_at, survey, meets, and what tells this reason from others"
    )
    moments: list[MomentShown]


class NotificationList(Page):
    """Messages, newest first."""

    items: list[NotificationShown]


@router.get("", summary="List messages")
async def list_notifications(
    parts: Parts,
    calling: Calling,
    paging: Paged,
    tell: Wording,
    kind: str | None = None,
    state: Annotated[list[NotificationState] | None, Query()] = None,
    ticket: Annotated[str | None, Query(description="Ticket number")] = None,
    channel: Medium | None = None,
    recipient: Annotated[
        str | None, Query(description="Full mail address or phone number; looked up by keyed hash")
    ] = None,
    made_from: Annotated[Moment | None, Query(description="Made at this moment or later")] = None,
    made_before: Annotated[Moment | None, Query(description="Made before this moment")] = None,
) -> NotificationList:
    """Newest first. An agent sees those of their own tickets (row A11).

    By kind, channel or a common state alone, a page looks through 20,000 messages and may be short or empty:
    go on while there is a `next_cursor`.
    """
    wanted = Wanted(kind, tuple(state or ()), ticket, channel, recipient, made_from, made_before)
    async with parts.workshop.read() as uow:
        person = await reader(uow, calling)
        query = matching(uow, wanted).where(seen_rows(person, Notification))
        walked = is_walked(wanted) and not is_agent(person)
        rows, cursor = await page_walked(uow, query, Notification, paging, walked=walked)
        numbers = await ticket_numbers(uow, [row.ticket_id for row in rows])
        await uow.vault.warm(uow.session, [row.data_key_id for row in rows])
        items = [NotificationShown(**await shown(uow, row, numbers, tell)) for row in rows]
    return NotificationList(items=items, next_cursor=cursor)


@router.get("/{ident}", summary="Look at a message")
async def get_notification(ident: UUID, parts: Parts, tell: Wording) -> NotificationDetail:
    """With every attempt and receipt."""
    async with parts.workshop.read() as uow:
        row = await uow.session.get(Notification, ident)
        if row is None:
            raise NotFound("there is no such notification")
        attempts = await uow.session.scalars(
            select(DeliveryAttempt)
            .where(DeliveryAttempt.notification_id == ident)
            .order_by(DeliveryAttempt.id)
        )
        receipts = await uow.session.scalars(
            select(Receipt).where(Receipt.notification_id == ident).order_by(Receipt.at, Receipt.id)
        )
        numbers = await ticket_numbers(uow, [row.ticket_id])
        return NotificationDetail(
            **await shown(uow, row, numbers, tell),
            message_id=row.message_id,
            locale=row.locale,
            attempts=[_attempt(each, tell) for each in attempts],
            receipts=[
                ReceiptShown(**worded(picked(each, "at source kind reason"), tell)) for each in receipts
            ],
        )


@router.get("/{ident}/timeline", summary="The full story of a message")
async def get_timeline(ident: UUID, parts: Parts, tell: Wording) -> Timeline:
    """Why it was made, each attempt, each receipt, and what staff did about it, in order."""
    async with parts.workshop.read() as uow:
        row = await uow.session.get(Notification, ident)
        if row is None:
            raise NotFound("there is no such notification")
        (story,) = await stories(uow, [row])
        numbers = await ticket_numbers(uow, [row.ticket_id])
        return Timeline(
            notification=NotificationShown(**await shown(uow, row, numbers, tell)),
            to=story.to,
            why=story.why,
            moments=[
                MomentShown(at=each.at, what=each.what, facts=worded(each.facts, tell))
                for each in story.moments
            ],
        )


def ticket_id_of(number: str) -> Any:
    """A subquery for the id of the ticket with this number."""
    return select(Ticket.id).where(Ticket.number == number.strip().upper()).scalar_subquery()


async def ticket_numbers(uow: UnitOfWork, ids: list[UUID | None]) -> dict[UUID, str]:
    """Ticket numbers by id, in one query."""
    wanted = {ident for ident in ids if ident is not None}
    rows = await uow.session.execute(select(Ticket.id, Ticket.number).where(Ticket.id.in_(wanted)))
    return dict(rows.all())


async def shown(uow: UnitOfWork, row: Notification, numbers: dict[UUID, str], tell: Tell) -> dict[str, Any]:
    """What `NotificationShown` shows of a row; `numbers` are ticket numbers by id."""
    address = await opened(uow, row.data_key_id, row.recipient_sealed, "notifications.recipient")
    return {
        **picked(row, "id kind channel lane state reason created_at due_at expires_at sent_at tries meets"),
        "reason_text": tell(row.reason),
        "ticket": numbers.get(row.ticket_id) if row.ticket_id else None,
        "recipient": address if row.channel is Medium.CHAT or address == ERASED else mask_contact(address),
        "to": "chat" if row.channel is Medium.CHAT else "staff" if row.staff_id else "customer",
    }


def _attempt(row: DeliveryAttempt, tell: Tell) -> AttemptShown:
    text = mask_free_text(row.text) if row.text else row.text
    facts = picked(row, "started_at finished_at outcome reason code host tls seconds")
    return AttemptShown(**worded(facts, tell), text=text)
