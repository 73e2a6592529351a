"""Numbers that a table brings along: kept where they are shaped like ours, never drawn afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import select

from models.tickets import NumberSeries
from workers.locks import held
from workers.unit_of_work import UnitOfWork, Workshop

_OWN = re.compile(
    r"(?P<series>(?P<prefix>CS|CSAT)20\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?P<count>\d{3,6})"
)


def own_shape(text: str, prefix: str) -> str | None:
    """The number as we write ours (CS202405200001, CSAT20240520001), or None."""
    found = _OWN.fullmatch(text.strip().upper())
    if found is None or found["prefix"] != prefix or (prefix == "CS" and len(found["count"]) < 4):
        return None
    return found[0]


async def reserve(workshop: Workshop, numbers: Iterable[str]) -> None:
    """See to it that none of these numbers is drawn for a new request: their series go on behind them.

    A transaction of its own, before the one that writes them: numbers are drawn in one of their own, too.
    """
    highest: dict[str, int] = {}
    for number in numbers:
        found = _OWN.fullmatch(number)
        if found is not None:
            series = found["series"]
            highest[series] = max(highest.get(series, 0), int(found["count"]))
    if highest:
        async with workshop.begin() as uow:
            for series, last in sorted(highest.items()):
                await _raise_to(uow, series, last)


async def _raise_to(uow: UnitOfWork, series: str, last: int) -> None:
    if await uow.insert_new(NumberSeries(name=series, last=last)):
        return
    row = (await uow.session.scalars(held(select(NumberSeries).where(NumberSeries.name == series)))).one()
    row.last = max(row.last, last)
