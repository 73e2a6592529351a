"""Each process says again and again that it is there: who must end before the database moves or contracts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import new_id
from models.keeping import Chore, Process
from models.session import head_revision
from workers import __version__
from workers.errors import SettingsError
from workers.keeping.reading import plain_engine
from workers.running import Alive, alive_on
from workers.unit_of_work import Workshop

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=15)
FORGOTTEN = timedelta(days=1)
MOVE = "move"
"""The chore that says that this database was moved, or is being moved, to another one."""


async def alive(url: str, now: datetime) -> list[Alive]:
    """The processes that work on the database `url` at present."""
    engine = plain_engine(url)
    try:
        async with engine.connect() as connection:
            return await alive_on(connection, now)
    finally:
        await engine.dispose()


@asynccontextmanager
async def present(workshop: Workshop, kind: str) -> AsyncIterator[None]:
    """Be there as long as this lasts. Raises SettingsError when the database was moved elsewhere."""
    ident, stop = new_id(), asyncio.Event()
    async with workshop.begin() as uow:
        connection = await uow.session.connection()
        await refuse_moved(connection)
        now = uow.clock.machine()
        await connection.execute(delete(Process).where(Process.seen_at < now - FORGOTTEN))
        await connection.execute(
            insert(Process).values(
                id=ident,
                kind=kind,
                host=socket.gethostname()[:64],
                pid=os.getpid(),
                version=__version__,
                schema=head_revision(),
                started_at=now,
                seen_at=now,
            )
        )
    beating = asyncio.create_task(_beat(workshop, ident, stop))
    try:
        yield
    finally:
        stop.set()
        with contextlib.suppress(Exception):  # the database is away: its silence will tell
            await beating
            async with workshop.begin() as uow:
                await uow.session.execute(delete(Process).where(Process.id == ident))


async def _beat(workshop: Workshop, ident: object, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), EVERY.total_seconds())
        except TimeoutError:
            # What hinders it hinders all others, and they say so: here it would only be said once more.
            with contextlib.suppress(Exception):  # said by all others
                async with workshop.begin() as uow:
                    seen = update(Process).where(Process.id == ident).values(seen_at=uow.clock.machine())
                    await uow.session.execute(seen.execution_options(synchronize_session=False))


async def refuse_moved(connection: AsyncConnection) -> None:
    """Raises SettingsError on a database that was moved, or is being moved, to another one."""
    facts = await connection.scalar(select(Chore.facts).where(Chore.name == MOVE))
    if facts and facts.get("to"):
        raise SettingsError(
            f"this database was moved to {facts['to']}",
            hint="set CLOSELOOP_DATABASE_URL to it; to stay here after all: closeloop move --abandon",
        )


def told(processes: Sequence[Alive]) -> str:
    """Which processes there are, in words."""
    return ", ".join(one.name for one in processes)
