"""Stories in which real seconds count: one that went wrong while this machine stood still is told again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

TICK = 0.02
MOST = 8


async def undisturbed(story: Callable[[], Awaitable[None]], *, stood: float = 0.3) -> None:
    """Tell it until it goes well. Raises what it failed by, unless the machine stood still for `stood`
    seconds meanwhile; in any case the eighth time.
    """
    for left in reversed(range(MOST)):
        watch = _Watch()
        watching = asyncio.create_task(watch.run())
        try:
            await story()
        except Exception:
            if not left or watch.longest < stood:
                raise
        else:
            return
        finally:
            watching.cancel()


class _Watch:
    """For how many seconds at most the event loop did not come round."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._longest = 0.0

    @property
    def longest(self) -> float:
        """So far, and now."""
        return max(self._longest, time.monotonic() - self._last - TICK)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(TICK)
            self._longest, self._last = self.longest, time.monotonic()
