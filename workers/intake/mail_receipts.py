"""What a mail provider reports of a mail we sent: finds the notification and says it in our words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from models.intake import IntakeEvent
from models.notifications import Notification
from models.tickets import Ticket, TicketMessage
from models.vocabulary import EventState, Medium, NotificationState
from workers import suppressions, tickets
from workers.channels.smtp_codes import Step, judge
from workers.delivery.identity import returned_notification
from workers.delivery.receipts import notification_of_message, notification_of_provider, record_receipt
from workers.intake.filed import Filed, NotYet
from workers.intake.providers.mail.port import (
    BOUNCED,
    COMPLAINED,
    DELIVERED,
    UNSUBSCRIBED,
    MailReceipt,
    receipt_of,
)
from workers.intake.store import Event
from workers.unit_of_work import UnitOfWork

HOLD = timedelta(hours=24)
"""How long a receipt waits for what it speaks of."""

_STATES = {
    DELIVERED: NotificationState.DELIVERED,
    BOUNCED: NotificationState.BOUNCED,
    COMPLAINED: NotificationState.COMPLAINED,
}


async def mail_receipt(uow: UnitOfWork, row: IntakeEvent, event: Event) -> Filed:
    """Settle the notification that a receipt speaks of. Raises NotYet while it may become known.

    One of a mail that is not ours (others may send over the same account) is filed and changes nothing.
    """
    receipt = receipt_of(event.envelope)
    message = await _message(uow, receipt)
    if message is None and _may_come(uow, row, receipt):
        raise NotYet("nothing is known to be sent under this id yet")
    if message is None:
        return Filed(EventState.DONE, kind="receipt", reason="of_no_known_message")
    await _remember_names(uow, message, receipt)
    state = _STATES.get(receipt.fate)
    if state is not None:
        await record_receipt(
            uow,
            message,
            state,
            source=event.source,
            external_id=receipt.key,
            at=row.received_at,
            reason="" if state is NotificationState.DELIVERED else _reason(receipt),
        )
    if receipt.fate == UNSUBSCRIBED:
        await _unsubscribe(uow, message)
    reason = None if state is not None else receipt.fate
    return Filed(EventState.DONE, kind="receipt", reason=reason, ticket_id=message.ticket_id)


async def _message(uow: UnitOfWork, receipt: MailReceipt) -> Notification | None:
    """By what we wrote into the mail and signed first, by what the provider calls it last."""
    ident = returned_notification(uow.vault, uow.settings, [receipt.return_path]) or _ident(receipt.echo)
    if ident is not None:
        found = await uow.session.get(Notification, ident, with_for_update=True)
        if found is not None:
            return found
    for message_id in receipt.message_ids:
        found = await notification_of_message(uow, message_id)
        if found is not None:
            return found
    return await notification_of_provider(uow, receipt.provider_id) if receipt.provider_id else None


def _ident(echo: str) -> UUID | None:
    try:
        return UUID(hex=echo) if echo else None
    except ValueError:
        return None


def _may_come(uow: UnitOfWork, row: IntakeEvent, receipt: MailReceipt) -> bool:
    """Our own ids exist before a mail leaves; only the provider's may be recorded later than it calls."""
    only_theirs = bool(receipt.provider_id) and not receipt.message_ids
    return only_theirs and uow.clock.now() < row.received_at + HOLD


async def _remember_names(uow: UnitOfWork, message: Notification, receipt: MailReceipt) -> None:
    """A provider that replaces our Message-ID: answers will name its own."""
    if message.ticket_id is None or not receipt.known_as:
        return
    ticket = await tickets.ticket_by_id(uow, message.ticket_id)
    for name in _bracketed(receipt.known_as):
        # Every event of a mail tells the name; only the first one finds it new.
        if await uow.session.get(TicketMessage, uow.vault.lookup("message-id", name)) is None:
            await tickets.remember_message(uow, ticket, name)


def _bracketed(names: Iterable[str]) -> Iterable[str]:
    return (f"<{name.strip().strip('<>')}>" for name in names if name.strip("<> "))


def _reason(receipt: MailReceipt) -> str:
    """Our word for why: the provider's own where it is unambiguous, else as for a refusal in the dialogue."""
    if receipt.reason or receipt.fate == COMPLAINED:
        return receipt.reason or "complaint"
    told = receipt.code if 400 <= receipt.code < 600 else 0
    code = told or (450 if receipt.status.startswith("4") else 550)
    words = receipt.words
    if receipt.status and receipt.status not in words[:40]:
        words = f"{receipt.status} {words}"
    return judge(Step.DOT, code, words.strip())[1]


async def _unsubscribe(uow: UnitOfWork, message: Notification) -> None:
    """By the provider's own link: it means what our link in a survey means."""
    if message.customer_id is None:
        return
    ticket: Ticket | None = None
    if message.ticket_id is not None:
        ticket = await tickets.ticket_by_id(uow, message.ticket_id)
    await suppressions.suppress(
        uow, message.recipient_hash, Medium.EMAIL, "opted_out", message=message, ticket=ticket
    )
