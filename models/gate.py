"""The write gate of SQLite."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Any


class WriteGate:
    """Lets the write transactions of one process into one SQLite file one by one, first come first served.

    SQLite's own waiting is polling without order: under several batch writers a webhook waits seconds for
    its turn. One gate per process and database file; it works across event loops (the web's and the
    actors'). It is not re-entrant: a write transaction inside another raises RuntimeError.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = False
        self._holder: asyncio.Task[Any] | None = None
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        self.release()

    async def acquire(self) -> None:
        """Wait for one's turn. Raises RuntimeError when the same task is inside already."""
        task = asyncio.current_task()
        if task is not None and self._holder is task:
            raise RuntimeError("a write transaction must not begin inside another one")
        loop = asyncio.get_running_loop()
        with self._lock:
            if not self._held:
                self._held = True
                self._holder = task
                return
            turn: asyncio.Future[None] = loop.create_future()
            place = (loop, turn)
            self._waiting.append(place)
        try:
            await turn
        except BaseException:
            self._give_up(place)
            raise
        self._holder = task

    def release(self) -> None:
        """Hand the gate to whoever has waited longest."""
        with self._lock:
            self._holder = None
            while self._waiting:
                loop, turn = self._waiting.popleft()
                try:
                    loop.call_soon_threadsafe(_grant, turn)
                except RuntimeError:  # that loop has been closed: nobody waits there any more
                    continue
                return
            self._held = False

    def _give_up(self, place: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]) -> None:
        with self._lock:
            if place in self._waiting:
                self._waiting.remove(place)
                return
        # The gate had been handed over already when the waiter was cancelled: pass it on.
        self.release()


def _grant(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
