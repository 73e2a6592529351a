"""How old what goes by age is, by kind; what should have gone and has not: then nothing purges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select

from models.access import SignIn, StaffSession
from models.communications import Communication
from models.intake import IntakeBody, IntakeEvent
from models.notifications import Notification, NotificationBody
from models.people import Customer
from models.privacy import AuditEntry, AuditSeal
from models.vocabulary import CommunicationState, EventState
from models.webhooks import WebhookDelivery, WebhookEvent
from workers.privacy.retention import SIGN_INS, asks_no_more
from workers.purge import EVERY, expired_before
from workers.settings import Settings
from workers.unit_of_work import Workshop

PATIENCE = 3 * EVERY
"""The purge comes once an hour; what is still there so long after its time was missed."""


@dataclass(frozen=True, slots=True)
class Age:
    """`oldest` (UTC) is since when the oldest that may go lies there; `late`: it should have gone.

    Of sign-ins and sessions it is their end, of customers when they came. What is open or on its way has
    no age.
    """

    what: str
    keep_days: int
    oldest: datetime | None
    late: bool


async def ages(workshop: Workshop) -> list[Age]:
    """Each kind that goes by age; of customers, where these go, only those who should have gone already."""
    now, found = workshop.clock.now(), []
    days = keep_days(workshop.settings)
    async with workshop.read() as uow:
        for what, query in _oldest().items():
            oldest = await uow.session.scalar(query)
            period = workshop.settings.purge_communications_days if what == "communications" else 0
            before = now - PATIENCE - timedelta(days=days[what])
            if period:
                before = expired_before(now - PATIENCE, days[what], period)
            found.append(Age(what, days[what], oldest, oldest is not None and oldest < before))
        if (keep := workshop.settings.keep_customers_days) is not None:
            late = asks_no_more(now - PATIENCE - timedelta(days=keep))
            oldest = await uow.session.scalar(select(func.min(Customer.created_at)).where(late))
            found.append(Age("customers", keep, oldest, oldest is not None))
    return found


def keep_days(settings: Settings) -> Mapping[str, int]:
    """For how many days each kind is kept."""
    return {
        "bodies": settings.keep_bodies_days,
        "raw": settings.keep_raw_days,
        "communications": settings.keep_communications_days,
        "webhooks": settings.keep_raw_days,
        "audit": settings.keep_audit_days,
        "audit_addresses": settings.keep_audit_details_days,
        "sign_ins": SIGN_INS.days,
        "sessions": SIGN_INS.days,
    }


def _oldest() -> Mapping[str, Select[Any]]:
    waits = select(WebhookDelivery.id).where(
        WebhookDelivery.event_id == WebhookEvent.id, WebhookDelivery.due_at.is_not(None)
    )
    return {
        "bodies": select(func.min(NotificationBody.made_at))
        .join(Notification, Notification.id == NotificationBody.notification_id)
        .where(Notification.due_at.is_(None)),
        "raw": select(func.min(IntakeEvent.received_at))
        .join(IntakeBody, IntakeEvent.id == IntakeBody.event_id)
        .where(IntakeEvent.due_at.is_(None), IntakeEvent.state != EventState.POISON),
        "communications": select(func.min(Communication.closed_at)).where(
            Communication.state == CommunicationState.CLOSED
        ),
        "webhooks": select(func.min(WebhookEvent.made_at)).where(~waits.exists()),
        "audit": select(func.min(AuditSeal.at)).where(AuditSeal.leaves.is_not(None)),
        "audit_addresses": select(func.min(AuditEntry.at)).where(AuditEntry.details_sealed.is_not(None)),
        "sign_ins": select(func.min(SignIn.expires_at)),
        "sessions": select(func.min(StaffSession.expires_at)),
    }
