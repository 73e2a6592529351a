"""Engines, and the way to the newest schema."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, PoolProxiedConnection

from models.gate import WriteGate
from models.revisions import MIGRATIONS, newest
from models.upgrading import build_indexes, current_revision, facts_of, upgrade

__all__ = [
    "MIGRATIONS",
    "WRITE",
    "WriteGate",
    "async_url",
    "head_revision",
    "is_sqlite",
    "make_engine",
    "make_gate",
    "migrate",
    "schema_needs",
    "schema_revision",
]

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
WRITE = "closeloop_write"
BUSY_MS = 10_000
RESTING_SINCE = "closeloop_resting_since"
DOUBTFUL_AFTER = 5.0
"""Seconds of rest after which a connection to PostgreSQL must answer before it is used again."""
LOCK_TRIES = 6
LOCK_PAUSE = 2.0

T = TypeVar("T")


def async_url(url: str | URL) -> URL:
    """`url` with the asynchronous driver that is used for its database.

    Raises ValueError for a database other than SQLite (in a file) and PostgreSQL.
    """
    parsed = make_url(url)
    backend = parsed.drivername.partition("+")[0]
    if backend not in DRIVERS:
        raise ValueError(f"'{backend}' is not supported: use sqlite or postgresql")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("SQLite needs a file: several connections share it")
    return parsed.set(drivername=DRIVERS[backend])


def is_sqlite(url: str | URL) -> bool:
    """Whether `url` names an SQLite database."""
    return make_url(url).drivername.partition("+")[0] == "sqlite"


def make_engine(url: str | URL, **options: Any) -> AsyncEngine:
    """An engine for the event loop that is going to use it (engines do not cross loops).

    `options` override those of SQLAlchemy's `create_async_engine`. Nothing is opened yet.
    """
    target = async_url(url)
    return _sqlite_engine(target, options) if is_sqlite(target) else _postgresql_engine(target, options)


def _postgresql_engine(url: URL, options: dict[str, Any]) -> AsyncEngine:
    server = {
        "application_name": "closeloop",
        "statement_timeout": "30000",
        "idle_in_transaction_session_timeout": "60000",
        "jit": "off",
        **options.pop("server_settings", {}),
    }
    settings: dict[str, Any] = {
        "pool_size": 10,
        "max_overflow": 10,
        "pool_use_lifo": True,  # the one that knows most statements already
        "hide_parameters": True,  # a failed statement is logged without the values it was given
        "connect_args": {"server_settings": server, "timeout": 10, "command_timeout": 60},
    }
    if options.get("poolclass") is NullPool:
        settings = {name: settings[name] for name in ("hide_parameters", "connect_args")}
    engine = create_async_engine(url, **{**settings, **options})
    event.listen(engine.sync_engine, "checkin", _note_rest)
    event.listen(engine.sync_engine, "checkout", _check_life)
    return engine


def _note_rest(_: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    record.info[RESTING_SINCE] = time.monotonic()


def _check_life(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
    """A connection from the pool is asked whether it lives if it rested for long, else only looked at.

    SQLAlchemy's pre-ping asks before each transaction: three round trips. A server that ends (a restart, a
    failover) closes its sockets, which the event loop notices at once; only what vanishes without a word, as
    behind a firewall that forgets idle connections, has to be asked.
    """
    resting_since: float | None = record.info.get(RESTING_SINCE)
    if resting_since is None:
        return  # it is new
    driver = record.driver_connection
    if driver is None or driver.is_closed():
        raise InvalidatePoolError
    if time.monotonic() - resting_since > DOUBTFUL_AFTER and not _answers(connection):
        raise InvalidatePoolError


def _answers(connection: Any) -> bool:
    try:
        connection.ping()
    except (connection.dbapi.Error, OSError):
        return False
    return True


def _sqlite_engine(url: URL, options: dict[str, Any]) -> AsyncEngine:
    busy_ms = int(options.pop("busy_ms", BUSY_MS))
    settings: dict[str, Any] = {} if "poolclass" in options else {"pool_size": 6, "max_overflow": 6}
    settings["hide_parameters"] = True
    engine = create_async_engine(url, **{**settings, "connect_args": {"timeout": busy_ms / 1000}, **options})
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The driver's own BEGIN comes too late and is never IMMEDIATE; `_begin_sqlite` takes over.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode")
        if cursor.fetchone() != ("wal",):
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
    finally:
        cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail with SQLITE_BUSY_SNAPSHOT, which no
    # time-out cures; one that says at once that it will write only waits for its turn.
    write = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def make_gate(url: str | URL) -> WriteGate | None:
    """The gate for writing to `url`: one for SQLite, none for PostgreSQL (its rows have their own locks)."""
    return WriteGate() if is_sqlite(url) else None


def migrate(url: str | URL, revision: str = "head") -> None:
    """Bring the database to the newest schema, or up to an earlier `revision`; nothing when it is there.

    May be called by several processes at once: the upgrade is one transaction under a lock. Works with
    or without a running event loop (it blocks the caller). A missing SQLite file is made, for its owner
    alone to read, and its folder.
    """
    target = async_url(url)
    if is_sqlite(target):
        _make_file(Path(str(target.database)))
    wanted = head_revision() if revision == "head" else revision
    found = schema_revision(target)
    if found is not None and found > wanted:
        return  # a newer version was here: whether this one fits is not for the migrations to say
    if found != wanted:
        _give_way(
            lambda: _on_connection(
                target, lambda connection: upgrade(connection, wanted, MIGRATIONS), write=True
            )
        )
    if not is_sqlite(target) and _on_connection(target, facts_of, write=False).get("indexes"):
        _on_connection(target, build_indexes, write=True, autocommit=True)


def _make_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # What SQLite makes itself follows the umask; what it lays beside a file has the file's mode.
    with suppress(FileExistsError):  # its mode is the operator's choice
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _give_way(work: Callable[[], None]) -> None:
    """Try again when somebody holds a table for long; at last the error tells (55P03, lock_not_available)."""
    for left in range(LOCK_TRIES - 1, -1, -1):
        try:
            return work()
        except DBAPIError as error:
            if not left or getattr(error.orig, "sqlstate", None) != "55P03":
                raise
            time.sleep(LOCK_PAUSE)
    return None


def schema_revision(url: str | URL) -> str | None:
    """The revision the database is at; None when it has never been migrated."""
    return _on_connection(async_url(url), current_revision, write=False)


def head_revision() -> str:
    """The newest revision this program knows."""
    return newest()


def schema_needs(url: str | URL) -> str | None:
    """From which revision on a program must be to work on the database; None: nothing was taken away yet."""
    return _on_connection(async_url(url), lambda connection: facts_of(connection).get("needs"), write=False)


def _on_connection(url: URL, work: Callable[[Connection], T], *, write: bool, autocommit: bool = False) -> T:
    async def visit() -> T:
        waiting: dict[str, Any] = (
            {"busy_ms": 60_000} if is_sqlite(url) else {"server_settings": {"statement_timeout": "0"}}
        )
        engine = make_engine(url, poolclass=NullPool, **waiting)
        options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if autocommit else {}
        try:
            async with engine.execution_options(**{WRITE: write}, **options).begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    return _in_own_loop(visit)


def _in_own_loop(visit: Callable[[], Awaitable[T]]) -> T:
    # A thread of its own, since the caller may itself run inside an event loop (a test, the CLI).
    box: list[T] = []
    failure: list[BaseException] = []

    async def run() -> None:
        box.append(await visit())

    def body() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=body, name="closeloop-migrate")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return box[0]
