"""News about messages we sent: accepted, failed, bounced, delivered."""

from __future__ import annotations

from uuid import UUID

from models.intake import IntakeEvent
from models.notifications import Notification
from models.vocabulary import EventState, NotificationState
from workers.delivery.receipts import notification_of_message, notification_of_provider, record_receipt
from workers.intake.bounces import Bounce
from workers.intake.filed import Filed
from workers.intake.providers.twilio import parse_status
from workers.intake.store import Event
from workers.tickets import message_accepted, message_bounced, ticket_by_id
from workers.unit_of_work import UnitOfWork

_SMS_FATES = {
    "delivered": NotificationState.DELIVERED,
    "read": NotificationState.DELIVERED,
    "undelivered": NotificationState.BOUNCED,
    "failed": NotificationState.BOUNCED,
}


async def own_event(uow: UnitOfWork, row: IntakeEvent) -> Filed:
    """What delivery has found out and the ticket must know (the id of the message leads the external id)."""
    ident = UUID(hex=row.external_id.partition(":")[0])
    if row.ticket_id is None:
        return Filed(EventState.DONE, reason="no_ticket")
    ticket = await ticket_by_id(uow, row.ticket_id)
    message = await uow.session.get_one(Notification, ident)
    if row.kind == "accepted":
        if message.sent_at is not None and message.state is not NotificationState.BOUNCED:
            await message_accepted(uow, ticket, message, message.sent_at)
    else:
        await message_bounced(uow, ticket, message, row.reason or "unknown")
    return Filed(EventState.DONE)


async def sms_status(uow: UnitOfWork, row: IntakeEvent, event: Event) -> Filed:
    """A provider's status call about an SMS. One of an unknown id is kept as a receipt of nothing."""
    status = parse_status(list(event.envelope.items()))
    fate = _SMS_FATES.get(status.state)
    if fate is None:
        return Filed(EventState.DONE, kind="receipt", reason=f"status_{status.state}")
    message = await notification_of_provider(uow, status.external_id)
    await record_receipt(
        uow,
        message,
        fate,
        source=event.source,
        external_id=f"{status.external_id}:{status.state}",
        at=row.received_at,
        reason=f"provider_{status.error_code}" if status.error_code else status.state,
    )
    return Filed(EventState.DONE, kind="receipt", ticket_id=message.ticket_id if message else None)


async def bounce_in(
    uow: UnitOfWork, row: IntakeEvent, bounce: Bounce, returned: UUID | None = None
) -> Filed:
    """A bounced mail settles the notification it belongs to; a mere delay settles nothing.

    `returned` is the notification whose return path it came to. That is signed, so it is believed before
    the Message-ID that the report tells of.
    """
    if bounce.is_delayed:
        return Filed(EventState.DONE, kind="bounce", reason="delayed")
    message = None
    if returned is not None:
        message = await uow.session.get(Notification, returned, with_for_update=True)
    elif bounce.original_message_id:
        message = await notification_of_message(uow, bounce.original_message_id)
    if message is None:
        return Filed(EventState.DONE, kind="bounce", reason="of_no_known_message")
    await record_receipt(
        uow,
        message,
        NotificationState.BOUNCED,
        source="bounce",
        external_id=f"{message.id.hex}:{row.external_id}",
        at=row.received_at,
        reason=bounce.status or bounce.reason or "bounced",
    )
    return Filed(EventState.DONE, kind="bounce", ticket_id=message.ticket_id)
