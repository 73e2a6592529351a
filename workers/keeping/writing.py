"""Writing rows in plain form into an empty database, all or nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from models.session import is_sqlite
from workers.keeping.plain import TO_POSTGRESQL, PlainRow, Shape, converted
from workers.keeping.reading import names, open_sqlite, plain_engine


class Target(Protocol):
    """A database that is being filled, in one transaction."""

    async def insert(self, shape: Shape, rows: Sequence[PlainRow]) -> None:
        """Add rows of one table."""
        ...

    async def run(self, statement: str) -> int:
        """Run a statement without parameters; gives its count of rows, or the number it selects."""
        ...


@asynccontextmanager
async def target(url: str) -> AsyncIterator[Target]:
    """Fill the database `url`: committed at the end, as if nothing had been after any error."""
    opened = _sqlite(url) if is_sqlite(url) else _postgresql(url)
    async with opened as filled:
        yield filled


@asynccontextmanager
async def _sqlite(url: str) -> AsyncIterator[Target]:
    connection = open_sqlite(url, "rw")
    try:
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("BEGIN IMMEDIATE")
        # All references are checked at the end: tables come in an order that fits, rows of one need not.
        connection.execute("PRAGMA defer_foreign_keys=ON")
        yield SqliteTarget(connection)
        await asyncio.to_thread(connection.execute, "COMMIT")
    finally:
        await asyncio.to_thread(connection.close)  # what was not committed is gone


class SqliteTarget:
    """An SQLite file that is being filled."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def insert(self, shape: Shape, rows: Sequence[PlainRow]) -> None:
        """Add rows of one table."""
        marks = ", ".join("?" * len(shape.columns))
        statement = f'INSERT INTO "{shape.table}" ({names(shape.columns)}) VALUES ({marks})'  # noqa: S608 - own names
        await asyncio.to_thread(self._connection.executemany, statement, rows)

    async def run(self, statement: str) -> int:
        """Run a statement without parameters; gives its count of rows, or the number it selects."""
        cursor = self._connection.execute(statement)
        return int(cursor.fetchone()[0]) if cursor.description else cursor.rowcount


@asynccontextmanager
async def _postgresql(url: str) -> AsyncIterator[Target]:
    engine = plain_engine(url)
    try:
        async with engine.connect() as outer:
            driver: Any = (await outer.get_raw_connection()).driver_connection
            async with driver.transaction():
                yield PostgresqlTarget(driver)
    finally:
        await engine.dispose()


class PostgresqlTarget:
    """A PostgreSQL database that is being filled, by COPY."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def insert(self, shape: Shape, rows: Sequence[PlainRow]) -> None:
        """Add rows of one table."""
        await copy_rows(self._driver, shape, rows)

    async def run(self, statement: str) -> int:
        """Run a statement without parameters; gives its count of rows, or the number it selects."""
        if statement.lstrip().upper().startswith("SELECT"):
            return int(await self._driver.fetchval(statement))
        return int((await self._driver.execute(statement)).rpartition(" ")[2])


async def copy_rows(driver: Any, shape: Shape, rows: Sequence[PlainRow]) -> None:
    """Add rows in plain form by COPY to PostgreSQL, on a connection of asyncpg."""
    records = converted(rows, shape.kinds, TO_POSTGRESQL)
    await driver.copy_records_to_table(shape.table, records=records, columns=shape.columns)
