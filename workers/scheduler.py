"""The clockwork: rings ahead for what gets due in the next 30 s, and sweeps each second for what was missed,
four times a second while something gets due, ten times when something was missed.

It changes nothing in the database, so any number of schedulers may run; a second one only rings twice.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import Promised
from workers.bells import EPOCH, SLOT, Bell, Ring, slot_of
from workers.clock import Clock, ClockWatch
from workers.metrics import Metrics
from workers.promises import first_due, slots_between
from workers.unit_of_work import Workshop

HORIZON = timedelta(seconds=30)
SWEEP = timedelta(seconds=1)
BRISK = timedelta(milliseconds=250)
"""Between sweeps while something gets due: whatever loses its bell then is as much later, and no more."""
MISSED = timedelta(milliseconds=150)
"""What has been due for longer than that was missed: bells have been lost.

A worker that dies takes those along that it had fetched, most of the next seconds' and some of the horizon's.
"""
SOON = timedelta(milliseconds=100)
"""Between sweeps as long as more bells may be lost: until nothing was missed for the span of the horizon."""
HOPELESS = timedelta(minutes=1)
"""What has been due for longer than that waits for something else than a bell."""
RECENT = timedelta(seconds=2)
"""So far back the sweeps in between look; once in a sweep's time all that is due is looked for.

While a long transaction keeps its snapshot, PostgreSQL walks over everything that was settled meanwhile.
"""
ROUND_SECONDS = 15.0


class Scheduler:
    """Looks at the desks' tables and rings. `desks` maps a desk's name to its table of promised rows."""

    def __init__(
        self,
        workshop: Workshop,
        ring: Ring,
        desks: Mapping[str, type[Promised]],
        *,
        horizon: timedelta = HORIZON,
        sweep: timedelta = SWEEP,
        metrics: Metrics | None = None,
        watch: ClockWatch | None = None,
    ) -> None:
        self._workshop = workshop
        self._clock = workshop.clock
        self._ring = ring
        self._names = {model: desk for desk, model in desks.items()}
        self._horizon = horizon
        self._sweep = sweep
        self._metrics = metrics or Metrics()
        self._watch = watch or ClockWatch()
        self._seen_until: datetime | None = None
        self._whole: datetime | None = None
        self._looked: datetime | None = None
        self._coming: list[datetime] = []
        self._near = False
        self._swept: float | None = None
        self._wary_until = 0.0
        self._log = structlog.get_logger(__name__)
        self.parted = False

    async def run(self, stop: asyncio.Event) -> None:
        """Rounds until `stop` is set. Errors of database and broker are logged and the next round tried."""
        while not stop.is_set():
            await self.round()
            try:
                await asyncio.wait_for(stop.wait(), self.rest().total_seconds())
            except TimeoutError:
                continue

    async def round(self) -> None:
        """One look at all desks. Never raises but for cancellation."""
        self._near = False
        try:
            async with asyncio.timeout(ROUND_SECONDS):
                await self._workshop.compare_clocks(self._watch)
                if self._clocks_have_parted():
                    self._metrics.sweeps.labels("stopped").inc()
                    return
                with self._metrics.sweep_seconds.time():
                    await self._look()
        except Exception:
            self._wary_until, self._near = 0.0, False  # what fails is not asked again the sooner
            self._metrics.sweeps.labels("failed").inc()
            self._log.exception("sweep_failed")
        else:
            self._metrics.sweeps.labels("done").inc()

    def rest(self) -> timedelta:
        """How long until the next round (machine time): less if something is about to get due, or has just
        done so, and less still if something was missed of late.
        """
        if self._clock.machine().timestamp() < self._wary_until:
            return min(SOON, self._sweep)
        return min(BRISK, self._sweep) if self._near else self._sweep

    def swept(self) -> float | None:
        """Seconds since all desks were last looked at; None while that has not been."""
        return None if self._swept is None or self.parted else time.monotonic() - self._swept

    async def _look(self) -> None:
        now, machine_now = self._clock.now(), self._clock.machine()
        whole = self._is_time_for_all(now, machine_now)
        until = now + _promise_span(self._clock, now, self._horizon)
        after = max(now, self._seen_until or now)
        async with self._workshop.glance() as connection:
            overdue = await self._overdue(connection, now, whole=whole)
            ahead = await self._ahead(connection, after, until)
        self._looked = now
        if whole:
            self._whole = machine_now
            self._metrics.overdue_lanes.set(len(overdue))
            self._metrics.swept_at.set(self._clock.machine().timestamp())
            self._swept = time.monotonic()
        if overdue or ahead:
            self._ring({*overdue, *ahead})
        self._seen_until = max(after, until)
        self._coming = sorted({bell.due for bell in ahead}.union(self._coming))
        del self._coming[: bisect_right(self._coming, now)]
        soon = now + _promise_span(self._clock, now, self._sweep)
        self._near = self._near or (bool(self._coming) and self._coming[0] <= soon)

    def _is_time_for_all(self, now: datetime, machine_now: datetime) -> bool:
        """Whether this look is for all that is due: once in a sweep's time, and when more promise time has
        passed since the last look than the looks in between go back.
        """
        if self._whole is None or not timedelta() <= machine_now - self._whole < self._sweep:
            return True
        return self._looked is None or now - self._looked >= _promise_span(self._clock, now, RECENT)

    async def _overdue(self, connection: AsyncConnection, now: datetime, *, whole: bool) -> list[Bell]:
        """Bells for what is due; unless `whole`, for what has become due of late."""
        at_once = slot_of(now) - SLOT
        since = EPOCH if whole else now - _promise_span(self._clock, now, RECENT)
        found = await first_due(connection, list(self._names), self._clock, since)
        missed, hopeless = (_promise_span(self._clock, now, span) for span in (MISSED, HOPELESS))
        late = [now - first for first in found.values() if now - first < hopeless]
        self._near = bool(late)
        if any(each > missed for each in late):
            self._wary_until = self._clock.machine().timestamp() + self._horizon.total_seconds()
        return [
            Bell(self._names[model], lane, min(slot_of(first), at_once))
            for (model, lane), first in found.items()
        ]

    async def _ahead(self, connection: AsyncConnection, after: datetime, until: datetime) -> list[Bell]:
        found = await slots_between(connection, list(self._names), after, until)
        return [
            Bell(self._names[model], lane, slot) for (model, lane), slots in found.items() for slot in slots
        ]

    def _clocks_have_parted(self) -> bool:
        """Whether the wall clock was set while we ran, or is not the database's: nobody knows what is due.

        Firing goes on when the clock is put right again, or after a restart if the new time is the true one.
        """
        wrong = self._watch.wrong_by()
        parted = wrong != 0
        if parted and not self.parted:
            self._log.critical(
                "clock_differs_from_database" if self._watch.differs() else "clock_jumped",
                seconds=round(wrong, 1),
                hint="firing is stopped: put the clock right, or restart if the new time is true",
            )
        elif self.parted and not parted:
            self._log.warning("clock_is_right_again")
        self.parted = parted
        self._metrics.clock_parted.set(parted)
        self._metrics.clock_jump.set(wrong)
        return parted


def _promise_span(clock: Clock, now: datetime, span: timedelta) -> timedelta:
    """How much promise time passes during `span` of machine time (more than `span` in a sped-up demo)."""
    probe = timedelta(seconds=1000)
    seconds = clock.real_delay(now + probe)
    return span * (probe.total_seconds() / seconds) if seconds > 0 else span
