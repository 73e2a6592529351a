"""From SQLite to PostgreSQL: nothing else runs, a kill does no harm, everything is the same afterwards."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from models.session import make_engine
from models.tables import Base
from models.tickets import Ticket
from tests.conftest import SQLITE_INPROCESS, Backend
from tests.factories import all_of, make_ticket, make_workshop
from tests.fakes import ManualClock
from tests.filled import fill
from tests.servers import PostgresServer
from tests.small_world import small_world
from tests.workbench import settings_on
from workers import keeping
from workers.errors import Conflict, InvalidInput, SettingsError
from workers.keeping import moving
from workers.keeping.comparing import tallies
from workers.keeping.plain import shapes, waits_for_next
from workers.keeping.presence import present
from workers.keeping.settling import leased
from workers.tickets import ticket_by_number
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
KILLED = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from workers.keeping import moving
moving.BATCH = 3
batches = 0
def told(table, rows):
    global batches
    batches += rows > 0
    if batches == 25:
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(moving.move(sys.argv[1], sys.argv[2], datetime.now(UTC), told_rows=told))
"""


@pytest.fixture
def old(migrated_sqlite: Path, tmp_path: Path) -> Backend:
    """An installation on SQLite."""
    shutil.copy(migrated_sqlite, tmp_path / "old.db")
    return Backend(SQLITE_INPROCESS, f"sqlite+aiosqlite:///{tmp_path / 'old.db'}", "")


@pytest.fixture
def new(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    name = f"new_{uuid.uuid4().hex}"
    postgres_server.create(name)
    yield postgres_server.url(name)
    postgres_server.drop(name)


async def on(url: str, work: Any) -> Any:
    """Run `work` on a connection of the database."""
    engine = make_engine(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def test_tables_go_over_in_an_order_that_their_references_allow() -> None:
    before: set[str] = set()
    group: set[str] = set()
    for shape in shapes():
        group.add(shape.table)
        table = Base.metadata.tables[shape.table]
        assert {each.column.table.name for each in table.foreign_keys if not each.use_alter} <= before | group
        if waits_for_next(shape.table):
            continue
        keys = [each for name in group for each in Base.metadata.tables[name].foreign_keys]
        assert {each.column.table.name for each in keys} <= before | group
        before, group = before | group, set()


async def test_a_move_that_was_killed_goes_on_and_all_is_the_same(old: Backend, new: str) -> None:
    async with small_world(old) as world:
        settings = world.desk.workshop.settings
        number = (await all_of(world.desk.workshop, Ticket))[-1].number
        said = await description(world.desk.workshop, number)
    keys = {"secret_keys": settings.secret_keys}
    before = await tallies(old.database_url)
    assert len([name for name, (rows, _) in before.items() if rows]) > 30

    words = [sys.executable, "-c", KILLED, old.database_url, new]
    killed = await asyncio.to_thread(subprocess.run, words, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with pytest.raises(SettingsError, match="moved"):
        async with make_workshop(old, ManualClock(), **keys) as workshop, present(workshop, "up"):
            pytest.fail("a process works on a database that is being moved")
    told: list[int] = []
    moved = await moving.move(old.database_url, new, NOW, told_rows=lambda _, rows: told.append(rows))
    assert moved.resumed
    assert moved.rows == sum(told) == sum(rows for rows, _ in before.values())
    assert await tallies(new) == before
    assert await on(new, lambda connection: inspect(connection).has_table(moving.PROGRESS)) is False

    place = Backend("postgresql", new, "")
    async with make_workshop(place, ManualClock(), **keys) as workshop, present(workshop, "up"):
        assert await description(workshop, number) == said
        known = {each.number: each.customer_id for each in await all_of(workshop, Ticket)}
        ticket = await make_ticket(workshop, email="li.na@customer.example")
        assert ticket.number not in known
        assert ticket.customer_id in known.values()  # found by the keyed hash of the address
    with pytest.raises(SettingsError, match="moved"):
        async with make_workshop(old, ManualClock(), **keys) as workshop, present(workshop, "up"):
            pytest.fail("a process works on a database that was moved")
    assert moving.abandon(old.database_url)
    async with make_workshop(old, ManualClock(), **keys) as workshop, present(workshop, "up"):
        assert await description(workshop, number) == said


async def test_a_move_is_refused_while_anybody_works_or_where_rows_are(
    old: Backend, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_workshop(old, ManualClock()) as workshop, present(workshop, "worker"):
        with pytest.raises(Conflict, match="worker"):
            await moving.move(old.database_url, new, NOW)
        async with workshop.begin() as uow:
            await uow.session.execute(text("UPDATE processes SET seen_at = '2026-03-02 01:00:00.000000'"))
        # It was killed an hour ago, but somebody without a name holds the place of a writer.
        async with workshop.begin() as uow:
            await uow.session.execute(text("SELECT 1"))
            monkeypatch.setattr(moving, "PATIENCE_MS", 10)
            with pytest.raises(Conflict, match="somebody writes"):
                await moving.move(old.database_url, new, NOW)
    await moving.move(old.database_url, new, NOW)
    with pytest.raises(Conflict, match="not empty"):
        await moving.move(old.database_url, new, NOW)
    for source, to in ((new, old.database_url), (old.database_url, old.database_url), (new, new)):
        with pytest.raises(InvalidInput):
            await moving.move(source, to, NOW)


async def test_a_backup_goes_from_one_kind_of_database_to_the_other_and_back(
    old: Backend, new: str, tmp_path: Path
) -> None:
    await on(old.database_url, lambda connection: fill(connection, Base.metadata))
    erased = text("UPDATE data_keys SET wrapped = NULL")  # they are no keys
    await on(old.database_url, lambda connection: connection.execute(erased))
    settings = replace(settings_on(old.database_url), data=tmp_path / "data")
    first = await keeping.make_backup(settings, tmp_path / "kept", NOW)
    await keeping.restore(replace(settings, database_url=new), first.path, NOW)
    assert same(await tallies(new)) == same(await tallies(old.database_url))
    second = await keeping.make_backup(replace(settings, database_url=new), tmp_path / "kept", NOW)
    back = f"sqlite+aiosqlite:///{tmp_path / 'back.db'}"
    await keeping.restore(replace(settings, database_url=back), second.path, NOW)
    assert same(await tallies(back)) == same(await tallies(old.database_url))


def same(found: Mapping[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """What a restore leaves as it was: not who fetches and who holds what, which it ends on purpose."""
    settled = {"mailboxes", *leased()}
    return {name: tally for name, tally in found.items() if name not in settled}


async def description(workshop: Workshop, number: str) -> str:
    """What a ticket is about, opened."""
    async with workshop.read() as uow:
        ticket = await ticket_by_number(uow, number)
        sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
        return sealer.text(ticket.description_sealed, "tickets.description")
