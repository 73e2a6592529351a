"""Asks for reports and dashboards in a process of its own, so that its memory is theirs; prints JSON.

python -m ops.bench.reports_asking DATA ROUNDS (settings from the environment, as for `closeloop`)
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ops.bench.intake_ours import bare_workshop
from ops.bench.processes import peak_mb, resident_mb
from workers.measures import ALL, CATALOGUE, EVERYTHING, Group, Named, by_group, figures, named_period
from workers.reports import wish
from workers.settings import load_settings
from workers.unit_of_work import UnitOfWork, Workshop

MONTH, USUAL = Named.LAST_MONTH, Named.LAST_3_MONTHS


async def _report(uow: UnitOfWork, kind: str) -> None:
    await (await wish(uow, kind)).made(uow)


async def _all(uow: UnitOfWork, name: str) -> None:
    period = named_period(name, uow.clock.now(), ZoneInfo(uow.settings.timezone))
    await figures(uow, EVERYTHING, period, ALL, list(CATALOGUE))


async def _by(uow: UnitOfWork, group: Group) -> None:
    period = named_period(USUAL, uow.clock.now(), ZoneInfo(uow.settings.timezone))
    await by_group(uow, EVERYTHING, period, ALL, ["requests", "first_response_median", "csat_overall"], group)


async def _family(uow: UnitOfWork, family: str) -> None:
    period = named_period(USUAL, uow.clock.now(), ZoneInfo(uow.settings.timezone))
    keys = [key for key, each in CATALOGUE.items() if each.family == family]
    await figures(uow, EVERYTHING, period, ALL, keys)


ASKED: dict[str, Callable[[UnitOfWork], Awaitable[None]]] = {
    "weekly report": lambda uow: _report(uow, "weekly"),
    "monthly report": lambda uow: _report(uow, "monthly"),
    "all measures, a month": lambda uow: _all(uow, MONTH),
    "all measures, 3 months": lambda uow: _all(uow, USUAL),
    "by staff, 3 months": lambda uow: _by(uow, Group.STAFF),
    "by week, 3 months": lambda uow: _by(uow, Group.WEEK),
    **{
        f"{family}, 3 months": (lambda uow, family=family: _family(uow, family))  # type: ignore[misc]  # a lambda with a default has no type
        for family in dict.fromkeys(each.family for each in CATALOGUE.values())
    },
}


async def _timed(workshop: Workshop, ask: Callable[[UnitOfWork], Awaitable[None]], rounds: int) -> float:
    """The median of the rounds, in milliseconds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        async with workshop.read() as uow:
            await ask(uow)
        took.append((time.perf_counter() - began) * 1000)
    return round(sorted(took)[len(took) // 2], 1)


async def _main(data: Path, rounds: int) -> dict[str, Any]:
    settings = load_settings(dict(os.environ), data)
    async with bare_workshop(settings) as workshop:
        await workshop.prepare()
        before = resident_mb(os.getpid())
        found = {name: await _timed(workshop, ask, rounds) for name, ask in ASKED.items()}
    return {"ms": found, "idle_mb": round(before, 1), "peak_mb": round(peak_mb(os.getpid()), 1)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))))
