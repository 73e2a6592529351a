"""Rows in each table of a database, all columns filled, whatever the schema it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    insert,
    text,
)
from sqlalchemy.types import JSON, Boolean, Uuid

from models.base import UtcDateTime, new_id

ROWS = 3
WHEN = datetime(2026, 3, 2, 4, 5, 6, 7, tzinfo=UTC)
FIXED = {"state": "unknown", "lane": "normal"}
ODD = {"字": [None, 1.5, "é", {"\\": "'"}]}
"""JSON that must come out as it went in."""
LEFT_OUT = frozenset({"alembic_version", "chores", "processes"})


def fill(
    connection: Connection, known: MetaData | None = None, *, first: int = 0
) -> dict[str, tuple[list[str], list[str]]]:
    """Rows in each table, all columns filled: by table its columns, and what stands in them.

    `known` are the tables with their types, where today's schema is meant; else they are those that are
    found, in which SQLite's ids are texts. `first` makes the values others than those of an earlier call.
    """
    metadata = known or MetaData()
    if known is None:
        metadata.reflect(connection)
    tables = {name: table for name, table in metadata.tables.items() if name not in LEFT_OUT}
    sqlite = connection.dialect.name == "sqlite"
    textual = sqlite and known is None
    keys = {name: [new_id().hex if textual else new_id() for _ in range(ROWS)] for name in tables}
    connection.execute(text("PRAGMA defer_foreign_keys=ON" if sqlite else "SET CONSTRAINTS ALL DEFERRED"))
    for table in tables.values():
        for number in range(ROWS):
            values = {column.name: _value(table, column, number, first, keys) for column in table.columns}
            if known is not None:
                values |= {each.name: ODD for each in table.columns if isinstance(each.type, JSON)}
            connection.execute(insert(table), values)
    columns = {name: [column.name for column in table.columns] for name, table in tables.items()}
    return {name: (columns[name], rows_of(connection, name, columns[name])) for name in tables}


def _value(table: Table, column: Column[Any], place: int, first: int, keys: Mapping[str, Any]) -> Any:
    """Something that fits, and differs from row to row where it must be unique."""
    for key in column.foreign_keys:
        return keys[key.column.table.name][place]
    kind, number = column.type, first + place
    if column.name == "id":
        return number if isinstance(kind, Integer) else keys[table.name][place]
    if isinstance(kind, Enum) and kind.enum_class is not None:
        return list(kind.enum_class)[number % len(kind.enum_class)]
    if column.name in FIXED:
        return FIXED[column.name]
    for types, value in (
        (Uuid, keys[table.name][place]),
        (Boolean, False),
        ((Numeric, Float), number + 0.1),
        (Integer, number),
        (Date, date(2026, 3, 1) + timedelta(days=number)),
        ((DateTime, UtcDateTime), WHEN),
        (LargeBinary, bytes([number % 256]) * 32),
        (JSON, {}),
    ):
        if isinstance(kind, types):
            return value
    return f"v{number}"


def rows_of(connection: Connection, table: str, columns: Sequence[str]) -> list[str]:
    """What stands in these columns, in an order of its own."""
    quoted = ", ".join(f'"{column}"' for column in columns)
    return sorted(repr(tuple(row)) for row in connection.execute(text(f'SELECT {quoted} FROM "{table}"')))
