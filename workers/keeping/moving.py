"""Moving from SQLite to PostgreSQL: everything stands still, rows go over in batches, both are compared.

How far it has come stands in a table of the target that is gone at the end, written with each batch in one
transaction: after a kill, the same command goes on where it was. The source is not changed but for the note
that it was moved, by which no process starts on it any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import make_url

from models.session import head_revision, is_sqlite, migrate, schema_revision
from workers.errors import Conflict, InvalidInput
from workers.keeping.backup import Told
from workers.keeping.comparing import differing, tallies
from workers.keeping.plain import FROM_SQLITE, PlainRow, Shape, converted, shapes, waits_for_next
from workers.keeping.presence import MOVE, alive, told
from workers.keeping.reading import names, open_sqlite, plain_engine
from workers.keeping.writing import copy_rows

BATCH = 5000
PATIENCE_MS = 5000
PROGRESS = "closeloop_move"
ABANDON = "closeloop move --abandon lets processes work on the old database again"


State = dict[str, tuple[Sequence[int], bool]]
"""By table: the place of the last row that has gone over, and whether that was all."""


@dataclass(slots=True)
class Moved:
    """What has gone over: rows in all, and number and hash of the rows by table, the same on both sides."""

    rows: int
    tables: dict[str, tuple[int, str]]
    resumed: bool


async def move(source: str, to: str, now: datetime, *, told_rows: Told | None = None) -> Moved:
    """Copy the SQLite database `source` into the empty PostgreSQL database `to`, and compare both.

    `now` is machine time. Raises InvalidInput for other kinds of databases, Conflict when processes work on
    the source, the target is not empty, or what has arrived is not what was sent.
    """
    if not is_sqlite(source) or is_sqlite(to):
        raise InvalidInput("closeloop move goes from SQLite to PostgreSQL", hint="--to postgresql://…")
    if await asyncio.to_thread(schema_revision, source) != head_revision():
        raise Conflict("the old database is of another version", hint="run closeloop migrate first")
    if there := await alive(source, now):
        raise Conflict(
            f"there is still running: {told(there)}",
            hint="stop all processes; one that was killed is forgotten after a minute",
        )
    resumed = await _prepare(source, to)
    shown = make_url(to).render_as_string(hide_password=True)
    with _frozen(source, shown, now) as connection:
        await _copy_all(connection, to, told_rows)
        before, after = await tallies(source), await tallies(to)
    if wrong := differing(before, after):
        raise Conflict(
            f"what has arrived is not what was sent: {', '.join(wrong)}",
            hint=f"empty the new database and begin again; {ABANDON}",
        )
    await _finish(to)
    return Moved(sum(rows for rows, _ in before.values()), dict(before), resumed)


def abandon(source: str) -> bool:
    """Let processes work on the old database again; whether it had been moved."""
    with contextlib.closing(open_sqlite(source, "rw")) as connection:
        return connection.execute("DELETE FROM chores WHERE name = ?", (MOVE,)).rowcount > 0


async def count_rows(source: str) -> int:
    """How many rows there are to move."""

    def count() -> int:
        with contextlib.closing(open_sqlite(source)) as connection:
            return sum(
                connection.execute(f'SELECT count(*) FROM "{shape.table}"').fetchone()[0]  # noqa: S608 - own names
                for shape in shapes()
            )

    return await asyncio.to_thread(count)


@contextlib.contextmanager
def _frozen(source: str, to: str, now: datetime) -> Iterator[sqlite3.Connection]:
    """From now on no process starts on the source, and as long as this lasts nobody writes into it: its
    transaction holds the one place of a writer. Raises Conflict when somebody else does.
    """
    with contextlib.closing(open_sqlite(source, "rw")) as connection:
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
        try:
            connection.execute(
                "INSERT INTO chores (name, tried_at, failures, facts) VALUES (?, ?, 0, json_object('to', ?))"
                " ON CONFLICT (name) DO UPDATE SET tried_at = excluded.tried_at, facts = excluded.facts",
                (MOVE, now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"), to),
            )
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise Conflict("somebody writes into the old database", hint="stop all processes") from error
        yield connection
        connection.execute("ROLLBACK")


# -- the target ---------------------------------------------------------------------------------------------


async def _prepare(source: str, to: str) -> bool:
    """Make the target's tables; whether an earlier move into it is to be gone on with."""
    if await asyncio.to_thread(schema_revision, to) is None:
        await asyncio.to_thread(migrate, to)
    identity = await asyncio.to_thread(_identity, source)
    async with _driver(to) as driver:
        if await driver.fetchval("SELECT version_num FROM alembic_version") != head_revision():
            raise Conflict("the new database has tables of another version", hint="give an empty one")
        async with driver.transaction():
            if await driver.fetchval(f"SELECT to_regclass('{PROGRESS}')"):
                known = await driver.fetchval(f"SELECT source FROM {PROGRESS} WHERE name = ''")  # noqa: S608 - own names
                if known != identity:
                    raise Conflict(
                        "another database was being moved into the new one", hint="give an empty one"
                    )
                return True
            for shape in shapes():
                if await driver.fetchval(f'SELECT EXISTS (SELECT 1 FROM "{shape.table}")'):  # noqa: S608 - own names
                    raise Conflict(
                        f"the new database is not empty: there are rows in {shape.table}",
                        hint="give an empty one",
                    )
            await driver.execute(
                f"CREATE TABLE {PROGRESS} (name text PRIMARY KEY, source text, last text, done boolean)"
            )
            await driver.execute(f"INSERT INTO {PROGRESS} VALUES ('', $1, '[]', false)", identity)  # noqa: S608 - own names
    return False


def _identity(source: str) -> str:
    """What tells this installation from others: the id of its key for looking up."""
    with contextlib.closing(open_sqlite(source)) as connection:
        row = connection.execute("SELECT id FROM data_keys WHERE purpose = 'lookup'").fetchone()
    return str(row[0]) if row else "new"


@contextlib.asynccontextmanager
async def _driver(url: str) -> AsyncIterator[Any]:
    """A connection of asyncpg."""
    engine = plain_engine(url)
    try:
        async with engine.connect() as outer:
            yield (await outer.get_raw_connection()).driver_connection
    finally:
        await engine.dispose()


async def _copy_all(connection: sqlite3.Connection, to: str, told_rows: Told | None) -> None:
    async with _driver(to) as driver:
        known = await driver.fetch(f"SELECT name, last, done FROM {PROGRESS}")  # noqa: S608 - own names
        state = {row["name"]: (json.loads(row["last"]), row["done"]) for row in known}
        together: list[Shape] = []
        for shape in shapes():
            together.append(shape)
            if not waits_for_next(shape.table):
                await _copy_group(connection, driver, together, state, told_rows)
                together = []


async def _copy_group(
    connection: sqlite3.Connection,
    driver: Any,
    group: Sequence[Shape],
    state: State,
    told_rows: Told | None,
) -> None:
    """One table batch by batch, or a few that refer to each other in one transaction."""
    if len(group) == 1:
        await _copy_table(connection, driver, group[0], state, told_rows)
        return
    async with driver.transaction():
        for shape in group:
            await _copy_table(connection, driver, shape, state, told_rows)


async def _copy_table(
    connection: sqlite3.Connection,
    driver: Any,
    shape: Shape,
    state: State,
    told_rows: Told | None,
) -> None:
    last, done = state.get(shape.table, ([], False))
    if told_rows is not None:
        told_rows(shape.table, await asyncio.to_thread(_gone, connection, shape, last))
    while not done:
        rows, end = await asyncio.to_thread(_batch, connection, shape, last)
        done = len(rows) < BATCH
        async with driver.transaction():
            await copy_rows(driver, shape, rows)
            await driver.execute(
                f"INSERT INTO {PROGRESS} (name, last, done) VALUES ($1, $2, $3)"  # noqa: S608 - own names
                " ON CONFLICT (name) DO UPDATE SET last = excluded.last, done = excluded.done",
                shape.table,
                json.dumps(end),
                done,
            )
        last = end
        if told_rows is not None:
            told_rows(shape.table, len(rows))


def _gone(connection: sqlite3.Connection, shape: Shape, last: Sequence[int]) -> int:
    """How many rows had gone over before."""
    if not last:
        return 0
    marks = ", ".join("?" * len(last))
    query = f'SELECT count(*) FROM "{shape.table}" WHERE ({names(shape.place)}) <= ({marks})'  # noqa: S608 - own names
    return int(connection.execute(query, last).fetchone()[0])


def _batch(
    connection: sqlite3.Connection, shape: Shape, last: Sequence[int]
) -> tuple[list[PlainRow], Sequence[int]]:
    """The next rows in the order in which they are kept, in plain form, and the place of the last."""
    place, width = names(shape.place), len(shape.place)
    after = f" WHERE ({place}) > ({', '.join('?' * width)})" if last else ""
    query = f'SELECT {names(shape.columns)}, {place} FROM "{shape.table}"{after} ORDER BY {place} LIMIT ?'  # noqa: S608 - own names
    found = connection.execute(query, (*last, BATCH)).fetchall()
    if not found:
        return [], last
    return converted((row[:-width] for row in found), shape.kinds, FROM_SQLITE), found[-1][-width:]


async def _finish(to: str) -> None:
    """The progress goes; statistics are made."""
    async with _driver(to) as driver:
        await driver.execute(f"DROP TABLE {PROGRESS}")
        await driver.execute("ANALYZE")
