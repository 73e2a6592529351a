"""Rows in one plain form, the same whichever database they lie in: for backups, moving and comparing.

The plain form of a value is what SQLite stores: ids as 32 hexadecimal digits, moments (UTC) as
`2026-03-02 04:00:00.000000`, yes and no as 1 and 0, JSON as the text that was stored, bytes as bytes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import blake2b
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Boolean, Column, Date, LargeBinary, Table, Uuid
from sqlalchemy.types import TypeEngine

from models.base import UtcDateTime
from models.tables import Base

PlainRow = Sequence[Any]
STAMP = 26
"""Letters of a moment with its microseconds."""
WIDE = 1 << 128
NOT_KEPT = frozenset({"chores", "processes"})
"""Tables whose rows are about this one database and what runs on it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table as it is copied: its columns in order, and what kind of value each holds.

    `place`: the columns by which SQLite keeps its rows in order, all of them whole numbers.
    """

    table: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    place: tuple[str, ...] = ("rowid",)


def shapes() -> list[Shape]:
    """All tables of today's schema, those that others refer to first."""
    return [shape_of(table) for table in _ordered() if table.name not in NOT_KEPT]


def _ordered() -> list[Table]:
    """Teams and staff refer to each other: such a table comes right before the one it waits for, so that both
    fit into one transaction, at whose end the database checks references.
    """
    tables = list(Base.metadata.sorted_tables)
    for table in list(tables):
        later = {each.column.table for each in table.foreign_keys if each.use_alter}
        if later:
            tables.remove(table)
            tables.insert(min(tables.index(each) for each in later), table)
    return tables


def waits_for_next(table: str) -> bool:
    """Whether rows of this table refer to rows of the next one, so that both go in one transaction."""
    return any(each.use_alter for each in Base.metadata.tables[table].foreign_keys)


def shape_of(table: Table) -> Shape:
    """The shape of one table."""
    columns = list(table.columns)
    return Shape(
        table.name,
        tuple(column.name for column in columns),
        tuple(kind_of(column) for column in columns),
        _place(table),
    )


def _place(table: Table) -> tuple[str, ...]:
    """A table without rowids is kept in the order of its key (sqlite.org/withoutrowid.html)."""
    if table.dialect_options["sqlite"]["with_rowid"]:
        return ("rowid",)
    return tuple(column.name for column in table.primary_key.columns)


def kind_of(column: Column[Any]) -> str:
    """`uuid`, `time`, `date`, `bool`, `json`, `bytes` or `plain`."""
    kinds: tuple[tuple[type[TypeEngine[Any]], str], ...] = (
        (Uuid, "uuid"),
        (UtcDateTime, "time"),
        (Date, "date"),
        (Boolean, "bool"),
        (JSON, "json"),
        (LargeBinary, "bytes"),
    )
    return next((kind for type_, kind in kinds if isinstance(column.type, type_)), "plain")


# -- from a database ----------------------------------------------------------------------------------------


def _sqlite_time(value: Any) -> str:
    text = str(value)
    return text if len(text) == STAMP else _stamp(datetime.fromisoformat(text))


def _stamp(moment: datetime) -> str:
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.isoformat(" ", "microseconds")[:STAMP]


def _sqlite_json(value: Any) -> str:
    # The type's affinity makes a number of a text that is nothing but one.
    return value if isinstance(value, str) else json.dumps(value)


FROM_SQLITE: dict[str, Callable[[Any], Any]] = {"time": _sqlite_time, "json": _sqlite_json}
FROM_POSTGRESQL: dict[str, Callable[[Any], Any]] = {
    "uuid": lambda value: value.hex,
    "time": _stamp,
    "date": lambda value: value.isoformat(),
    "bool": int,
}


def _postgresql_time(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


TO_POSTGRESQL: dict[str, Callable[[Any], Any]] = {
    "uuid": UUID,
    "time": _postgresql_time,
    "date": date.fromisoformat,
    "bool": bool,
}
FROM_LINE: dict[str, Callable[[Any], Any]] = {"bytes": base64.b64decode}


def converted(
    rows: Iterable[PlainRow], kinds: Sequence[str], by: dict[str, Callable[[Any], Any]]
) -> list[PlainRow]:
    """The rows with the values of some kinds converted; NULL stays."""
    places = [(place, by[kind]) for place, kind in enumerate(kinds) if kind in by]
    if not places:
        return list(rows)
    made: list[PlainRow] = []
    for row in rows:
        values = list(row)
        for place, convert in places:
            if values[place] is not None:
                values[place] = convert(values[place])
        made.append(values)
    return made


# -- as lines, and compared ---------------------------------------------------------------------------------


def _bytes_as_text(value: Any) -> str:
    return base64.b64encode(value).decode("ascii")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_bytes_as_text).encode


def line(row: PlainRow) -> bytes:
    """One row as a line of JSON, without its end; bytes in base64."""
    return _encode(list(row)).encode()


class Tally:
    """How many rows, and one number over them all that does not depend on their order.

    The 128-bit hashes of the rows (BLAKE2b, RFC 7693) are added up: a row that is missing, changed or there
    twice changes the sum. It guards against mishaps, not against somebody who forges rows.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, lines: Iterable[bytes]) -> None:
        """Count these rows in."""
        total, count = 0, 0
        for one in lines:
            total += int.from_bytes(blake2b(one, digest_size=16).digest(), "big")
            count += 1
        self._sum = (self._sum + total) % WIDE
        self.rows += count

    @property
    def digest(self) -> str:
        """The sum, as 32 hexadecimal digits."""
        return f"{self._sum:032x}"
