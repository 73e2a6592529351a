"""A made-up year of a service desk: is every stored verdict what its ticket's log says once more?

The year is that of `tests/year.py`, 100,000 events long unless told otherwise and shared by several desks,
each with a process and a database of its own; checks and receipts come late. What counts is `differences`;
how long it took is said beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from models.session import migrate
from ops.bench.servers import postgres
from tests.conftest import Backend
from tests.factories import make_team, make_workshop
from tests.fakes import ManualClock
from tests.year import PACE, Year

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MOST_SHOWN = 20
SUMS = ("tickets", "clocks", "lines", "not_known", "differences")


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument("--events", type=int, default=100_000, help="events of the year (default 100000)")
    parser.add_argument("--seed", type=int, default=1, help="which year (default 1)")
    parser.add_argument("--desks", type=int, default=2, help="that share them, a process each (default 2)")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite instead of PostgreSQL")


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """The year's events by kind, what was recomputed, and where it differs from what is stored."""
    share, spawn = chosen.events // chosen.desks, multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(chosen.desks, mp_context=spawn) as pool:
        jobs = [
            pool.submit(_desk, chosen.sqlite, share, PACE * chosen.desks, chosen.seed + desk)
            for desk in range(chosen.desks)
        ]
        desks = [job.result() for job in jobs]
    events: Counter[str] = sum((Counter(desk["events"]) for desk in desks), Counter())
    sums = {name: sum(desk[name] for desk in desks) for name in SUMS}
    return {"all_events": events.total(), "events": dict(events), **sums, "desks": desks}


def _desk(sqlite: bool, events: int, pace: timedelta, seed: int) -> dict[str, Any]:
    with _backend(sqlite=sqlite) as backend:
        migrate(backend.database_url)
        return asyncio.run(_year(backend, events, pace, seed))


async def _year(backend: Backend, events: int, pace: timedelta, seed: int) -> dict[str, Any]:
    clock = ManualClock(NEW_YEAR)
    async with make_workshop(backend, clock) as workshop:
        await make_team(workshop)
        year = Year(workshop, clock, seed=seed, pace=pace)
        begun = time.process_time()
        await year.take(events)
        lived = time.process_time()
        audited = await year.audit()
        done = time.process_time()
    different = [(one.number, each) for one in audited for each in one.differences]
    return {
        "backend": backend.name,
        "seed": seed,
        "events": dict(year.done),
        "ends": clock.now().isoformat(),
        "tickets": len(audited),
        "clocks": sum(one.clocks for one in audited),
        "lines": sum(one.lines for one in audited),
        "not_known": sum(not one.known for one in audited),
        "differences": len(different),
        "shown": [f"{number}: {each}" for number, each in different[:MOST_SHOWN]],
        "cpu_seconds": {"living": round(lived - begun, 1), "recomputing": round(done - lived, 1)},
    }


@contextmanager
def _backend(*, sqlite: bool) -> Iterator[Backend]:
    if sqlite:
        with tempfile.TemporaryDirectory() as folder:
            yield Backend("sqlite", f"sqlite+aiosqlite:///{Path(folder) / 'year.db'}", "")
        return
    with postgres() as found:
        found.server.create("year")
        yield Backend("postgresql", found.server.url("year"), "")
