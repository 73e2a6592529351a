"""Work off stored events: one transaction each; poison is kept raw with its reason and can be run again."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, select

from models.crypto import UnknownKey
from models.intake import IntakeBody, IntakeEvent
from models.vocabulary import EventState, Lane
from workers.errors import CloseloopError
from workers.intake import mail_route, receipt_route
from workers.intake.claims import Claimed, kept
from workers.intake.fetching import Fetcher
from workers.intake.filed import Filed, NotYet, file_event
from workers.intake.guard import DEFAULT_LIMITS, QUICK_LIMITS, Limits, TooSlow
from workers.intake.mail import InboundMail, parse_mail
from workers.intake.mail_receipts import mail_receipt
from workers.intake.outside import Outside
from workers.intake.provider_mail import FETCHED, confirm, mail_bytes
from workers.intake.providers.mail.registry import PROVIDERS
from workers.intake.sms_parts import hold_message, sms_or_part
from workers.intake.store import Event, load
from workers.intake.together import file_together
from workers.promises import claim, pause, release, retry_pause, settle
from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

BATCH = 50
BIG = 256 * 1024
SHARE_SECONDS = 2.0
"""How long the big mails of a batch may keep others waiting."""
LEASE = timedelta(seconds=30)
"""How long the events of a worker that died wait; renewed while it lives (`workers.intake.claims`)."""
MOST_TRIES = 8
MOST_DEATHS = 3
WORKER_LOST = "worker_lost"
OWN_SOURCE = "delivery"
KEY_MISSING = "key_missing"
LONGEST_HELD = timedelta(days=3)
LONGEST_LOOK = 3600.0
"""Seconds between two looks at what is held, at most."""


async def work_off(workshop: Workshop, lane: Lane, outside: Outside | None = None) -> int:
    """Handle a batch of stored events; gives how many were claimed (BATCH: ring again).

    Oldest first, but big mails, and those that are to be fetched, after all others, since reading one takes
    longer than handling all the rest; when those have had their share of time, what is left of them waits
    until others have been looked for. `outside` gets what some providers' webhooks only name.
    """
    outside = outside or Outside(Fetcher())
    async with workshop.begin() as uow:
        rows = await claim(uow, IntakeEvent, lane, limit=BATCH, lease=LEASE)
        slow = await _slow(uow, rows) if len(rows) > 1 else set()
        claimed = [(row.id, row.lease_token) for row in rows]
        doubtful = {row.id for row in rows if row.tries > MOST_TRIES}
    if claimed:
        async with kept(workshop, claimed, LEASE):
            left = await _work_off(workshop, outside, claimed, slow, doubtful)
            if left:
                await _give_back(workshop, lane, left)
    return len(rows)


async def _work_off(
    workshop: Workshop, outside: Outside, claimed: Sequence[Claimed], slow: set[UUID], doubtful: set[UUID]
) -> Sequence[Claimed]:
    """Handle what is claimed; gives what there was no time for."""
    plain = [each for each in claimed if each[0] not in slow | doubtful]
    done = await file_together(workshop, outside, plain)
    left = [each for each in claimed if each[0] not in done]
    waiting = deque(sorted(left, key=lambda each: (each[0] in doubtful, each[0] in slow)))
    ends: float | None = None
    while waiting and not (ends and time.monotonic() > ends):
        if waiting[0][0] in slow and ends is None:
            ends = time.monotonic() + SHARE_SECONDS
        each = waiting.popleft()
        if each[0] not in doubtful or await _may_be_tried(workshop, *each):
            await _handle(workshop, outside, *each)
    return waiting


async def _give_back(workshop: Workshop, lane: Lane, claimed: Iterable[Claimed]) -> None:
    async with workshop.begin() as uow:
        for ident, token in claimed:
            row = await _ours(uow, ident, token)
            if row is not None:
                release(row)
        uow.ring("intake", lane, uow.clock.now())


async def _slow(uow: UnitOfWork, rows: Sequence[IntakeEvent]) -> set[UUID]:
    """Which of these events are to be fetched or have long bodies; their bytes are not read for it."""
    idents = [row.id for row in rows]
    found = await uow.session.scalars(
        select(IntakeBody.event_id).where(
            IntakeBody.event_id.in_(idents), func.length(IntakeBody.raw_sealed) > BIG
        )
    )
    return {*found, *(row.id for row in rows if row.source in FETCHED and row.kind == "mail")}


async def _may_be_tried(workshop: Workshop, ident: UUID, token: UUID | None) -> bool:
    """Whether an event that was claimed more often than those that are seen to fail may be handled once more.

    Workers died while they had it, with up to fifty others. So it is noted down that it is alone now; what a
    worker died over several times when it was alone is laid aside.
    """
    async with workshop.begin() as uow:
        row = await _ours(uow, ident, token)
        if row is None:
            return False
        before, _, times = (row.reason or "").rpartition("_")
        deaths = int(times) if before == WORKER_LOST and times.isdecimal() else 0
        if deaths >= MOST_DEATHS:
            _poison(row, WORKER_LOST)
            return False
        row.reason = f"{WORKER_LOST}_{deaths + 1}"
        return True


async def _handle(workshop: Workshop, outside: Outside, ident: UUID, token: UUID | None) -> None:
    try:
        event, mail = await _read(workshop, outside, ident)
        trace = await _trace_of(workshop, ident)
        with workshop.tracer.span("intake", trace, source=event.source if event else OWN_SOURCE):
            async with workshop.begin() as uow:
                await hold_message(uow, event)
                row = await _ours(uow, ident, token)
                if row is not None:
                    file_event(uow, row, await _route(uow, row, event, mail))
    except TooSlow as error:
        if not await _put_behind(workshop, ident, token):
            await _fail(workshop, ident, token, error.message, again=False)
    except UnknownKey as error:
        log.warning("key_missing", event_id=str(ident), error=str(error))
        await _fail(workshop, ident, token, KEY_MISSING, again=True)
    except NotYet as error:
        await _hold(workshop, ident, token, error.message)
    except CloseloopError as error:
        await _fail(workshop, ident, token, error.message, again=error.retryable)
    except Exception as error:
        log.exception("event_failed", event_id=str(ident))
        await _fail(workshop, ident, token, type(error).__name__, again=True)


async def _trace_of(workshop: Workshop, ident: UUID) -> str | None:
    """The trace that an event came in by; not asked for while nobody wants traces."""
    if not workshop.tracer.on:
        return None
    async with workshop.read() as uow:
        return await uow.session.scalar(select(IntakeEvent.trace).where(IntakeEvent.id == ident))


async def _read(workshop: Workshop, outside: Outside, ident: UUID) -> tuple[Event | None, InboundMail | None]:
    """Open and parse outside of any write transaction; parsing may take a moment, so it runs in a thread.

    Only in the bulk lane it may take its full time: fifty mails made to be slow would stop the desk for
    more than a minute. Raises TooSlow.
    """
    async with workshop.read() as uow:
        row = await uow.session.get_one(IntakeEvent, ident)
        event = None if row.source == OWN_SOURCE else await load(uow, row)
    if event is not None and event.kind == "confirmation":
        await asyncio.to_thread(confirm, event, outside)
    if event is None or event.kind != "mail":
        return event, None
    limits = DEFAULT_LIMITS if row.lane is Lane.BULK else QUICK_LIMITS
    return event, await asyncio.to_thread(_parsed, workshop, outside, event, limits)


def _parsed(workshop: Workshop, outside: Outside, event: Event, limits: Limits) -> InboundMail:
    return parse_mail(mail_bytes(event, workshop.settings.email_hooks, outside), limits)


async def _put_behind(workshop: Workshop, ident: UUID, token: UUID | None) -> bool:
    """Leave a slow mail to the bulk lane; False when it is there already."""
    async with workshop.begin() as uow:
        row = await _ours(uow, ident, token)
        if row is not None and row.lane is Lane.BULK:
            return False
        if row is not None:
            row.lane = Lane.BULK
            release(row)
            uow.ring("intake", row.lane, uow.clock.now())
    return True


async def _ours(uow: UnitOfWork, ident: UUID, token: UUID | None) -> IntakeEvent | None:
    """The event, held, if the lease is still ours."""
    return await uow.session.scalar(
        select(IntakeEvent).where(IntakeEvent.id == ident, IntakeEvent.lease_token == token).with_for_update()
    )


async def _route(uow: UnitOfWork, row: IntakeEvent, event: Event | None, mail: InboundMail | None) -> Filed:
    if event is None:
        return await receipt_route.own_event(uow, row)
    if mail is not None:
        return await mail_route.mail_in(uow, row, event, mail)
    if event.source in PROVIDERS:
        return await _from_mail_provider(uow, row, event)
    if event.kind == "receipt":
        return await receipt_route.sms_status(uow, row, event)
    return await sms_or_part(uow, row, event)


async def _from_mail_provider(uow: UnitOfWork, row: IntakeEvent, event: Event) -> Filed:
    if event.kind == "receipt":
        return await mail_receipt(uow, row, event)
    if event.kind == "confirmation":
        return Filed(EventState.DONE)
    return Filed(EventState.REJECTED, reason=str(event.envelope.get("why", ""))[:200])


async def _fail(workshop: Workshop, ident: UUID, token: UUID | None, reason: str, *, again: bool) -> None:
    """Try later, or give up and keep the raw event as poison, to be looked at and run again."""
    async with workshop.begin() as uow:
        row = await _ours(uow, ident, token)
        if row is None:
            return
        row.reason = reason[:200]
        if again and row.tries < MOST_TRIES:
            pause(row, retry_pause(row.tries), uow.clock)
            return
        _poison(row, row.reason)


async def _hold(workshop: Workshop, ident: UUID, token: UUID | None, reason: str) -> None:
    """Look again later, and ever more seldom: after half the time that it has waited. No try is spent, but
    after three days it is laid aside.
    """
    async with workshop.begin() as uow:
        row = await _ours(uow, ident, token)
        if row is None:
            return
        waited = uow.clock.now() - row.received_at
        row.reason, row.tries = reason[:200], 1
        if waited > LONGEST_HELD:
            _poison(row, row.reason)
        else:
            seconds = max(retry_pause(1), min(waited.total_seconds() / 2, LONGEST_LOOK))
            pause(row, seconds, uow.clock)


def _poison(row: IntakeEvent, reason: str) -> None:
    row.state, row.reason = EventState.POISON, reason
    settle(row)
    log.error("event_poisoned", event_id=str(row.id), reason=reason)
