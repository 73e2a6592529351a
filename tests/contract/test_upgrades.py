"""An installation of an earlier version comes to today's schema with all that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    insert,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import JSON, Boolean, Uuid

from models.base import new_id
from models.session import MIGRATIONS, head_revision, make_engine, migrate, schema_revision
from models.tables import Base
from tests.conftest import Backend
from tests.servers import PostgresServer

pytestmark = pytest.mark.anyio

EARLIER = "0008"
ROWS = 3
WHEN = datetime(2026, 3, 2, 4, tzinfo=UTC)
FIXED = {"state": "unknown", "lane": "normal"}


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


def _value(table: Table, column: Column[Any], number: int, keys: Mapping[str, Any]) -> Any:
    """Something that fits, and differs from row to row where it must be unique."""
    for key in column.foreign_keys:
        return keys[key.column.table.name][number]
    kind = column.type
    if column.name == "id":
        return number if isinstance(kind, Integer) else keys[table.name][number]
    if column.name in FIXED:
        return FIXED[column.name]
    for types, value in (
        (Uuid, keys[table.name][number]),
        (Boolean, False),
        ((Integer, Numeric, Float), number),
        (DateTime, WHEN),
        (LargeBinary, bytes([number]) * 32),
        (JSON, {}),
    ):
        if isinstance(kind, types):
            return value
    return f"v{number}"


def _fill(connection: Connection) -> dict[str, tuple[list[str], list[str]]]:
    """Rows in each table, all columns filled: by table its columns, and what stands in them."""
    metadata = MetaData()
    metadata.reflect(connection)
    tables = {name: table for name, table in metadata.tables.items() if name != "alembic_version"}
    textual = connection.dialect.name == "sqlite"
    keys = {name: [new_id().hex if textual else new_id() for _ in range(ROWS)] for name in tables}
    connection.execute(text("PRAGMA defer_foreign_keys=ON" if textual else "SET CONSTRAINTS ALL DEFERRED"))
    for table in tables.values():
        for number in range(ROWS):
            values = {column.name: _value(table, column, number, keys) for column in table.columns}
            connection.execute(insert(table), values)
    columns = {name: [column.name for column in table.columns] for name, table in tables.items()}
    return {name: (columns[name], _rows(connection, name, columns[name])) for name in tables}


def _rows(connection: Connection, table: str, columns: Sequence[str]) -> list[str]:
    quoted = ", ".join(f'"{column}"' for column in columns)
    return sorted(repr(tuple(row)) for row in connection.execute(text(f'SELECT {quoted} FROM "{table}"')))


async def test_what_an_earlier_version_left_stays_as_it_was_and_the_schema_is_todays(earlier: str) -> None:
    before = await _on(earlier, _fill)
    assert all(len(rows) == ROWS for _, rows in before.values())
    migrate(earlier)
    assert schema_revision(earlier) == head_revision()

    def look(connection: Connection) -> tuple[list[Any], dict[str, Any], int]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = list(compare_metadata(context, Base.metadata))
        after = {name: (columns, _rows(connection, name, columns)) for name, (columns, _) in before.items()}
        waiting = connection.scalar(text("SELECT count(*) FROM notifications WHERE state = 'unknown'"))
        return differences, after, int(waiting or 0)

    differences, after, waiting = await _on(earlier, look)
    assert differences == []
    assert after == before
    assert waiting == ROWS


async def test_beginnings_of_answers_wait_apart_and_none_stays_of_an_anonymous_one(earlier: str) -> None:
    def fill(connection: Connection) -> None:
        _upgrade(connection, "0024")
        _fill(connection)
        first, second, _ = connection.scalars(text("SELECT survey_id FROM survey_answers ORDER BY version"))
        for change, ident in (("state = 'invited'", first), ("anonymous = true", second)):
            connection.execute(text(f"UPDATE surveys SET {change} WHERE id = :id"), {"id": ident})

    def look(connection: Connection) -> tuple[Any, ...]:
        kept = connection.scalars(text("SELECT version FROM survey_answers")).all()
        return connection.scalar(text("SELECT count(*) FROM survey_drafts")), kept

    await _on(earlier, fill)
    migrate(earlier)
    assert await _on(earlier, look) == (1, [2])
    with pytest.raises(DBAPIError, match="never changed or deleted"):
        await _on(earlier, lambda connection: connection.execute(text("DELETE FROM survey_answers")))
