"""What endpoints were told, and how, is kept for a while: events, deliveries and tries go by age."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, delete, func, select

from models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEvent
from workers.unit_of_work import Workshop

BATCH = 500
BREATH = 0.02
"""Seconds between two batches: whoever waits to write comes first."""


async def forget_events(workshop: Workshop, before: datetime, *, dry_run: bool = False) -> int:
    """Delete events of before this moment with all that belongs to them, in small transactions; gives how
    many. What is still to be delivered stays however old it is.
    """
    if dry_run:
        async with workshop.read() as uow:
            return await uow.session.scalar(select(func.count()).select_from(_old(before).subquery())) or 0
    count = 0
    while True:
        async with workshop.begin() as uow:
            gone = list(await uow.session.scalars(_old(before).limit(BATCH)))
            mine = select(WebhookDelivery.id).where(WebhookDelivery.event_id.in_(gone))
            for old in (
                delete(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(mine)),
                delete(WebhookDelivery).where(WebhookDelivery.event_id.in_(gone)),
                delete(WebhookEvent).where(WebhookEvent.id.in_(gone)),
            ):
                await uow.session.execute(old.execution_options(synchronize_session=False))
        count += len(gone)
        if len(gone) < BATCH:
            return count
        await asyncio.sleep(BREATH)


def _old(before: datetime) -> Select[UUID]:
    waits = select(WebhookDelivery.id).where(
        WebhookDelivery.event_id == WebhookEvent.id, WebhookDelivery.due_at.is_not(None)
    )
    return (
        select(WebhookEvent.id)
        .where(WebhookEvent.made_at < before, ~waits.exists())
        .order_by(WebhookEvent.made_at)
    )
