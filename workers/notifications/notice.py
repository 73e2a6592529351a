"""One notice to one person becomes one row, once per reason; what is not sent gets its reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update

from models.base import new_id
from models.links import Link
from models.notifications import Notification
from models.tickets import Ticket, TicketMessage
from models.vocabulary import Lane, Medium, NotificationState
from workers.directory import known_names, without_names
from workers.links import reply_token
from workers.notifications.brake import LOOP_BRAKE, braked
from workers.notifications.recipients import Recipient, address_hash
from workers.unit_of_work import UnitOfWork

CANCELLABLE = (NotificationState.QUEUED, NotificationState.RETRYING)


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told and why. `fact`, `generation` and `rung` make the reason: the same reason tells once.

    `due_at` (default now) and `expires_at` are promise time. `links` maps a name in the template to the
    link to mint at rendering: {"purpose": …, "subject": uuid-string, "hours": int, "single_use": bool}, or
    to a page behind the sign-in: {"page": "/console/…"}; None leaves it out.
    `meets` names the deadline kind that is met when this message is accepted for delivery. `silenced` is the
    reason why it must not be sent: the row is written all the same, because every silence has a reason.
    `merged` says that another mail of this moment tells the person already. What belongs to no ticket names
    the `data_key_id` under which it is sealed.
    """

    kind: str
    fact: str
    ticket: Ticket | None
    generation: int = 1
    rung: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    links: Mapping[str, dict[str, Any] | None] = field(default_factory=dict)
    lane: Lane = Lane.NORMAL
    due_at: datetime | None = None
    expires_at: datetime | None = None
    meets: str | None = None
    deadline_id: UUID | None = None
    survey_id: UUID | None = None
    silenced: str | None = None
    merged: bool = False
    data_key_id: UUID | None = None


async def notify(
    uow: UnitOfWork, to: Recipient, notice: Notice, *, digest: Notification | None = None
) -> Notification | None:
    """Write the row (and ring when the transaction commits). None when this reason was told already.

    With `digest` it is a line of that mail and is not sent by itself.

    In test mode messages to anybody but staff are kept as `held` with the reason `test_mode`; going live
    never releases them.
    """
    person = to.staff_id or to.customer_id or address_hash(uow, to).hex()[:32]
    ident = new_id()
    ticket = notice.ticket
    data_key_id = ticket.data_key_id if ticket else notice.data_key_id
    assert data_key_id is not None
    sealer = await uow.vault.sealer(uow.session, data_key_id)
    now = uow.clock.now()
    if notice.silenced is None and await braked(uow, to, notice.kind, ticket):
        notice = replace(notice, silenced=LOOP_BRAKE)
    state, reason = _first_state(uow, to, notice)
    if digest is not None and state is NotificationState.QUEUED:
        state, reason = NotificationState.MERGED, digest.kind
    waits = state is NotificationState.QUEUED
    told = notice.facts
    if ticket is not None and not to.is_customer:
        # Here and nowhere else: whatever a step tells staff, the customer's own name is masked in it.
        told = without_names(told, await known_names(uow, ticket.customer_id))
    facts = {
        **told,
        "recipient": {"name": to.name, "kind": "customer" if to.is_customer else "staff"},
    }
    row = Notification(
        id=ident,
        key=f"{notice.kind}:{notice.fact}:{notice.generation}:{notice.rung}:{person}:{to.channel.value}",
        kind=notice.kind,
        channel=to.channel,
        lane=notice.lane,
        state=state,
        reason=reason,
        created_at=now,
        due_at=(notice.due_at or now) if waits else None,
        expires_at=notice.expires_at,
        ticket_id=ticket.id if ticket else None,
        deadline_id=notice.deadline_id,
        survey_id=notice.survey_id,
        staff_id=to.staff_id,
        customer_id=to.customer_id,
        meets=notice.meets,
        digest_id=digest.id if digest is not None and state is NotificationState.MERGED else None,
        data_key_id=data_key_id,
        recipient_sealed=sealer.seal(to.address, "notifications.recipient"),
        recipient_hash=address_hash(uow, to),
        locale=to.locale,
        facts_sealed=sealer.seal_json(facts, "notifications.facts"),
        links=dict(notice.links),
        message_id=f"<{ident.hex}@{uow.settings.mail_domain}>" if to.channel is Medium.EMAIL else None,
    )
    if not await uow.insert_new(row):
        return None
    if to.channel is Medium.EMAIL and ticket is not None and state is not NotificationState.MERGED:
        await _remember_thread(uow, row, to)
    if row.due_at is not None:
        uow.ring("delivery", row.lane, row.due_at)
    return row


def _first_state(uow: UnitOfWork, to: Recipient, notice: Notice) -> tuple[NotificationState, str | None]:
    if notice.silenced:
        return NotificationState.SUPPRESSED, notice.silenced
    if notice.merged:
        return NotificationState.MERGED, "told_just_now"
    if to.is_customer and uow.settings.mode == "test":
        return NotificationState.HELD, "test_mode"
    return NotificationState.QUEUED, None


async def _remember_thread(uow: UnitOfWork, row: Notification, to: Recipient) -> None:
    """So that an answer finds the ticket: by Message-ID, and by the recipient's reply address."""
    assert row.ticket_id is not None
    assert row.message_id is not None
    hashed = uow.vault.lookup("message-id", row.message_id)
    await uow.insert_new(TicketMessage(message_hash=hashed, ticket_id=row.ticket_id))
    person = to.staff_id or to.customer_id
    assert person is not None
    token = reply_token(uow.vault, row.ticket_id, person)
    await uow.insert_new(
        Link(
            id=new_id(),
            token_hash=uow.vault.token_hash(token),
            purpose="reply",
            ticket_id=row.ticket_id,
            staff_id=to.staff_id,
            customer_id=to.customer_id,
            created_at=row.created_at,
        )
    )


async def cancel(
    uow: UnitOfWork, reason: str, *, deadline_ids: Collection[UUID] = (), ids: Collection[UUID] = ()
) -> int:
    """Suppress what has not begun to be sent, with its reason; gives how many. What is claimed goes out."""
    if not deadline_ids and not ids:
        return 0
    which = Notification.id.in_(ids) if ids else Notification.deadline_id.in_(deadline_ids)
    result = await uow.session.execute(
        update(Notification)
        .where(which, Notification.state.in_(CANCELLABLE))
        .values(
            state=NotificationState.SUPPRESSED, reason=reason, due_at=None, free_at=None, lease_token=None
        )
        .execution_options(synchronize_session=False)
    )
    return int(getattr(result, "rowcount", 0))
