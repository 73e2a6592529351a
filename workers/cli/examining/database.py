"""The database: version, schema, room for connections, long transactions; and rows that nobody works off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

from workers.cli.output import Finding

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncConnection

    from workers.settings import Settings

    About = Callable[[Settings, AsyncConnection], AsyncIterator[Finding]]

OLDEST_POSTGRESQL = 130_000
OLDEST_SQLITE = (3, 35)
FULL = 0.8
WITHIN = frozenset({"deadlines", "errands", "index"})
"""Desks whose work stays in the house: what fails there does so for a reason of ours."""
STUCK_AFTER = 300.0
BULK_AFTER = 3600.0


def database_findings(settings: Settings) -> Iterator[Finding]:
    """Version, schema, size, connections. Raises what the database raises."""
    from models.session import head_revision
    from workers.cli.opening import must_be_migrated
    from workers.errors import CloseloopError

    if _lacks_file(settings):  # looking would make it
        yield Finding(
            "database", "bad", "there is none yet", "closeloop migrate makes it (closeloop up, too)"
        )
        return
    yield from asyncio.run(_collected(settings, _about_server))
    try:
        must_be_migrated(settings)
        yield Finding("database", "good", f"at schema {head_revision()}")
    except CloseloopError as error:
        yield Finding("database", "bad", error.message, error.hint)


def row_findings(settings: Settings) -> Iterator[Finding]:
    """What lies at a desk, was laid aside, or is of unknown fate."""
    from workers.cli.opening import must_be_migrated
    from workers.errors import CloseloopError

    if _lacks_file(settings):
        return
    try:
        must_be_migrated(settings)
    except CloseloopError:
        return  # said above
    yield from asyncio.run(_collected(settings, _about_rows))


def _lacks_file(settings: Settings) -> bool:
    from pathlib import Path

    from sqlalchemy import make_url

    from models.session import is_sqlite

    url = settings.database_url
    return is_sqlite(url) and not Path(str(make_url(url).database)).exists()


async def _collected(settings: Settings, about: About) -> list[Finding]:
    from models.session import make_engine

    engine = make_engine(settings.database_url)
    try:
        async with asyncio.timeout(30), engine.connect() as connection:
            return [each async for each in about(settings, connection)]
    finally:
        await engine.dispose()


async def _about_server(settings: Settings, connection: AsyncConnection) -> AsyncIterator[Finding]:
    if connection.dialect.name == "sqlite":
        async for each in _about_sqlite(settings, connection):
            yield each
        return
    from sqlalchemy import text

    number = int(await connection.scalar(text("SHOW server_version_num")) or 0)
    size = int(await connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    words = f"PostgreSQL {number // 10_000}.{number % 10_000}, {size / 1024**2:.0f} MB"
    old = number < OLDEST_POSTGRESQL
    yield Finding(
        "database", "bad" if old else "good", words, "PostgreSQL 13 or newer is needed" if old else ""
    )
    most = int(await connection.scalar(text("SHOW max_connections")) or 0)
    used = int(await connection.scalar(text("SELECT count(*) FROM pg_stat_activity")) or 0)
    hint = "raise max_connections, or run fewer processes" if used > FULL * most else ""
    yield Finding("database", "warning" if hint else "good", f"{used} of {most} connections are in use", hint)
    long = await connection.scalar(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND xact_start < now() - interval '5 minutes'"
        )
    )
    if long:
        yield Finding(
            "database",
            "warning",
            f"{long} transactions have been open for more than five minutes",
            "they keep old rows alive and make all claims slow: look into pg_stat_activity",
        )


async def _about_sqlite(settings: Settings, connection: AsyncConnection) -> AsyncIterator[Finding]:
    import sqlite3

    from sqlalchemy import text

    size = int(
        await connection.scalar(
            text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        )
    )
    old = sqlite3.sqlite_version_info < OLDEST_SQLITE
    words = f"SQLite {sqlite3.sqlite_version}, {size / 1024**2:.0f} MB"
    yield Finding(
        "database", "bad" if old else "good", words, "SQLite 3.35 or newer is needed" if old else ""
    )
    damage = await connection.scalar(text("PRAGMA quick_check(1)"))
    if damage != "ok":
        yield Finding(
            "database", "bad", "the file is damaged", "stop closeloop, restore the last good backup"
        )
    if settings.broker_url:
        hint = "several processes on one file wait for each other: use PostgreSQL"
        yield Finding("database", "warning", "SQLite with a broker between processes", hint)


async def _about_rows(settings: Settings, connection: AsyncConnection) -> AsyncIterator[Finding]:
    from models.vocabulary import Lane
    from workers.actors import DESKS
    from workers.backlog import backlog
    from workers.clock import clock_for

    clock = clock_for(settings.clock_speed, *(settings.clock_start or ()))
    stuck = 0
    for desk, model in DESKS.items():
        for lane, found in (await backlog(connection, model, clock)).items():
            if desk in WITHIN and found.failing:
                stuck += 1
                words = (
                    f"{found.failing} rows at {desk} ({lane.value}) were tried three times and more in vain"
                )
                yield Finding("rows", "bad", words, "the worker's log says why: see ops/runbook.md")
            if found.waited <= (BULK_AFTER if lane is Lane.BULK else STUCK_AFTER):
                continue
            stuck += 1
            words = f"{found.waiting} rows wait at {desk} ({lane.value}), the first for {found.waited:.0f} s"
            yield Finding("rows", "bad", words, "does a worker of that lane run? See ops/runbook.md")
    if not stuck:
        yield Finding("rows", "good", "everything that is due is worked off")
    async for each in _aside(connection):
        yield each


def process_findings(settings: Settings) -> Iterator[Finding]:
    """Which processes are there, which fell silent; nothing about a database of another version."""
    from workers.cli.opening import must_be_migrated
    from workers.errors import CloseloopError

    if _lacks_file(settings):
        return
    try:
        must_be_migrated(settings)
    except CloseloopError:
        return  # said above
    yield from asyncio.run(_collected(settings, _about_processes))


async def _about_processes(settings: Settings, connection: AsyncConnection) -> AsyncIterator[Finding]:
    from workers.clock import SystemClock
    from workers.running import running_on

    now = SystemClock().machine()
    running = await running_on(connection, now)
    for one in running.lost:
        hint = f"it was killed, hangs or is cut off: start a {one.kind}"
        yield Finding("processes", "bad", one.silence(now), hint)
    if running.without_worker:
        yield Finding("processes", "bad", "no worker runs: what comes in is only kept", "closeloop worker")
    if running.alive:
        told = ", ".join(one.name for one in running.alive)
        yield Finding("processes", "good", f"there are {told}")
    elif not running.lost:
        yield Finding("processes", "good", "none runs at present")


async def _aside(connection: AsyncConnection) -> AsyncIterator[Finding]:
    from sqlalchemy import func, select

    from models.intake import IntakeEvent
    from models.notifications import Notification
    from models.vocabulary import EventState, NotificationState

    async def count(condition: ColumnElement[bool]) -> int:
        return int(await connection.scalar(select(func.count()).where(condition)) or 0)

    if poison := await count(IntakeEvent.state == EventState.POISON):
        hint = "closeloop intake list --state poison; after mending: closeloop intake retry --all"
        yield Finding("rows", "warning", f"{poison} events that came in are laid aside", hint)
    if unknown := await count(Notification.state == NotificationState.UNKNOWN):
        hint = "look at /console/messages?state=unknown, and send again what did not arrive"
        yield Finding("rows", "warning", f"{unknown} messages are of unknown fate", hint)
