"""The ledger: every message to anyone, what was tried, what became of it. Addresses are masked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Select, select

from models.notifications import DeliveryAttempt, Notification, Receipt
from models.tickets import Ticket
from models.vocabulary import Lane, Medium, NotificationState
from workers.directory import normal_email, normal_phone, region_of
from workers.errors import NotFound
from workers.text import mask_contact, mask_free_text
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Page, Paged, opened, page_of, picked
from workers.web.parts import Parts

router = APIRouter(prefix="/notifications", tags=["notifications"])


class NotificationShown(BaseModel):
    """One message to one person by one channel."""

    id: UUID
    kind: str = Field(examples=["csat_invitation"])
    channel: Medium
    lane: Lane
    state: NotificationState
    reason: str | None = Field(description="Why it is in this state, e.g. test_mode", examples=["opted_out"])
    ticket: str | None = Field(description="Ticket number")
    recipient: str = Field(description="Masked", examples=["138****5678"])
    to: str = Field(description="customer or staff")
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


class NotificationDetail(NotificationShown):
    """A message with its tries and receipts."""

    message_id: str | None
    locale: str
    attempts: list[AttemptShown]
    receipts: list[ReceiptShown]


class NotificationList(Page):
    """Messages, newest first."""

    items: list[NotificationShown]


@router.get("", summary="List messages")
async def list_notifications(
    parts: Parts,
    paging: Paged,
    kind: str | None = None,
    state: Annotated[list[NotificationState] | None, Query()] = None,
    ticket: Annotated[str | None, Query(description="Ticket number")] = None,
    channel: Medium | None = None,
    recipient: Annotated[
        str | None, Query(description="Full mail address or phone number; looked up by keyed hash")
    ] = None,
) -> NotificationList:
    """Newest first."""
    async with parts.workshop.read() as uow:
        query = select(Notification)
        if kind is not None:
            query = query.where(Notification.kind == kind)
        if state:
            query = query.where(Notification.state.in_(state))
        if channel is not None:
            query = query.where(Notification.channel == channel)
        if ticket is not None:
            query = query.where(Notification.ticket_id == ticket_id_of(ticket))
        if recipient is not None:
            query = _to(uow, query, recipient)
        rows, cursor = await page_of(uow, query, Notification.id, paging)
        numbers = await ticket_numbers(uow, [row.ticket_id for row in rows])
        await uow.vault.warm(uow.session, [row.data_key_id for row in rows])
        items = [NotificationShown(**await _shown(uow, row, numbers)) for row in rows]
    return NotificationList(items=items, next_cursor=cursor)


@router.get("/{ident}", summary="Look at a message")
async def get_notification(ident: UUID, parts: Parts) -> NotificationDetail:
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
            **await _shown(uow, row, numbers),
            message_id=row.message_id,
            locale=row.locale,
            attempts=[_attempt(each) for each in attempts],
            receipts=[
                ReceiptShown(at=each.at, source=each.source, kind=each.kind, reason=each.reason)
                for each in receipts
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


def _to(uow: UnitOfWork, query: Select[Notification], recipient: str) -> Select[Notification]:
    if "@" in recipient:
        hashed = uow.vault.lookup("email", normal_email(recipient))
    else:
        hashed = uow.vault.lookup("phone", normal_phone(recipient, region_of(uow.settings.timezone)))
    return query.where(Notification.recipient_hash == hashed)


async def _shown(uow: UnitOfWork, row: Notification, numbers: dict[UUID, str]) -> dict[str, Any]:
    address = await opened(uow, row.data_key_id, row.recipient_sealed, "notifications.recipient")
    return {
        **picked(row, "id kind channel lane state reason created_at due_at expires_at sent_at tries meets"),
        "ticket": numbers.get(row.ticket_id) if row.ticket_id else None,
        "recipient": mask_contact(address),
        "to": "staff" if row.staff_id else "customer",
    }


def _attempt(row: DeliveryAttempt) -> AttemptShown:
    text = mask_free_text(row.text) if row.text else row.text
    return AttemptShown(
        **picked(row, "started_at finished_at outcome reason code host tls seconds"), text=text
    )
