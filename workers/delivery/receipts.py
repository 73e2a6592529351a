"""What is heard later of a message that had been sent: delivered, bounced, complained of."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from models.base import new_id
from models.notifications import DeliveryAttempt, Notification, Receipt
from models.vocabulary import NotificationState
from workers.delivery.outcome import delivery_event
from workers.errors import Unavailable
from workers.promises import settle
from workers.unit_of_work import UnitOfWork

_RANK = {
    NotificationState.SENT: 1,
    NotificationState.UNKNOWN: 1,
    NotificationState.RETRYING: 1,
    NotificationState.DELIVERED: 2,
    NotificationState.BOUNCED: 3,
    NotificationState.COMPLAINED: 4,
}

_TOLD_ABOVE = (NotificationState.BOUNCED, NotificationState.COMPLAINED)


async def notification_of_message(uow: UnitOfWork, message_id: str) -> Notification | None:
    """The notification that was sent with this Message-ID; ours carry the row's id in front of the @."""
    local = message_id.strip().strip("<>").partition("@")[0]
    try:
        ident = UUID(hex=local)
    except ValueError:
        return None
    row = await uow.session.get(Notification, ident, with_for_update=True)
    return row if row is not None and row.message_id == f"<{message_id.strip().strip('<>')}>" else None


async def notification_of_provider(uow: UnitOfWork, provider_id: str) -> Notification | None:
    """The notification that a provider knows by this id."""
    query = select(DeliveryAttempt.notification_id).where(DeliveryAttempt.provider_id == provider_id)
    ident = await uow.session.scalar(query.limit(1))
    return await uow.session.get(Notification, ident, with_for_update=True) if ident else None


async def record_receipt(
    uow: UnitOfWork,
    row: Notification | None,
    kind: NotificationState,
    *,
    source: str,
    external_id: str,
    at: datetime,
    reason: str = "",
) -> bool:
    """Write a receipt once and move the message's state forward, never back. False: it was known already.

    Raises Unavailable while the message is on the wire: the receipt is faster than our own record.

    A bounce goes back up as an event, since what the message had met is undone by it; so does a complaint.
    """
    if row is not None and row.state is NotificationState.SENDING:
        raise Unavailable("the sending of this message has not been recorded yet")
    receipt = Receipt(
        id=new_id(),
        source=source,
        external_id=external_id[:160],
        notification_id=row.id if row else None,
        at=at,
        kind=kind.value,
        reason=reason[:64] or None,
    )
    if not await uow.insert_new(receipt):
        return False
    if row is None or _RANK.get(row.state, 0) == 0 or _RANK[row.state] >= _RANK[kind]:
        return True
    row.state, row.reason = kind, reason[:64] or None
    settle(row)
    if kind in _TOLD_ABOVE:
        event = delivery_event(row, kind.value, receipt.id.hex, row.reason, uow.clock.now())
        if await uow.insert_new(event):
            uow.ring("intake", event.lane, uow.clock.now())
    return True
