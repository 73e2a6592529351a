"""What both databases understand, said for each: seconds between two columns, percentiles, parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    Select,
    case,
    cast,
    extract,
    func,
    literal_column,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

HALF, NINE_TENTHS = 0.5, 0.9


def on_postgresql(session: AsyncSession) -> bool:
    """Whether the session's database is PostgreSQL (else SQLite)."""
    return session.get_bind().dialect.name == "postgresql"


def seconds_between(session: AsyncSession, start: Any, end: Any) -> ColumnElement[float]:
    """Elapsed seconds from one column of moments to another."""
    if on_postgresql(session):
        return cast(extract("epoch", end - start), Float(53))
    return _unix(end) - _unix(start)


def unix_time(session: AsyncSession, column: Any) -> ColumnElement[float]:
    """A column of moments as seconds since 1970."""
    return cast(extract("epoch", column), Float(53)) if on_postgresql(session) else _unix(column)


def _unix(column: Any) -> ColumnElement[float]:
    """SQLite keeps moments as text with six digits after the point, of which strftime knows three."""
    whole = cast(func.strftime(literal_column("'%s'"), column), Integer)
    parts: ColumnElement[int] = cast(func.substr(column, 21, 6), Integer)
    return cast(whole, Float) + parts / literal_column("1000000.0", Float)


@dataclass(frozen=True, slots=True)
class Spread:
    """How many values there are, their mean, median and 90th percentile (both interpolated between
    neighbours), and how many lie up to each edge that was asked for, and above the last.
    """

    cases: int
    mean: float
    median: float
    p90: float
    counts: tuple[int, ...] = ()


async def spread_of(
    session: AsyncSession, values: Select[Any], grouped: bool, edges: Sequence[float] = ()
) -> dict[Any, Spread]:
    """The spread of values by group, by one statement.

    `values` gives columns `value` (never null) and, when `grouped`, `grp`. Without groups the key is None;
    a group without values is not there.
    """
    rows = values.subquery()
    groups = [rows.c.grp] if grouped else []
    if on_postgresql(session):
        query = select(
            *groups,
            func.count(),
            func.avg(rows.c.value),
            *(func.percentile_cont(at).within_group(rows.c.value) for at in (HALF, NINE_TENTHS)),
            *_counted(rows.c.value, edges),
        ).group_by(*groups)
    else:
        query = _with_windows(rows, grouped, edges)
    found: dict[Any, Spread] = {}
    for row in await session.execute(query):
        key, (count, *rest) = (row[0], row[1:]) if grouped else (None, tuple(row))
        if count:
            mean, median, p90 = map(float, rest[:3])
            found[key] = Spread(int(count), mean, median, p90, tuple(map(int, rest[3:])))
    return found


def _counted(value: Any, edges: Sequence[float]) -> list[ColumnElement[int]]:
    return counted_in(value, edges) if edges else []


def _with_windows(rows: Any, grouped: bool, edges: Sequence[float]) -> Select[Any]:
    """The same as percentile_cont: between the two values around place p × (n − 1), counted from 0."""
    of = {"partition_by": rows.c.grp} if grouped else {}
    ordered = select(
        *([rows.c.grp] if grouped else []),
        rows.c.value,
        (func.row_number().over(order_by=rows.c.value, **of) - 1).label("place"),
        func.count().over(**of).label("n"),
    ).subquery()
    groups = [ordered.c.grp] if grouped else []
    return select(
        *groups,
        func.count(),
        func.avg(ordered.c.value),
        *(_interpolated(ordered, at) for at in (HALF, NINE_TENTHS)),
        *_counted(ordered.c.value, edges),
    ).group_by(*groups)


def _interpolated(ordered: Any, at: float) -> ColumnElement[float]:
    wanted = (ordered.c.n - 1) * at
    below = cast(wanted, Integer)
    beyond = wanted - below
    weight = case((ordered.c.place == below, 1 - beyond), (ordered.c.place == below + 1, beyond), else_=0.0)
    return func.sum(ordered.c.value * weight)


def counted_in(value: Any, edges: Sequence[float]) -> list[ColumnElement[int]]:
    """How many values lie up to each edge (and above the one before), and above the last one."""
    columns: list[ColumnElement[int]] = []
    below: float | None = None
    for edge in (*edges, None):
        inside = [] if below is None else [value > below]
        inside += [] if edge is None else [value <= edge]
        condition = inside[0] if len(inside) == 1 else inside[0] & inside[1]
        columns.append(func.coalesce(func.sum(case((condition, 1), else_=0)), 0))
        below = edge
    return columns


def part_number(moment: Any, starts: Sequence[datetime]) -> ColumnElement[int]:
    """In which part (counted from 0) of a period that is cut at `starts` a moment lies.

    `starts` are the first moments of all parts but the first one.
    """
    if not starts:
        return literal_column("CAST(0 AS INTEGER)", Integer)
    whens: Mapping[Any, int] = {moment < start: number for number, start in enumerate(starts)}
    return case(*whens.items(), else_=len(starts))


async def rows_by_group(session: AsyncSession, rows: Any, *aggregates: Any) -> dict[Any, tuple[Any, ...]]:
    """The aggregates of a subquery's rows by group (None: of all, then also when there are no rows)."""
    groups = [rows.c.grp] if "grp" in rows.c else []
    query = select(*groups, *aggregates).select_from(rows).group_by(*groups)
    result = await session.execute(query)
    return {(row[0] if groups else None): tuple(row[len(groups) :]) for row in result}
