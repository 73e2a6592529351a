"""How every channel works through a batch: each item reported exactly once, whatever happens on the way.

The rules of the port (time left, cancellation, an error in `report`) are kept here once; a channel adds only
how to send one item.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from workers.channels.port import Outcome, Outgoing, Report, Verdict
from workers.channels.scrub import scrub


class Begun(Protocol):
    """What a channel has begun for an item before it is that item's turn (an envelope, say)."""

    def abort(self) -> None:
        """Break it off: the turn never came."""
        ...


class Attempt:
    """One item while it is being sent: what must be known to time it out or break it off honestly.

    The channel sets `host` and `tls` as soon as it talks to somebody, and `beyond_recall` just before the
    bytes leave after which the other side may have accepted (the final dot, the last byte of a request).
    """

    __slots__ = ("_ahead", "begun", "beyond_recall", "following", "host", "item", "scope", "started", "tls")

    def __init__(self, item: Outgoing, ahead: Callable[[], Attempt | None] = lambda: None) -> None:
        self.item = item
        self.begun: Begun | None = None
        self.following: Attempt | None = None
        self._ahead = ahead
        self.host = ""
        self.tls = False
        self.beyond_recall = False
        self.started: float | None = None
        self.scope: asyncio.Timeout | None = None

    def look_ahead(self) -> Attempt | None:
        """The attempt that comes right after this one; None when there is none, or no more may be begun.

        A channel that prepares its way together with this one leaves that in its `begun`: it is broken off
        if the turn never comes. The item itself has not started, no byte of it may leave.
        """
        if self.following is None:
            self.following = self._ahead()
        return self.following

    def take_over(self) -> Begun | None:
        """What was begun for this item, now the channel's to end or break off."""
        begun, self.begun = self.begun, None
        return begun

    def outcome(
        self,
        verdict: Verdict,
        reason: str,
        *,
        code: int | None = None,
        text: str | bytes = "",
        provider_id: str | None = None,
        accepted_at: datetime | None = None,
        retry_after: float | None = None,
    ) -> Outcome:
        """Return the outcome of this attempt; `text` is scrubbed here, `seconds` taken here."""
        seconds = 0.0 if self.started is None else time.monotonic() - self.started
        words = scrub(text, self.item.recipient) if text else ""
        return Outcome(
            id=self.item.id,
            verdict=verdict,
            reason=reason,
            code=code,
            text=words,
            host=self.host,
            tls=self.tls,
            provider_id=provider_id,
            accepted_at=accepted_at,
            seconds=seconds,
            retry_after=retry_after,
        )

    def broken_off(self, early: str, late: str, text: str = "") -> Outcome:
        """Return the outcome when the dialogue ended without an answer: before or after the point of no
        return.
        """
        if self.started is None:
            return self.outcome(Verdict.NOT_STARTED, "not_started", text=text)
        if self.beyond_recall:
            return self.outcome(Verdict.UNKNOWN, late, text=text)
        return self.outcome(Verdict.RETRY, early, text=text)


Send = Callable[[Attempt], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Queue:
    """Items that share a gate: at most `width` of them, over all running batches, are sent at a time."""

    items: Sequence[Outgoing]
    gate: asyncio.Semaphore
    width: int


class _Place:
    """A worker's place at the gate; it is kept from one item to the next that was begun together with it."""

    def __init__(self, gate: asyncio.Semaphore) -> None:
        self._gate = gate
        self._held = False

    async def take(self) -> None:
        if not self._held:
            await self._gate.acquire()
            self._held = True

    def leave(self) -> None:
        if self._held:
            self._held = False
            self._gate.release()


class BatchRun:
    """One call of `deliver`. `timeout` and `grace` are seconds, `until` a moment of `time.monotonic()`.

    `grace` is how long a send that is past its point of no return may still wait for its answer when the call
    is cancelled: an answer that is on its way is better than an UNKNOWN.
    """

    def __init__(
        self, send: Send, report: Report, *, until: float, timeout: float, grace: float = 2.0
    ) -> None:
        self._send = send
        self._report = report
        self._until = until
        self._timeout = timeout
        self._grace = grace
        self._live: set[Attempt] = set()
        self._stopped = asyncio.Event()
        self._failure: BaseException | None = None

    async def run(self, queues: Iterable[Queue]) -> None:
        """Send all. Raises the first error of `report`, or CancelledError, after all has been reported."""
        workers: set[asyncio.Task[None]] = set()
        for queue in queues:
            waiting = deque(queue.items)
            for _ in range(min(queue.width, len(waiting))):
                workers.add(asyncio.create_task(self._work(waiting, queue)))
        cancelled: asyncio.CancelledError | None = None
        while workers:
            try:
                _, workers = await asyncio.wait(workers)
            except asyncio.CancelledError as error:
                if cancelled is None:
                    cancelled = error
                workers = {worker for worker in workers if not worker.done()}
                self._stop()
        if cancelled is not None:
            raise cancelled
        if self._failure is not None:
            raise self._failure

    def _stop(self) -> None:
        if self._stopped.is_set():
            return
        self._stopped.set()
        now = asyncio.get_running_loop().time()
        for attempt in self._live:
            scope = attempt.scope
            if scope is None or scope.expired():
                continue
            end = now + self._grace if attempt.beyond_recall else now
            planned = scope.when()
            scope.reschedule(end if planned is None else min(end, planned))

    async def _work(self, waiting: deque[Outgoing], queue: Queue) -> None:
        def ahead() -> Attempt | None:
            # While there is work for all: an item must not wait behind another one beside an idle worker.
            many = len(waiting) > queue.width
            return Attempt(waiting.popleft(), ahead) if many and self._time_for_two() else None

        place = _Place(queue.gate)
        following: Attempt | None = None
        while following or waiting:
            attempt = following or Attempt(waiting.popleft(), ahead)
            outcome = await self._one(attempt, place)
            following = attempt.following
            if following is None or following.begun is None:
                place.leave()
            try:
                await self._report(outcome)
            except BaseException as error:
                # What cannot be recorded must not go on being sent.
                if self._failure is None:
                    self._failure = error
                self._stopped.set()

    async def _one(self, attempt: Attempt, place: _Place) -> Outcome:
        self._live.add(attempt)
        try:
            if self._too_late():
                return attempt.broken_off("", "")
            # While it waits for its turn it has not begun: that ends when the rest of the time is too short.
            async with asyncio.timeout(self._room()) as attempt.scope:
                await place.take()
                if self._too_late():
                    return attempt.broken_off("", "")
                return await self._begun(attempt, attempt.scope)
        except TimeoutError:
            if self._stopped.is_set():
                return attempt.broken_off("interrupted", "interrupted")
            return attempt.broken_off("timeout_before_data", "timeout_after_data")
        except asyncio.CancelledError:
            # Somebody ends the whole loop: still say what is known, and begin nothing more.
            self._live.discard(attempt)
            self._stop()
            return attempt.broken_off("interrupted", "interrupted")
        except Exception as error:
            return attempt.broken_off("internal_error", "internal_error", _whereabouts(error))
        finally:
            self._live.discard(attempt)
            begun = attempt.take_over()
            if begun is not None:
                begun.abort()

    async def _begun(self, attempt: Attempt, scope: asyncio.Timeout) -> Outcome:
        attempt.started = time.monotonic()
        scope.reschedule(asyncio.get_running_loop().time() + self._timeout)
        return await self._send(attempt)

    def _too_late(self) -> bool:
        return self._stopped.is_set() or self._room() < 0

    def _time_for_two(self) -> bool:
        """Whether an item may be begun whose turn comes only when another one has been sent."""
        return not self._stopped.is_set() and self._room() > self._timeout

    def _room(self) -> float:
        """Seconds until a send may no longer be begun."""
        return self._until - self._timeout - time.monotonic()


def _whereabouts(error: Exception) -> str:
    # The message of an unforeseen error may hold a customer's data; type and place do not.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name}"
