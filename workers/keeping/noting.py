"""How backups went: noted in the database, where all processes, the console and Prometheus see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from models.keeping import Chore
from models.session import WRITE
from workers.keeping.backup import Made
from workers.keeping.reading import plain_engine

BACKUP = "backup"
LEASE = timedelta(hours=6)
"""So long nobody else begins a backup while one is being taken."""


async def note_backup(url: str, made: Made) -> None:
    """A backup was taken: the time it is of, and what ended a fault."""
    async with _writing(url) as connection:
        await ensure(connection, BACKUP)
        await connection.execute(
            update(Chore)
            .where(Chore.name == BACKUP)
            .values(
                tried_at=made.at,
                done_at=made.at,
                fault=None,
                failing_since=None,
                failures=0,
                busy_until=None,
                facts={"rows": made.rows, "bytes": made.size, "keys": made.keys is not None},
            )
        )


async def note_failure(url: str, now: datetime, fault: str, again: datetime) -> None:
    """A backup failed, for a reason with this code; nobody tries before `again` (machine time, all of it)."""
    async with _writing(url) as connection:
        row = (await connection.execute(select(Chore).where(Chore.name == BACKUP))).one()
        since = row.failing_since or now
        await connection.execute(
            update(Chore)
            .where(Chore.name == BACKUP)
            .values(
                tried_at=now, fault=fault, failing_since=since, failures=row.failures + 1, busy_until=again
            )
        )


async def take_turn(url: str, now: datetime, every: timedelta) -> bool:
    """Whether this process is the one to take the backup that is due now; nobody else is, for a while."""
    async with _writing(url) as connection:
        await ensure(connection, BACKUP, now)
        due = or_(Chore.done_at.is_(None), Chore.done_at <= now - every)
        free = or_(Chore.busy_until.is_(None), Chore.busy_until <= now)
        taken = await connection.execute(
            update(Chore).where(Chore.name == BACKUP, due, free).values(busy_until=now + LEASE)
        )
        return taken.rowcount == 1


async def ensure(connection: AsyncConnection, name: str, now: datetime | None = None) -> None:
    """There is a row for the chore; `now` is noted as since when it should have been done."""
    own: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    facts = {"since": now.isoformat()} if now else {}
    made = own.insert(Chore).values(name=name, failures=0, facts=facts)
    await connection.execute(made.on_conflict_do_nothing())


@asynccontextmanager
async def _writing(url: str) -> AsyncIterator[AsyncConnection]:
    """A write transaction of its own on the database `url`."""
    engine = plain_engine(url)
    try:
        async with engine.execution_options(**{WRITE: True}).begin() as connection:
            yield connection
    finally:
        await engine.dispose()
