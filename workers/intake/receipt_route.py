"""News about messages we sent: accepted, failed, bounced, delivered."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from models.intake import IntakeEvent
from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import EventState, NotificationState
from workers import rungs, suppressions, surveys
from workers.channels.sms.codes import receipt_reason
from workers.channels.smtp_codes import Step, judge
from workers.delivery.digests import DIGEST
from workers.delivery.identity import returned_notification
from workers.delivery.receipts import notification_of_message, notification_of_provider, record_receipt
from workers.errors import Unavailable
from workers.intake.bounces import Bounce
from workers.intake.complaints import Complaint
from workers.intake.filed import Filed
from workers.intake.providers.sms.registry import read_status
from workers.intake.store import Event
from workers.tickets import message_accepted, message_bounced, ticket_by_id
from workers.unit_of_work import UnitOfWork

EARLY_TRIES = 5
"""A status may be faster than our own record of the sending: it is looked at again for a minute or so."""
_SMS_FATES = {
    "delivered": NotificationState.DELIVERED,
    "read": NotificationState.DELIVERED,
    "undelivered": NotificationState.BOUNCED,
    "failed": NotificationState.BOUNCED,
}


async def own_event(uow: UnitOfWork, row: IntakeEvent) -> Filed:
    """What delivery has found out and the ticket must know (the id of the message leads the external id)."""
    ident = UUID(hex=row.external_id.partition(":")[0])
    reason = row.reason or "unknown"
    if row.ticket_id is None:
        digest = await uow.session.get(Notification, ident)
        if digest is not None and digest.kind == DIGEST and row.kind not in ("accepted", "complained"):
            await rungs.digest_broken(uow, digest, reason)
        return Filed(EventState.DONE, reason="no_ticket")
    ticket = await ticket_by_id(uow, row.ticket_id)
    message = await uow.session.get_one(Notification, ident)
    match row.kind:
        case "accepted":
            if message.sent_at is not None and message.state is not NotificationState.BOUNCED:
                await message_accepted(uow, ticket, message, message.sent_at)
        case "complained":
            await _hold_back(uow, ticket, message, "complaint")
        case "suppressed" if message.survey_id is not None:
            await surveys.held_back(uow, ticket, message, reason)
            await surveys.way_failed(uow, ticket, message, reason)
        case "suppressed":
            await message_bounced(uow, ticket, message, reason)
        case _:
            await message_bounced(uow, ticket, message, reason)
            await _hold_back(uow, ticket, message, suppressions.reason_for(reason))
            await rungs.rung_broken(uow, ticket, message, reason)
            await surveys.way_failed(uow, ticket, message, reason)
    return Filed(EventState.DONE)


async def _hold_back(uow: UnitOfWork, ticket: Ticket, message: Notification, why: str | None) -> None:
    """Write no more to an address that does not exist or does not want us; never so for staff."""
    if why is None or message.customer_id is None:
        return
    await suppressions.suppress(
        uow, message.recipient_hash, message.channel, why, message=message, ticket=ticket
    )


async def sms_status(uow: UnitOfWork, row: IntakeEvent, event: Event) -> Filed:
    """A provider's status call about an SMS. One of an unknown id is kept as a receipt of nothing."""
    status = read_status(event.source, event.envelope)
    fate = _SMS_FATES.get(status.state)
    if fate is None:
        return Filed(EventState.DONE, kind="receipt", reason=f"status_{status.state}")
    arrived = fate is NotificationState.DELIVERED
    reason = "" if arrived else receipt_reason(event.source, status.error_code, status.state)
    message = await notification_of_provider(uow, status.external_id)
    if message is None and row.tries <= EARLY_TRIES:
        raise Unavailable("nothing is known to be sent under this id yet")
    await record_receipt(
        uow,
        message,
        fate,
        source=event.source,
        external_id=f"{status.external_id}:{status.state}",
        at=row.received_at,
        reason=reason,
    )
    return Filed(EventState.DONE, kind="receipt", ticket_id=message.ticket_id if message else None)


NO_FAILURE = ("delivered", "relayed", "expanded")
"""What a report may tell of besides failure and delay (RFC 3464 section 2.3.3)."""


async def bounce_in(uow: UnitOfWork, row: IntakeEvent, bounce: Bounce, returned: UUID | None = None) -> Filed:
    """A bounced mail settles the notification it belongs to; a mere delay settles nothing.

    `returned` is the notification whose return path it came to. That is signed, so it is believed before
    the Message-ID that the report tells of.
    """
    if bounce.is_delayed or bounce.action in NO_FAILURE:
        return Filed(EventState.DONE, kind="bounce", reason="delayed" if bounce.is_delayed else bounce.action)
    message = await _told_of(uow, returned, bounce.original_message_id)
    if message is None:
        return Filed(EventState.DONE, kind="bounce", reason="of_no_known_message")
    await record_receipt(
        uow,
        message,
        NotificationState.BOUNCED,
        source="bounce",
        external_id=f"{message.id.hex}:{row.external_id}",
        at=row.received_at,
        reason=_reason_of(bounce),
    )
    return Filed(EventState.DONE, kind="bounce", ticket_id=message.ticket_id)


async def _told_of(uow: UnitOfWork, returned: UUID | None, message_id: str) -> Notification | None:
    """The notification that a report is about, for this transaction alone until it ends."""
    if returned is not None:
        return await uow.session.get(Notification, returned, with_for_update=True)
    return await notification_of_message(uow, message_id) if message_id else None


def _reason_of(bounce: Bounce) -> str:
    """Our word for why it came back, as for a refusal in the dialogue: the other side's words name people."""
    code = 450 if bounce.status.startswith("4") else 550
    return judge(Step.DOT, code, f"{bounce.status} {bounce.reason}".strip())[1]


async def complaint_in(
    uow: UnitOfWork, row: IntakeEvent, complaint: Complaint, addresses: Iterable[str]
) -> Filed:
    """A feedback report (RFC 5965): the recipient called our mail spam, and gets no more of it.

    Many take the Message-ID out of what they report. Then it is known by the return path, which is signed,
    and stands in the report, in the copy, or among the `addresses` that the report was sent to.
    """
    if not complaint.unwanted:
        return Filed(EventState.DONE, kind="complaint", reason=complaint.feedback_type)
    paths = (complaint.original_mail_from, *addresses)
    returned = returned_notification(uow.vault, uow.settings, paths)
    message = await _told_of(uow, returned, complaint.original_message_id)
    if message is None:
        return Filed(EventState.DONE, kind="complaint", reason="of_no_known_message")
    await record_receipt(
        uow,
        message,
        NotificationState.COMPLAINED,
        source="complaint",
        external_id=f"{message.id.hex}:{row.external_id}",
        at=row.received_at,
        reason="complaint",
    )
    return Filed(EventState.DONE, kind="complaint", ticket_id=message.ticket_id)
