"""Our side of the benchmark `deadlines`: two worker processes and a scheduler, in calm and in trouble."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from models.vocabulary import Lane
from ops.bench.arena import Arena
from ops.bench.deadlines_people import always_open
from ops.bench.deadlines_seed import add_due
from ops.bench.memory import Watcher
from ops.bench.meter import settle
from ops.bench.ours import CLOSELOOP, WORKERS, live_settings, ringer
from ops.bench.processes import cpu_seconds, started
from ops.bench.report import say, spread
from ops.bench.servers import connect
from workers.bells import Bell, slot_of
from workers.broker import Ringer

CALM, KILLED, SNAPSHOT = "calm", "one_worker_killed", "snapshot_open"
LEAD = 6.0
"""Seconds from the seeding of what gets due to the first due time."""
IDLE_SECONDS = 3.0
FLUSH_AFTER = 2.0
"""Seconds between the end of what is measured and the flush of the broker."""
PATIENCE = 90.0
DONE = """
    SELECT count(*) AS left FROM bench_due b
    WHERE NOT EXISTS (SELECT FROM ticket_entries e
                      WHERE e.ticket_id = b.ticket_id AND e.kind IN ('warned', 'breached'))
"""
# The log's rows are never changed: their transaction changed the deadline and queued the notice.
EFFECTS = """
    SELECT b.place, extract(epoch FROM pg_xact_commit_timestamp(e.xmin) - b.at) * 1000 AS late
    FROM bench_due b JOIN ticket_entries e ON e.ticket_id = b.ticket_id AND e.kind IN ('warned', 'breached')
"""
NOTICES = """
    SELECT count(DISTINCT b.place) AS told FROM bench_due b JOIN notifications n ON n.ticket_id = b.ticket_id
    WHERE n.kind IN ('first_response_warning', 'breach')
"""


@dataclass(frozen=True, slots=True)
class Load:
    """`rate` deadlines a second for `seconds`, `breaches` (0–1) of them breaches; then `tail` seconds more.

    In the tail the broker is flushed.
    """

    rate: float
    seconds: float
    breaches: float
    tail: float = 0.0

    @property
    def measured(self) -> int:
        """How many deadlines are judged by their lateness."""
        return round(self.rate * self.seconds)

    @property
    def count(self) -> int:
        """How many get due in all."""
        return round(self.rate * (self.seconds + self.tail))


def race(
    arena: Arena, template: str, tickets: Sequence[UUID], load: Load, trouble: str = CALM
) -> dict[str, Any]:
    """One round on a copy of `template`, whose tickets are `tickets`: lateness, memory, costs."""
    with arena.empty_database("race", template) as database:
        return race_on(arena, database, tickets, load, trouble)


def race_on(
    arena: Arena, database: str, tickets: Sequence[UUID], load: Load, trouble: str = CALM
) -> dict[str, Any]:
    """The same on `database` itself, which is used up by it."""
    with ExitStack() as stack:
        arena.postgres.rows(database, "CHECKPOINT")
        processes = stack.enter_context(processes_on(arena, database))
        pids = [process.pid for process in processes]
        settle(pids)
        arena.must_live(*processes)
        watcher = Watcher(dict(zip(["worker_1", "worker_2", "scheduler"], pids, strict=True)))
        stack.enter_context(watcher.watching())
        idle = _idle(pids[-1])
        if trouble == SNAPSHOT:
            stack.enter_context(snapshot(arena, database))
        start = datetime.now(UTC) + timedelta(seconds=LEAD)
        add_due(arena.postgres, database, tickets[: load.count], start, load.rate, load.breaches)
        _ring_for(stack.enter_context(ringer(arena)), load, start)
        until(start)
        spent = Spent(arena, pids[:WORKERS], pids[WORKERS:])
        alive = list(processes)
        until(start + timedelta(seconds=load.seconds / 2))
        if trouble == KILLED:
            alive.pop(0).send_signal(signal.SIGKILL)
        until(start + timedelta(seconds=load.seconds))
        costs = spent.figures(load.measured, load.seconds)
        # Of a process that was killed nothing is left to be read but what was seen of it.
        memory = {
            name: {"last_mb": found["last_mb"], "peak_mb": max(found["peak_mb"], found["max_mb"])}
            for name, found in watcher.figures().items()
        }
        flush_in(arena, load, start)
        arena.must_live(*alive)
        left = await_all(arena, database, start + timedelta(seconds=load.seconds + load.tail))
        return {
            **results(arena, database, load, EFFECTS),
            "told": int(arena.postgres.rows(database, NOTICES)[0]["told"]),
            "lost": left,
            "scheduler_cpu_ms_per_idle_second": idle,
            **costs,
            "memory": memory,
        }


@contextmanager
def processes_on(arena: Arena, database: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two workers and a scheduler, in this order."""
    environ = live_settings(
        arena.postgres.server.url(database), arena.redis.server.url(), arena.secret_keys, arena.sink.port
    )
    environ["CLOSELOOP_POLICY"] = str(always_open(arena.folder))
    log = arena.folder / "closeloop.log"
    with ExitStack() as stack:
        yield [
            stack.enter_context(started([CLOSELOOP, role, "--data", arena.folder], log, environ))
            for role in ["worker"] * WORKERS + ["scheduler"]
        ]


def _ring_for(ring: Ringer, load: Load, start: datetime) -> None:
    """As the steps do that arm a deadline: the scheduler may have looked ahead already."""
    moments = (start + timedelta(seconds=place / load.rate) for place in range(load.count))
    ring({Bell("deadlines", Lane.NORMAL, slot_of(moment)) for moment in moments})


def _idle(scheduler: int) -> float:
    """CPU milliseconds a second of the scheduler while nothing is due."""
    before, began = cpu_seconds(scheduler), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return round((cpu_seconds(scheduler) - before) * 1000 / (time.monotonic() - began), 2)


def flush_in(arena: Arena, load: Load, start: datetime) -> None:
    """With a tail: flush the broker FLUSH_AFTER seconds after what is measured."""
    if load.tail:
        until(start + timedelta(seconds=load.seconds + FLUSH_AFTER))
        arena.redis.server.flush()


def await_all(arena: Arena, database: str, last: datetime, patience: float = PATIENCE) -> int:
    """Wait until everything has been heard; what is left `patience` seconds after `last` is lost."""
    until(last)
    end = time.monotonic() + patience
    while (left := int(arena.postgres.rows(database, DONE)[0]["left"])) and time.monotonic() < end:
        time.sleep(0.5)
    return left


def until(moment: datetime) -> None:
    """Sleep until `moment`; return at once when it is over."""
    time.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))


def results(arena: Arena, database: str, load: Load, effects: str) -> dict[str, Any]:
    """Lateness in milliseconds of what was due while measuring, and apart of what was due after the flush.

    `effects` gives (place, late) of each effect; an effect that is there twice is said to be so.
    """
    rows = arena.postgres.rows(database, effects)
    late = [float(row["late"]) for row in rows if row["place"] < load.measured]
    flushed_at = load.measured + round(load.rate * FLUSH_AFTER)
    after = [float(row["late"]) for row in rows if row["place"] >= flushed_at]
    places = {row["place"] for row in rows}
    found = {
        "due": load.measured,
        "happened": sum(1 for place in places if place < load.measured),
        "happened_twice": len(rows) - len(places),
        "late_ms": spread(late),
    }
    if load.tail:
        happened = sum(1 for place in places if place >= flushed_at)
        due = load.count - flushed_at
        found["after_flush"] = {
            "due": due,
            "happened": happened,
            "lost": due - happened,
            "late_ms": spread(after),
        }
    return found


class Spent:
    """CPU of workers, scheduler, database and broker since it was made."""

    def __init__(self, arena: Arena, workers: Sequence[int], schedulers: Sequence[int] = ()) -> None:
        self._groups = {
            "worker": list(workers),
            "scheduler": list(schedulers),
            "database": [arena.postgres.pid],
            "broker": [arena.redis.pid],
        }
        self._before = self._read()

    def figures(self, checks: int, seconds: float) -> dict[str, Any]:
        """CPU microseconds per check by group and in all, and the cores that took."""
        spent = {name: after - self._before[name] for name, after in self._read().items()}
        per_check = {f"{name}_cpu_us_per_check": round(value * 1e6 / checks) for name, value in spent.items()}
        total = sum(spent.values())
        return {
            **per_check,
            "total_cpu_us_per_check": round(total * 1e6 / checks),
            "cores_busy": round(total / seconds, 3),
        }

    def _read(self) -> dict[str, float]:
        return {name: sum(cpu_seconds(pid) for pid in pids) for name, pids in self._groups.items()}


@contextmanager
def snapshot(arena: Arena, database: str) -> Iterator[None]:
    """A long report: a transaction that sees one moment and stays open, so that nothing can be tidied up."""

    async def hold() -> Any:
        connection = await connect(arena.postgres.server.port, database)
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await connection.fetch("SELECT count(*) FROM deadlines WHERE state = 'breached'")
        return connection

    with asyncio.Runner() as runner:
        connection = runner.run(hold())
        say("a report holds its snapshot")
        try:
            yield
        finally:
            runner.run(connection.close())
