"""Everybody in the story reads their mail in their own time, and does something about it, or does not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ops.demo_play.acts import Acts
from ops.demo_play.parts import Part
from ops.demo_play.post_office import Caught

React = Callable[[Caught, str, Part], Awaitable[None]]


class People:
    """A crowd: `react` says who does what on which kind of mail; `failures` are things that went wrong.

    While `hold` is cleared (the service is being started again), everybody waits.
    """

    def __init__(self, acts: Acts) -> None:
        self.acts = acts
        self.failures: list[str] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.react: dict[str, React] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: set[str] = set()

    def got_mail(self, mail: Caught) -> None:
        """Somebody has a new mail."""
        self.spawn(self._read(mail))

    def spawn(self, what: Coroutine[Any, Any, None]) -> None:
        """Let somebody do something beside everything else; what fails is kept in `failures`."""

        async def run() -> None:
            try:
                await what
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def pause(self, minutes: float) -> None:
        """Let about so many minutes of promise time pass."""
        seconds = minutes * random.uniform(0.8, 1.2) * 60 / self.acts.stage.clock.speed
        await asyncio.sleep(max(0.05, seconds))
        await self.hold.wait()

    def first_time(self, what: str) -> bool:
        """True the first time it is asked."""
        fresh = what not in self._done
        self._done.add(what)
        return fresh

    async def stop(self) -> None:
        """Everybody goes home."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, mail: Caught) -> None:
        kind = self.acts.ledger.kind_of(mail.notification)
        ticket = self.acts.ledger.ticket_of(mail.notification)
        part = self.acts.part_of(ticket)
        if part is not None and kind in self.react:
            await self.react[kind](mail, ticket, part)
