"""One batch of alarms at a time in a process: what comes meanwhile makes the next one larger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from models.vocabulary import Lane
from workers.right_of_way import RightOfWay

log = structlog.get_logger(__name__)

Hear = Callable[[Lane, datetime], Awaitable[int]]


class InTurn:
    """Lets one caller a lane do the work, for all who call while it does.

    A batch costs as much for its beginning as for twenty alarms, and batches side by side on one event loop
    only keep each other waiting: together they take longer than one after the other, and longer still than
    one that takes what all of them would have taken. What can wait gives it the `way`. Belongs to one event
    loop.
    """

    def __init__(self, hear: Hear, way: RightOfWay) -> None:
        self._hear = hear
        self._way = way
        self._busy: set[Lane] = set()
        self._called: dict[Lane, datetime] = {}
        self._timers: dict[tuple[Lane, datetime], asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def hear_in(self, seconds: float, lane: Lane, slot: datetime) -> None:
        """As `hear`, after so many seconds; called for the same slot again, once."""
        if (lane, slot) not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[lane, slot] = loop.call_later(seconds, self._begin, lane, slot)

    def close(self) -> None:
        """Forget what was to be heard later: others sweep for it."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _begin(self, lane: Lane, slot: datetime) -> None:
        del self._timers[lane, slot]
        task = asyncio.get_running_loop().create_task(self._alone(lane, slot))
        self._tasks.add(task)  # the loop itself keeps a task only while somebody else does
        task.add_done_callback(self._tasks.discard)

    async def _alone(self, lane: Lane, slot: datetime) -> None:
        try:
            await self.hear(lane, slot)
        except Exception:
            # The rows are still due: the sweep rings for them again within a second.
            log.exception("bell_failed", desk="deadlines", lane=lane.value, slot=slot.isoformat())

    async def hear(self, lane: Lane, slot: datetime) -> int:
        """Work off what is due in `lane` from `slot` on, and what others call for meanwhile; how many rows.

        Gives 0 at once while somebody is at it: it is done once the batch under way is over. What has been
        called for is forgotten when an error ends the work: the sweep calls again within a second.
        """
        if lane in self._busy:
            self._called[lane] = min(slot, self._called.get(lane, slot))
            return 0
        self._busy.add(lane)
        try:
            total = await self._batch(lane, slot)
            while (called := self._called.pop(lane, None)) is not None:
                total += await self._batch(lane, called)
            return total
        finally:
            self._busy.discard(lane)
            self._called.pop(lane, None)

    async def _batch(self, lane: Lane, slot: datetime) -> int:
        with self._way.taken():
            return await self._hear(lane, slot)
