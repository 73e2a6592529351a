"""Many new rows in one statement per table, without what a session does for each object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from sqlalchemy import ARRAY, Column, Insert, String, Table, bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from models.base import Base


@dataclass(frozen=True, slots=True)
class _Shape:
    """A table's columns by the names of their attributes, and what a new row has where nothing was said."""

    columns: Mapping[str, Column[Any]]
    constants: Mapping[str, Any]
    makers: Mapping[str, Callable[[None], Any]]


def _table(model: type[Base]) -> Table:
    return cast(Table, model.__table__)


@cache
def _shape(model: type[Base]) -> _Shape:
    mapper = model.__mapper__
    columns = {mapper.get_property_by_column(each).key: each for each in _table(model).columns}
    constants: dict[str, Any] = {}
    makers: dict[str, Callable[[None], Any]] = {}
    for name, column in columns.items():
        default: Any = column.default
        if default is not None and default.is_callable:
            makers[name] = default.arg
        else:
            constants[name] = None if default is None else default.arg
    return _Shape(columns, constants, makers)


def fill_in(row: Base) -> None:
    """Give a new row, which no session knows, the table's defaults where nothing was said."""
    shape, values = _shape(type(row)), row.__dict__
    for name, make in shape.makers.items():
        if name not in values:
            values[name] = make(None)
    values.update({**shape.constants, **values})


def new_values(row: Base) -> dict[str, Any]:
    """All columns of a new row by their names, after `fill_in`."""
    fill_in(row)
    return {column.name: row.__dict__[name] for name, column in _shape(type(row)).columns.items()}


async def insert_rows(connection: AsyncConnection, rows: Iterable[Base]) -> None:
    """Insert new rows, filled in and known to no session: one statement for each table, in order of names,
    so that two transactions that insert equal keys seldom wait for each other. Raises IntegrityError.
    """
    tables: dict[type[Base], list[Mapping[str, Any]]] = {}
    for row in rows:
        tables.setdefault(type(row), []).append(row.__dict__)
    for model in sorted(tables, key=lambda each: each.__tablename__):
        values = tables[model]
        columns = _shape(model).columns
        said = tuple(name for name in columns if any(row[name] is not None for row in values))
        if connection.dialect.name == "postgresql":
            arrays = {name: [row[name] for row in values] for name in said}
            await connection.execute(_from_arrays(model, said), arrays)
        else:
            bare = [{columns[name].name: row[name] for name in said} for row in values]
            await connection.execute(insert(_table(model)), bare)


@cache
def _from_arrays(model: type[Base], names: Sequence[str]) -> Insert:
    """INSERT … SELECT FROM unnest: one array for each column.

    PostgreSQL runs it once, where executemany runs a statement for each row: a third of its time.
    """
    columns = {name: _shape(model).columns[name] for name in names}
    arrays = (bindparam(name, type_=ARRAY(_item(each.type), dimensions=1)) for name, each in columns.items())
    given = func.unnest(*arrays).table_valued(*(each.name for each in columns.values())).render_derived()
    return insert(_table(model)).from_select(
        [each.name for each in columns.values()], select(given), include_defaults=False
    )


def _item(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type of an array's items. Not VARCHAR(24): cast to it, what is too long would be cut in silence."""
    return String() if type(kind) is String else kind
