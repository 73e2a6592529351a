"""Who goes first on an event loop: clocks are judged before mails are made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

MOST = 0.25
"""Seconds that work which can wait is kept waiting at a time."""


class RightOfWay:
    """Lets work that is measured in milliseconds go first, on one event loop.

    A loop serves everybody in turn. A batch of alarms asks the database thirty times: with four batches of
    mails beside it each answer would find them in front, and the verdict would come a quarter of a second
    late. Those who can wait `give` way wherever they would draw breath; between two batches of alarms each of
    them gets its turn, so that nobody starves. Belongs to one event loop.
    """

    def __init__(self, most: float = MOST) -> None:
        self._most = most
        self._going = 0
        self._free = asyncio.Event()
        self._free.set()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """For as long as the work that goes first is under way."""
        self._going += 1
        self._free.clear()
        try:
            yield
        finally:
            self._going -= 1
            if not self._going:
                self._free.set()

    async def give(self) -> None:
        """Let others have the loop: a moment, or until what goes first is over, `most` seconds at most."""
        if self._free.is_set():
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(self._most):
                await self._free.wait()
        except TimeoutError:
            return
