"""Many rows by one statement. On PostgreSQL they travel as arrays, one a column: one plan, one message.

Elsewhere the same statement runs row by row. Types are those of the columns. What is cached are statements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Insert,
    String,
    Table,
    Update,
    any_,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine

Row = Mapping[str, Any]
_FEW = 25
"""Rows below which each goes by itself: PostgreSQL plans a statement over arrays anew each time (0.3 ms)."""


def among(
    session: AsyncSession, where: InstrumentedAttribute[Any], values: Collection[Any]
) -> ColumnElement[bool]:
    """WHERE: the column holds one of `values`. One parameter on PostgreSQL, whatever their number."""
    if session.get_bind().dialect.name != "postgresql":
        return where.in_(values)
    return where == any_(bindparam(None, list(values), type_=ARRAY(where.type)))


async def insert_many(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert `rows`, which all name the same columns; columns that they do not name get no default."""
    if not rows:
        return
    if connection.dialect.name != "postgresql" or len(rows) < _FEW:
        await connection.execute(insert(table), list(rows))
        return
    names = tuple(rows[0])
    arrays = {f"new_{name}": [row[name] for row in rows] for name in names}
    await connection.execute(_insertion(table, names), arrays)


async def update_many(
    connection: AsyncConnection, table: Table, keys: Sequence[Row], values: Sequence[Row]
) -> None:
    """Give the row that matches all of `keys[n]` what stands in `values[n]`; where none matches, nothing.

    All keys name the same columns, and so do all values; one column may be in both.
    """
    if not keys:
        return
    by, new = tuple(keys[0]), tuple(values[0])
    if connection.dialect.name != "postgresql" or len(keys) < _FEW:
        each = [_named("key", key) | _named("new", value) for key, value in zip(keys, values, strict=True)]
        await connection.execute(_update_of_each(table, by, new), each)
        return
    arrays = {f"key_{name}": [key[name] for key in keys] for name in by}
    arrays |= {f"new_{name}": [value[name] for value in values] for name in new}
    await connection.execute(_update_of_all(table, by, new), arrays)


def _named(prefix: str, row: Row) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in row.items()}


@lru_cache(maxsize=32)
def _insertion(table: Table, names: tuple[str, ...]) -> Insert:
    given = _given(table, {f"new_{name}": name for name in names})
    rows = select(*(given.c[f"new_{name}"] for name in names))
    return insert(table).from_select(names, rows, include_defaults=False)


@lru_cache(maxsize=32)
def _update_of_all(table: Table, by: tuple[str, ...], new: tuple[str, ...]) -> Update:
    given = _given(table, {f"key_{name}": name for name in by} | {f"new_{name}": name for name in new})
    return (
        update(table)
        .where(*(table.c[name] == given.c[f"key_{name}"] for name in by))
        .values({name: given.c[f"new_{name}"] for name in new})
    )


@lru_cache(maxsize=32)
def _update_of_each(table: Table, by: tuple[str, ...], new: tuple[str, ...]) -> Update:
    return (
        update(table)
        .where(*(table.c[name] == bindparam(f"key_{name}") for name in by))
        .values({name: bindparam(f"new_{name}") for name in new})
    )


def _given(table: Table, arrays: Mapping[str, str]) -> TableValuedAlias:
    """The arrays (parameter → column of `table` whose type it has) side by side, as a table.

    One dimension is said, or a list that is one value (JSON) would be taken for a second one.
    """
    items = {name: item_type(table.c[of].type) for name, of in arrays.items()}
    parameters = (bindparam(name, type_=ARRAY(each, dimensions=1)) for name, each in items.items())
    columns = (column(name, each) for name, each in items.items())
    return func.unnest(*parameters).table_valued(*columns, name="given").render_derived()


def item_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type of an array's items. Not VARCHAR(24): cast to it, what is too long would be cut in silence."""
    return String() if type(kind) is String else kind
