"""Entries of one process on their way into the log: views once a second, changes before the answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from workers.audit.entries import Noted, write
from workers.unit_of_work import Workshop

log = structlog.get_logger(__name__)

EVERY = 1.0
"""Seconds between two writings: so much is lost at most when a process is killed."""
MOST = 500
"""Entries in one transaction."""
FULL = 20_000
"""Entries that wait while the database is away; further ones are dropped, and counted in the log."""
SAME = 60.0
"""Seconds in which the same person looking at the same thing again is the same view."""
REMEMBERED = 10_000

_Sight = tuple[object, ...]


class Trail:
    """One per event loop. What is noted is written by `run`, by `flush`, or with the next change."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._waiting: list[Noted] = []
        self._seen: dict[_Sight, float] = {}
        self._writing = asyncio.Lock()
        self._dropped = 0

    def note(self, entry: Noted) -> None:
        """Keep an entry for the next writing; a view or refusal that was noted just now is left out."""
        if entry.kind in ("view", "denied") and self._is_known(entry):
            return
        if len(self._waiting) >= FULL:
            self._dropped += 1
            return
        self._waiting.append(entry)

    def _is_known(self, entry: Noted) -> bool:
        now = asyncio.get_running_loop().time()
        sight = (
            entry.kind,
            entry.action,
            entry.subject,
            entry.staff_id,
            entry.key_id,
            entry.details.get("from"),
        )
        if now - self._seen.get(sight, -SAME) < SAME:
            return True
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[sight] = now
        return False

    async def flush(self) -> None:
        """Write all that waits. What cannot be written now waits on; never raises but for cancellation."""
        async with self._writing:
            while self._waiting:
                batch = self._waiting[:MOST]
                try:
                    async with self._workshop.begin() as uow:
                        await write(uow, batch)
                except Exception:
                    log.exception("audit_not_written", waiting=len(self._waiting))
                    return
                del self._waiting[: len(batch)]
            if self._dropped:
                log.error("audit_entries_dropped", count=self._dropped)
                self._dropped = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Write once a second until `stop` is set, and what is left at the end."""
        while not stop.is_set():
            with suppress(TimeoutError):  # a second without the end: time to write
                await asyncio.wait_for(stop.wait(), EVERY)
            await self.flush()
