"""Deletes by age what is only needed for a while: rendered messages, the raw bytes of what came in, and
closed communication records with their history.

The rows of messages and events stay: who was told what and when, and the ids by which an event is known to
have come. A message that is sent again after that is rendered anew. What has not been handled keeps its
bytes: events that are poison or still to be read, messages on their way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, delete, func, select

from models.communications import Communication, CommunicationEntry
from models.intake import IntakeBody, IntakeEvent
from models.notifications import Notification, NotificationBody
from models.vocabulary import CommunicationState, EventState
from workers.unit_of_work import Workshop
from workers.webhooks import forget_events

log = structlog.get_logger(__name__)

More = Callable[[Workshop], Awaitable[Mapping[str, int]]]
"""What layers above delete by age; gives how much of each kind."""
BATCH = 500
EVERY = timedelta(hours=1)
FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
BREATH = 0.02
"""Seconds between two batches: whoever waits to write comes first."""


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rendered messages, raw events and communication records were deleted, or would be."""

    bodies: int
    raw: int
    communications: int
    webhooks: int = 0
    """Events that were told to other systems, with their deliveries and tries."""


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
        communications=await _purge_communications(workshop, now, dry_run=dry_run),
        webhooks=await forget_events(workshop, now - timedelta(days=settings.keep_raw_days), dry_run=dry_run),
    )


def expired_before(now: datetime, keep_days: int, every_days: int) -> datetime:
    """Records closed before this moment (UTC) go. It moves on once in `every_days`, for 7 on Mondays: so an
    hourly purge deletes records once a week, without anybody noting when it last did.
    """
    period = timedelta(days=every_days)
    return FIRST_MONDAY + (now - FIRST_MONDAY) // period * period - timedelta(days=keep_days)


async def _purge_communications(workshop: Workshop, now: datetime, *, dry_run: bool) -> int:
    """What is open stays however old it is. A record goes with its history, in one transaction."""
    settings = workshop.settings
    before = expired_before(now, settings.keep_communications_days, settings.purge_communications_days)
    query = (
        select(Communication.id)
        .where(Communication.state == CommunicationState.CLOSED, Communication.closed_at < before)
        .order_by(Communication.closed_at)
    )
    if dry_run:
        async with workshop.read() as uow:
            return await uow.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    count = 0
    while True:
        async with workshop.begin() as uow:
            gone = list(await uow.session.scalars(query.limit(BATCH)))
            lines = CommunicationEntry.communication_id
            for model, key in ((Communication, Communication.id), (CommunicationEntry, lines)):
                await uow.session.execute(
                    delete(model).where(key.in_(gone)).execution_options(synchronize_session=False)
                )
            for ident in gone:
                uow.words_changed("communication", ident)
        count += len(gone)
        if len(gone) < BATCH:
            return count
        await asyncio.sleep(BREATH)


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
    """Purges at the start and then once an hour, `more` too. Several may run: they find nothing left."""

    def __init__(self, workshop: Workshop, *, every: timedelta = EVERY, more: More | None = None) -> None:
        self._workshop = workshop
        self._every = every
        self._more = more

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
            more = await self._more(self._workshop) if self._more is not None else {}
        except Exception:
            log.exception("purge_failed")
            return
        counts = {**asdict(gone), **more}
        if any(counts.values()):
            log.info("purged", **counts)
