"""The desk of webhooks: for each endpoint with something due one task, so that none waits behind another.

A bell only sees to it that the tasks run, and gives its thread back at once: mails never wait for somebody
else's server. The attempt is on record before the first byte leaves; what a lost worker has left behind is
sent again with the same id, by which the other side knows it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import or_, select, update

from models.base import new_id
from models.vocabulary import Lane
from models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookState
from workers.outbound import Caller, CallFailed, CallRefused, signed_headers
from workers.posting.outcomes import record_outcome
from workers.posting.verdicts import RESTS_AFTER, Verdict, judge, no_answer
from workers.promises import claim, settle
from workers.unit_of_work import UnitOfWork, Workshop
from workers.webhooks import secrets_of, url_of

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
WIDTH = 4
"""Calls to one endpoint at a time."""
MOST_STOPPED = 200
WORKER_LOST = "worker_lost"


@dataclass(frozen=True, slots=True)
class Post:
    """One try, ready to be sent. `tries` counts it."""

    delivery_id: UUID
    endpoint_id: UUID
    attempt_id: UUID
    lease_token: UUID
    tries: int
    ident: str
    body: str
    url: str
    secrets: Sequence[str]


class Posting:
    """One per event loop."""

    def __init__(self, workshop: Workshop, caller: Caller, *, lease: timedelta = LEASE) -> None:
        self._workshop = workshop
        self._caller = caller
        self._lease = lease
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def hear(self, lane: Lane) -> int:
        """See to it that each endpoint with something due in `lane` is served; gives how many tasks began."""
        async with self._workshop.read() as uow:
            waiting = await _with_work(uow, lane)
        begun = [ident for ident in waiting if ident not in self._running]
        for ident in begun:
            task = asyncio.create_task(self._serve(ident, lane))
            self._running[ident] = task
            task.add_done_callback(partial(self._is_over, ident))
        return len(begun)

    def _is_over(self, ident: UUID, _: asyncio.Task[None]) -> None:
        self._running.pop(ident, None)

    async def idle(self) -> None:
        """Wait until no task runs."""
        while self._running:
            await asyncio.wait(set(self._running.values()))

    async def aclose(self) -> None:
        """Break off what is under way: its lease runs out, and it is sent again."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, endpoint_id: UUID, lane: Lane) -> None:
        try:
            while posts := await self._claim(endpoint_id, lane):
                await asyncio.gather(*(self._post(each) for each in posts))
        except Exception:
            # The rows are still promised: their leases run out, and the sweep rings for them again.
            log.exception("webhooks_failed", endpoint=str(endpoint_id))

    async def _claim(self, endpoint_id: UUID, lane: Lane) -> list[Post]:
        """Take what is due, and put the attempts on record."""
        async with self._workshop.begin() as uow:
            endpoint = await uow.session.get_one(WebhookEndpoint, endpoint_id)
            mine = [WebhookDelivery.endpoint_id == endpoint_id]
            if not endpoint.active:
                for row in await claim(
                    uow, WebhookDelivery, lane, limit=MOST_STOPPED, lease=self._lease, only=mine
                ):
                    row.state, row.reason = WebhookState.STOPPED, "endpoint_disabled"
                    settle(row)
                return []
            rows = await claim(
                uow,
                WebhookDelivery,
                lane,
                limit=1 if endpoint.failures >= RESTS_AFTER else WIDTH,
                lease=self._lease,
                values={"state": WebhookState.SENDING},
                only=mine,
            )
            await _note_lost(uow, rows)
            return await _posts(uow, endpoint, rows)

    async def _post(self, post: Post) -> None:
        started = time.monotonic()
        verdict = await self._sent(post)
        await record_outcome(self._workshop, post, verdict, time.monotonic() - started)

    async def _sent(self, post: Post) -> Verdict:
        if not post.secrets:
            return Verdict("failed", "no_secret", text="the endpoint has no valid secret: rotate it")
        headers = signed_headers(post.ident, self._workshop.clock.machine(), post.body, post.secrets)
        try:
            return judge(await self._caller.post(post.url, post.body.encode(), headers))
        except (CallFailed, CallRefused) as error:
            return no_answer(error)


async def _with_work(uow: UnitOfWork, lane: Lane) -> list[UUID]:
    """The endpoints for which something can be claimed. There are few, and each is asked by its index."""
    something = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.endpoint_id == WebhookEndpoint.id,
            WebhookDelivery.lane == lane,
            WebhookDelivery.due_at <= uow.clock.now(),
            or_(WebhookDelivery.free_at.is_(None), WebhookDelivery.free_at <= uow.clock.machine()),
        )
        .exists()
    )
    return list(await uow.session.scalars(select(WebhookEndpoint.id).where(something)))


async def _note_lost(uow: UnitOfWork, rows: Sequence[WebhookDelivery]) -> None:
    """Attempts of these rows that no outcome was written for: their worker was lost."""
    again = [row.id for row in rows if row.tries > 1]
    if not again:
        return
    await uow.session.execute(
        update(WebhookAttempt)
        .where(WebhookAttempt.delivery_id.in_(again), WebhookAttempt.outcome.is_(None))
        .values(outcome="unknown", reason=WORKER_LOST, finished_at=uow.clock.now())
        .execution_options(synchronize_session=False)
    )


async def _posts(uow: UnitOfWork, endpoint: WebhookEndpoint, rows: Sequence[WebhookDelivery]) -> list[Post]:
    if not rows:
        return []
    found = await uow.session.scalars(
        select(WebhookEvent).where(WebhookEvent.id.in_([row.event_id for row in rows]))
    )
    events = {event.id: event for event in found}
    valid = (await secrets_of(uow, [endpoint.id]))[endpoint.id]
    posts = []
    for row in rows:
        assert row.lease_token is not None
        event = events[row.event_id]
        attempt = WebhookAttempt(
            id=new_id(), delivery_id=row.id, lease_token=row.lease_token, started_at=uow.clock.now()
        )
        uow.add_later(attempt)
        posts.append(
            Post(
                delivery_id=row.id,
                endpoint_id=endpoint.id,
                attempt_id=attempt.id,
                lease_token=row.lease_token,
                tries=row.tries,
                ident=f"evt_{event.id.hex}",
                body=event.body,
                url=url_of(uow, endpoint),
                secrets=valid,
            )
        )
    return posts
