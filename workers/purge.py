"""Deletes by age what is only needed for a while: rendered messages, and the raw bytes of what came in.

The rows themselves stay: who was told what and when, and the ids by which an event is known to have come. A
message that is sent again after that is rendered anew. What has not been handled keeps its bytes: events that
are poison or still to be read, messages on their way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, delete, select

from models.intake import IntakeBody, IntakeEvent
from models.notifications import Notification, NotificationBody
from models.vocabulary import EventState
from workers.unit_of_work import Workshop

log = structlog.get_logger(__name__)

BATCH = 500
EVERY = timedelta(hours=1)
BREATH = 0.02
"""Seconds between two batches: whoever waits to write comes first."""


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rendered messages and raw events were deleted, or would be."""

    bodies: int
    raw: int


async def purge(workshop: Workshop, *, dry_run: bool = False) -> Purged:
    """Delete what is older than the settings keep it, in small transactions; `dry_run` only counts."""
    settings, now = workshop.settings, workshop.clock.now()
    bodies = (
        select(NotificationBody.notification_id, NotificationBody.made_at)
        .join(Notification, Notification.id == NotificationBody.notification_id)
        .where(Notification.due_at.is_(None))
    )
    raw = (
        select(IntakeBody.event_id, IntakeEvent.received_at)
        .join(IntakeEvent, IntakeEvent.id == IntakeBody.event_id)
        .where(IntakeEvent.due_at.is_(None), IntakeEvent.state != EventState.POISON)
    )
    return Purged(
        bodies=await _purge(
            workshop,
            bodies,
            NotificationBody.notification_id,
            now - timedelta(days=settings.keep_bodies_days),
            dry_run=dry_run,
        ),
        raw=await _purge(
            workshop,
            raw,
            IntakeBody.event_id,
            now - timedelta(days=settings.keep_raw_days),
            dry_run=dry_run,
        ),
    )


async def _purge(
    workshop: Workshop,
    query: Select[UUID, datetime],
    key: Any,
    before: datetime,
    *,
    dry_run: bool,
) -> int:
    """Walk from the oldest id on and stop at the first batch without anything old.

    Ids are made in the order of time, so this needs no index of its own and reads no further than it must.
    """
    count, last = 0, None
    while True:
        batch = query.order_by(key).limit(BATCH)
        if last is not None:
            batch = batch.where(key > last)
        async with workshop.read() if dry_run else workshop.begin() as uow:
            rows = (await uow.session.execute(batch)).all()
            old = [ident for ident, made in rows if made < before]
            if old and not dry_run:
                await uow.session.execute(
                    delete(key.class_).where(key.in_(old)).execution_options(synchronize_session=False)
                )
        count += len(old)
        if not old or len(rows) < BATCH:
            return count
        last = rows[-1][0]
        await asyncio.sleep(BREATH)


class Housekeeping:
    """Purges at the start and then once an hour. Several may run: they find nothing left to do."""

    def __init__(self, workshop: Workshop, *, every: timedelta = EVERY) -> None:
        self._workshop = workshop
        self._every = every

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Errors of the database are logged, and it is tried again an hour later."""
        while not stop.is_set():
            await self.round()
            try:
                await asyncio.wait_for(stop.wait(), self._every.total_seconds())
            except TimeoutError:
                continue

    async def round(self) -> None:
        """One purge. Never raises but for cancellation."""
        try:
            gone = await purge(self._workshop)
        except Exception:
            log.exception("purge_failed")
            return
        if gone.bodies or gone.raw:
            log.info("purged", bodies=gone.bodies, raw=gone.raw)
