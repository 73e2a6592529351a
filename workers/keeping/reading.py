"""Reading a whole database as it is at one moment, while others go on writing.

On SQLite a read transaction over the write-ahead log sees one moment and keeps nobody from writing
(sqlite.org/isolation.html); on PostgreSQL it is one of the kind REPEATABLE READ.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import NullPool

from models.session import is_sqlite, make_engine
from workers.errors import NotFound
from workers.keeping.plain import FROM_POSTGRESQL, FROM_SQLITE, PlainRow, Shape, converted

BATCH = 2000
UNLIMITED = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0", "lock_timeout": "0"}


class Snapshot(Protocol):
    """One moment of a database."""

    database: str
    """`sqlite` or `postgresql`."""
    schema: str

    def rows(self, shape: Shape) -> AsyncIterator[list[PlainRow]]:
        """The rows of a table in plain form, in batches."""
        ...

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        ...


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Snapshot]:
    """Look at the database `url` as it is now. Raises NotFound when it has no tables of closeloop."""
    opened = _sqlite(url) if is_sqlite(url) else _postgresql(url)
    async with opened as seen:
        yield seen


def sqlite_file(url: str) -> Path:
    """The file of an SQLite database."""
    return Path(str(make_url(url).database))


def open_sqlite(url: str, mode: str = "ro") -> sqlite3.Connection:
    """A connection of the standard library, without transactions of its own; usable from any thread.

    `mode`: ro, rw or rwc (sqlite.org/uri.html). Raises NotFound when there is no such file.
    """
    path = sqlite_file(url)
    if mode != "rwc" and not path.exists():
        raise NotFound(f"there is no database {path}", hint="name the right --data folder")
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        check_same_thread=False,
        isolation_level=None,
        timeout=60,
    )


def plain_engine(url: str) -> AsyncEngine:
    """An engine for work that takes as long as it takes."""
    if is_sqlite(url):
        return make_engine(url, poolclass=NullPool, busy_ms=60_000)
    return make_engine(url, poolclass=NullPool, server_settings=UNLIMITED)


def names(columns: Sequence[str]) -> str:
    """Columns, quoted for either database."""
    return ", ".join(f'"{name}"' for name in columns)


@asynccontextmanager
async def _sqlite(url: str) -> AsyncIterator[Snapshot]:
    connection = open_sqlite(url)
    try:
        connection.execute("BEGIN")
        yield SqliteSnapshot(connection)
    finally:
        await asyncio.to_thread(connection.close)


class SqliteSnapshot:
    """What a read transaction of SQLite sees."""

    database = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        try:
            (self.schema,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except (sqlite3.OperationalError, TypeError):
            raise NotFound(
                "the database has no tables of closeloop", hint="run closeloop migrate first"
            ) from None

    async def rows(self, shape: Shape) -> AsyncIterator[list[PlainRow]]:
        """The rows of a table in plain form, in batches."""
        query = f'SELECT {names(shape.columns)} FROM "{shape.table}"'  # noqa: S608 - own names
        cursor = await asyncio.to_thread(self._connection.execute, query)
        while batch := await asyncio.to_thread(cursor.fetchmany, BATCH):
            yield converted(batch, shape.kinds, FROM_SQLITE)

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        query = f'SELECT count(*) FROM "{table}"'  # noqa: S608 - own names
        return int(self._connection.execute(query).fetchone()[0])


@asynccontextmanager
async def _postgresql(url: str) -> AsyncIterator[Snapshot]:
    engine = plain_engine(url)
    try:
        async with engine.connect() as outer:
            driver: Any = (await outer.get_raw_connection()).driver_connection
            async with driver.transaction(isolation="repeatable_read", readonly=True):
                there = await driver.fetchval("SELECT to_regclass('alembic_version')")
                found = there and await driver.fetchval("SELECT version_num FROM alembic_version")
                if not found:
                    raise NotFound(
                        "the database has no tables of closeloop", hint="run closeloop migrate first"
                    )
                yield PostgresqlSnapshot(driver, str(found))
    finally:
        await engine.dispose()


class PostgresqlSnapshot:
    """What a transaction of the kind REPEATABLE READ sees."""

    database = "postgresql"

    def __init__(self, driver: Any, schema: str) -> None:
        self._driver = driver
        self.schema = schema

    async def rows(self, shape: Shape) -> AsyncIterator[list[PlainRow]]:
        """The rows of a table in plain form, in batches, in no order."""
        # As text, since the driver would read it: the text that was stored is what is kept.
        columns = ", ".join(
            f'"{name}"::text' if kind == "json" else f'"{name}"'
            for name, kind in zip(shape.columns, shape.kinds, strict=True)
        )
        cursor = await self._driver.cursor(f'SELECT {columns} FROM "{shape.table}"')  # noqa: S608 - own names
        while batch := await cursor.fetch(BATCH):
            yield converted(batch, shape.kinds, FROM_POSTGRESQL)

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(await self._driver.fetchval(f'SELECT count(*) FROM "{table}"'))  # noqa: S608 - own names
