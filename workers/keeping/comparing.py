"""Whether two databases hold the same rows: per table their number, and one number over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from workers.keeping.backup import Told
from workers.keeping.plain import Shape, Tally, line, shapes
from workers.keeping.reading import Snapshot, snapshot


async def tally_of(seen: Snapshot, shape: Shape, told: Told | None = None) -> tuple[int, str]:
    """Number and order-independent hash of a table's rows."""
    tally = Tally()
    async for rows in seen.rows(shape):
        await asyncio.to_thread(lambda batch: tally.add(map(line, batch)), rows)
        if told is not None:
            told(shape.table, len(rows))
    return tally.rows, tally.digest


async def tallies(url: str, told: Told | None = None) -> Mapping[str, tuple[int, str]]:
    """Number and hash of the rows of each table, all of one moment."""
    async with snapshot(url) as seen:
        return {shape.table: await tally_of(seen, shape, told) for shape in shapes()}


def differing(one: Mapping[str, tuple[int, str]], other: Mapping[str, tuple[int, str]]) -> list[str]:
    """Tables whose rows are not the same."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
