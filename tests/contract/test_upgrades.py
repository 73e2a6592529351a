"""An installation of an earlier version comes to today's schema with all that it has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from models import revisions
from models.session import MIGRATIONS, head_revision, make_engine, migrate, schema_revision
from models.tables import Base
from tests.conftest import Backend
from tests.filled import ROWS, fill, rows_of
from tests.servers import PostgresServer

pytestmark = pytest.mark.anyio

EARLIER = "0008"


@pytest.fixture
async def earlier(backend: Backend, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database with the schema of an earlier version."""
    if not backend.broker_url:
        url = f"sqlite+aiosqlite:///{tmp_path / 'earlier.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        name = f"earlier_{uuid4().hex}"
        server.create(name)
        url = server.url(name)
    await _on(url, lambda connection: _upgrade(connection, EARLIER))
    return url


async def _on(url: str, work: Callable[[Connection], Any]) -> Any:
    engine = make_engine(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def test_what_an_earlier_version_left_stays_as_it_was_and_the_schema_is_todays(earlier: str) -> None:
    before = await _on(earlier, fill)
    assert all(len(rows) == ROWS for _, rows in before.values())
    migrate(earlier)
    assert schema_revision(earlier) == head_revision()

    def look(connection: Connection) -> tuple[list[Any], dict[str, Any], int]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = list(compare_metadata(context, Base.metadata))
        after = {name: (columns, rows_of(connection, name, columns)) for name, (columns, _) in before.items()}
        waiting = connection.scalar(text("SELECT count(*) FROM notifications WHERE state = 'unknown'"))
        return differences, after, int(waiting or 0)

    differences, after, waiting = await _on(earlier, look)
    assert differences == []
    assert after == before
    assert waiting == ROWS


async def test_beginnings_of_answers_wait_apart_and_none_stays_of_an_anonymous_one(earlier: str) -> None:
    def prepare(connection: Connection) -> None:
        _upgrade(connection, "0024")
        fill(connection)
        first, second, _ = connection.scalars(text("SELECT survey_id FROM survey_answers ORDER BY version"))
        for change, ident in (("state = 'invited'", first), ("anonymous = true", second)):
            connection.execute(text(f"UPDATE surveys SET {change} WHERE id = :id"), {"id": ident})

    def look(connection: Connection) -> tuple[Any, ...]:
        kept = connection.scalars(text("SELECT version FROM survey_answers")).all()
        return connection.scalar(text("SELECT count(*) FROM survey_drafts")), kept

    await _on(earlier, prepare)
    migrate(earlier)
    assert await _on(earlier, look) == (1, [2])
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        await _on(earlier, lambda connection: connection.execute(text("DELETE FROM survey_answers")))


STATIONS = ("0001", "0004", "0012", "0018", "0024", "0030", "0034")
"""Where a walk through all revisions puts rows into every table."""


async def test_rows_of_every_time_go_through_all_revisions(backend: Backend, bare: str) -> None:
    """Each migration runs over tables that have rows; what an earlier one wrote stays."""
    for place, station in enumerate(STATIONS):
        await _on(bare, partial(_go_on, station, 10 * place))
    for one in revisions.after(STATIONS[-1]):
        await _on(bare, partial(_go_on, one.number, None))
    assert schema_revision(bare) == head_revision()
    differences = await _on(
        bare,
        lambda connection: compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata
        ),
    )
    assert list(differences) == []


@pytest.fixture
async def bare(backend: Backend, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a database without any table."""
    if not backend.broker_url:
        return f"sqlite+aiosqlite:///{tmp_path / 'bare.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = f"bare_{uuid4().hex}"
    server.create(name)
    return server.url(name)


def _go_on(revision: str, first: int | None, connection: Connection) -> None:
    _upgrade(connection, revision)
    if first is not None:
        fill(connection, first=first)
