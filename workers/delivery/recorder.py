"""Writes outcomes while the batch still runs: in groups, one by one when a group cannot be written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog

from workers.channels.port import Outcome
from workers.delivery.outcome import Sending, record_outcomes
from workers.locks import repeated
from workers.unit_of_work import Workshop

log = structlog.get_logger(__name__)

GATHER = 0.05
"""Seconds that an outcome waits for others: a write costs the same for one as for fifty of them."""


class Recorder:
    """Collects outcomes for a moment and writes them together; leaving it waits until all are written."""

    def __init__(self, workshop: Workshop, sendings: Mapping[UUID, Sending]) -> None:
        self._workshop = workshop
        self._sendings = sendings
        self._noted: list[Outcome] = []
        self._something = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def note(self, outcome: Outcome) -> None:
        """Take an outcome; it is written within a moment."""
        self._noted.append(outcome)
        self._something.set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._write_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._something.set()
        assert self._task is not None
        # A cancelled batch has still sent what it has sent: its outcomes are written before it ends.
        await asyncio.shield(self._task)

    async def _write_on(self) -> None:
        while True:
            await self._something.wait()
            if not self._closing:
                await asyncio.sleep(GATHER)
            self._something.clear()
            noted, self._noted = self._noted, []
            await self._write(noted)
            if self._closing and not self._noted:
                return

    async def _write(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        try:
            await self._recorded(outcomes)
        except Exception:
            log.exception("outcomes_not_written", rows=len(outcomes))
            if len(outcomes) == 1:
                await self._write_bare(outcomes[0])
                return
            for outcome in outcomes:
                await self._write([outcome])

    async def _recorded(self, outcomes: Sequence[Outcome]) -> None:
        await repeated(self._workshop, lambda uow: record_outcomes(uow, self._sendings, outcomes))

    async def _write_bare(self, outcome: Outcome) -> None:
        """One outcome that cannot be written as it is: without the other side's words, but written."""
        bare = replace(outcome, text="", host="", provider_id=None)
        try:
            await self._recorded([bare])
        except Exception:
            # The row stays `sending`; when its lease ends it is said to be unknown, which is the truth.
            log.exception("outcome_not_written", notification=str(outcome.id))
