"""Events that arrive at the same time share a transaction; each is answered after its commit all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from workers.intake.store import Event, store, store_together
from workers.unit_of_work import Workshop

log = structlog.get_logger(__name__)

MOST = 64
MOST_BYTES = 2 * 1024 * 1024
BIG = 256 * 1024
"""Bytes from which on an event is stored by itself, so that nobody waits for it."""

_Waiting = tuple[Event, asyncio.Future[bool]]


class Gathering:
    """One door's events on their way into the database, for one event loop.

    While one transaction is under way, what arrives waits for the next one, which takes up to MOST of them:
    a single event never waits for company, and under load many share one commit.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def store(self, event: Event) -> bool:
        """Returns after the commit: False when the event was there already. Raises what storing raises."""
        if len(event.raw) > BIG:
            async with self._workshop.begin() as uow:
                return await store(uow, event)
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, stored))
        if self._task is None:
            self._task = asyncio.create_task(self._work_off())
        return await stored

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                await self._store_all(self._next())
        finally:
            self._task = None
            for _, stored in self._waiting:  # the loop ends: nobody is going to store these
                stored.cancel()

    def _next(self) -> list[_Waiting]:
        """The first that wait, as many as fit into one transaction; at least one."""
        count, size = 0, 0
        for event, _ in self._waiting[:MOST]:
            size += len(event.raw)
            if count and size > MOST_BYTES:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _store_all(self, batch: Sequence[_Waiting]) -> None:
        if len(batch) > 1:
            try:
                async with self._workshop.begin() as uow:
                    found = await store_together(uow, [event for event, _ in batch])
            except Exception as error:
                # One event may have spoilt it for all: each is stored, or fails, by itself.
                log.warning("stored_one_by_one", events=len(batch), error=type(error).__name__)
            else:
                for (_, stored), new in zip(batch, found, strict=True):
                    _tell(stored, new)
                return
        await asyncio.gather(*(self._store_alone(event, stored) for event, stored in batch))

    async def _store_alone(self, event: Event, stored: asyncio.Future[bool]) -> None:
        try:
            async with self._workshop.begin() as uow:
                new = await store(uow, event)
        except Exception as error:
            if not stored.done():
                stored.set_exception(error)
        else:
            _tell(stored, new)


def _tell(stored: asyncio.Future[bool], new: bool) -> None:
    if not stored.done():  # else whoever asked has gone away
        stored.set_result(new)
