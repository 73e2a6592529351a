"""Fetching in a test: a workshop whose clock runs, the fetcher beside it, and waiting for what it does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from models.intake import IntakeEvent
from models.mailboxes import Mailbox
from tests.conftest import Backend
from tests.workbench import settings_on, workshop_on
from workers.clock import SystemClock
from workers.imap import Fetching
from workers.imap.keeper import Keeper
from workers.settings import Settings, load_settings
from workers.settings.imap_url import parse_imap_urls
from workers.unit_of_work import Workshop

SUPPORT = "support@help.example"


def settings_for(backend: Backend) -> Settings:
    """Settings of a team whose address is SUPPORT."""
    return replace(settings_on(backend.database_url), mail_from=SUPPORT, mail_domain="help.example")


@asynccontextmanager
async def workshop_for(backend: Backend, settings: Settings | None = None) -> AsyncIterator[Workshop]:
    """A workshop on the machine's time: leases and pauses are part of what is tested."""
    chosen = settings or settings_for(backend)
    async with workshop_on(backend.database_url, settings=chosen, clock=SystemClock()) as workshop:
        yield workshop


@asynccontextmanager
async def fetching(
    workshop: Workshop, url: str, *, poll: float = 0.2, idle_seconds: float = 600, lease: float = 30
) -> AsyncIterator[asyncio.Task[None]]:
    """Fetch from `url` meanwhile; stops in order at the end."""
    boxes = [replace(box, poll=poll) for box in parse_imap_urls(url)]
    fetcher = Fetching(workshop, boxes, lease=timedelta(seconds=lease), idle_seconds=idle_seconds)
    stop = asyncio.Event()
    task = asyncio.create_task(fetcher.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 120)


async def until(condition: Callable[[], Awaitable[Any] | Any], seconds: float = 120) -> Any:
    """Wait until `condition` gives something true, and give it. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            found = await found if isinstance(found, Awaitable) else found
            if found:
                return found
            await asyncio.sleep(0.05)


async def events(workshop: Workshop) -> list[IntakeEvent]:
    """What came in, oldest first."""
    async with workshop.read() as uow:
        return list(await uow.session.scalars(select(IntakeEvent).order_by(IntakeEvent.id)))


async def count(workshop: Workshop) -> int:
    """How much came in."""
    return len(await events(workshop))


async def box_row(workshop: Workshop) -> Mailbox | None:
    """What is known of the one mailbox."""
    async with workshop.read() as uow:
        row: Mailbox | None = await uow.session.scalar(select(Mailbox))
        return row


async def fault(workshop: Workshop) -> str | None:
    """What is wrong with it."""
    row = await box_row(workshop)
    return row.fault if row else None


async def held(workshop: Workshop) -> bool:
    """Whether somebody has taken it to fetch it."""
    row = await box_row(workshop)
    return row is not None and row.lease_token is not None


async def looked(workshop: Workshop, since: datetime | None = None) -> bool:
    """Whether it has been read to its end, at all or after this moment."""
    row = await box_row(workshop)
    return row is not None and row.looked_at is not None and (since is None or row.looked_at > since)


async def main() -> None:
    """Fetch until killed, in a process of its own: `python -m tests.fetching LEASE [BATCHES]`; settings as
    usual. After so many batches it kills itself, when the last is stored and neither marked nor moved.
    """
    from workers.boot import Installation  # all of the web, which the tests in this process do without

    installation = Installation(load_settings(os.environ))
    workshop = installation.workshop()
    boxes = [replace(box, poll=0.2) for box in installation.settings.imap_url]
    if len(sys.argv) > 2:
        _die_after(int(sys.argv[2]))
    await Fetching(workshop, boxes, lease=timedelta(seconds=float(sys.argv[1]))).run(asyncio.Event())


def _die_after(batches: int) -> None:
    keep, left = Keeper.keep, iter(range(batches - 1))

    async def last(self: Keeper, *arguments: Any) -> Any:
        kept = await keep(self, *arguments)
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return kept

    setattr(Keeper, "keep", last)  # noqa: B010 - this process has nothing else to do


if __name__ == "__main__":
    asyncio.run(main())
