"""Of several who ask the same at the same time one works it out, and the others wait for what it gives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class BrokenOff(Exception):
    """Whoever was at it was cancelled: somebody else has to."""


class Flights:
    """What is being worked out just now, by key. One per process, for all of its event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Hashable, Future[Any]] = {}

    async def one(self, key: Hashable, work: Callable[[], Awaitable[Answer]]) -> Answer:
        """What `work` gives; what another one's gives, or raises, that is under way with this key.

        Who is cancelled leaves the others one to go on.
        """
        while True:
            with self._lock:
                theirs = self._open.get(key)
                if theirs is None:
                    self._open[key] = _under_way()
            if theirs is None:
                return await self._lead(key, work)
            try:
                answer: Answer = await asyncio.wrap_future(theirs)
            except BrokenOff:
                continue
            return answer

    async def _lead(self, key: Hashable, work: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            answer = await work()
        except Exception as error:
            self._land(key).set_exception(error)
            raise
        except BaseException:
            self._land(key).set_exception(BrokenOff())
            raise
        self._land(key).set_result(answer)
        return answer

    def _land(self, key: Hashable) -> Future[Any]:
        with self._lock:
            return self._open.pop(key)


def _under_way() -> Future[Any]:
    """No waiter that gives up takes it from the others."""
    mine: Future[Any] = Future()
    mine.set_running_or_notify_cancel()
    return mine
