"""The outside heartbeat: an address elsewhere is called each minute while all is well, and misses it else.

A service that is dead warns nobody. So a monitor outside (healthchecks.io, Uptime Kuma, Better Stack …) waits
for a call and raises the alarm when none comes; and none is made when things only look well from inside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from models.base import Promised
from models.vocabulary import Lane
from workers.backlog import backlog
from workers.outbound import Caller, CallFailed, CallRefused
from workers.running import running_on
from workers.unit_of_work import Workshop

EVERY = 60.0
PATIENCE = 10.0
"""Seconds that looking at the database may take; a slower one is not well."""
SWEPT_WITHIN = 30.0
LATEST: Mapping[Lane, float] = {Lane.URGENT: 300.0, Lane.NORMAL: 300.0, Lane.BULK: 3600.0}
"""Seconds that something may lie at a desk though a worker could have taken it up."""
HEADERS = {"User-Agent": "closeloop-heartbeat", "Content-Type": "text/plain"}
log = structlog.get_logger(__name__)


class Heartbeat:
    """Calls `url` (empty: nobody) each minute for as long as `ailing` finds nothing.

    `swept` gives the seconds since the desks were last looked at (None: not yet, or the clock is wrong),
    `broker_alive` whether the broker answers. The address is a secret: it stands in no log.
    """

    def __init__(
        self,
        workshop: Workshop,
        url: str,
        caller: Caller,
        desks: Mapping[str, type[Promised]],
        *,
        swept: Callable[[], float | None],
        broker_alive: Callable[[], Awaitable[bool]],
    ) -> None:
        self._workshop = workshop
        self._url = url
        self._caller = caller
        self._desks = desks
        self._swept = swept
        self._broker_alive = broker_alive
        self._told = ""

    async def run(self, stop: asyncio.Event) -> None:
        """A beat each minute until `stop` is set; the first after a minute: by then there is much to tell."""
        while self._url and not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), EVERY)
            except TimeoutError:
                await self.beat()

    async def beat(self) -> bool:
        """Look, and call if all is well; gives whether the other side has heard. Never raises."""
        why = await self.ailing()
        result = "withheld" if why else "sent"
        if not why:
            try:
                answer = await self._caller.post(self._url, b"", HEADERS)
                why = "" if answer.status < 400 else f"the other side answers {answer.status}"
            except (CallFailed, CallRefused) as error:
                why = error.reason
            result = "failed" if why else "sent"
        self._workshop.metrics.heartbeats.labels(result).inc()
        if why != self._told:
            self._told = why
            log.warning("heartbeat_" + result, why=why) if why else log.info("heartbeat_goes_on")
        return not why

    async def ailing(self) -> str:
        """What is not well, in words; empty when all is."""
        swept = self._swept()
        if swept is None or swept > SWEPT_WITHIN:
            return "the sweep does not run, or the clock was set"
        if not await self._broker_alive():
            return "the broker does not answer"
        try:
            async with asyncio.timeout(PATIENCE):
                late, trouble = await self._late(), await self._without_worker()
        except Exception as error:  # whatever it is, it is not well; its words may hold a password
            return f"the database fails: {type(error).__name__}"
        return f"nobody works off {', '.join(late)}" if late else trouble

    async def _without_worker(self) -> str:
        """A worker that died while there was nothing to do is missed before the next request waits for it."""
        async with self._workshop.engine.connect() as connection:
            running = await running_on(connection, self._workshop.clock.machine())
        return "no worker runs" if running.without_worker else ""

    async def _late(self) -> list[str]:
        late: list[str] = []
        async with self._workshop.engine.connect() as connection:
            for desk, model in self._desks.items():
                for lane, found in (await backlog(connection, model, self._workshop.clock)).items():
                    if found.waited > LATEST[lane]:
                        late.append(f"{desk}/{lane.value}")
        return sorted(late)
