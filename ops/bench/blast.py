"""Benchmark `blast`: escalations in the middle of a survey blast, at a fast relay and at a slow one."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.vocabulary import Lane
from ops.bench.arena import Arena, open_arena
from ops.bench.escalating import Plan, commit_escalations
from ops.bench.memory import Watcher
from ops.bench.meter import settle
from ops.bench.ours import CLOSELOOP, WORKERS, live_settings, ringer
from ops.bench.processes import started
from ops.bench.report import say, spread
from ops.bench.seed import SURVEY
from ops.bench.servers import mail_sink
from workers.bells import Bell, slot_of
from workers.clock import SystemClock
from workers.settings import load_settings

SLOW_SECONDS = 1.0
WITHIN_MS = {"fast": 500.0, "slow": 2_000.0}
RESIDENT_MB = 200.0
HEAD_START = 2.0
"""Seconds that the blast runs before the first escalation may be committed."""
PATIENCE = 60.0
LEFT = "SELECT count(*) AS left FROM notifications WHERE lane = 'bulk' AND due_at IS NOT NULL"


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument("--surveys", type=int, default=50_000, help="the blast (default 50000)")
    parser.add_argument("--slow-surveys", type=int, default=5_000, help="at the slow relay (default 5000)")
    parser.add_argument("--escalations", type=int, default=500, help="in each of both (default 500)")
    parser.add_argument(
        "--over", type=float, default=40, help="seconds over which they are committed (default 40)"
    )
    parser.add_argument("--slow-over", type=float, default=60, help="at the slow relay (default 60)")
    parser.add_argument("--limit", type=float, default=90, help="longest blast in seconds (default 90)")
    parser.add_argument("--only", choices=("fast", "slow"), help="one relay alone")


@dataclass(frozen=True, slots=True)
class Blast:
    """One of both rounds: surveys that wait, escalations that come, and how long a mail takes."""

    name: str
    surveys: int
    plan: Plan
    delay: float
    limit: float


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Both rounds; milliseconds from commit to 250, and the workers' memory."""
    blasts = [
        Blast("fast", chosen.surveys, Plan(chosen.escalations, chosen.over), 0.0, chosen.limit),
        Blast("slow", chosen.slow_surveys, Plan(chosen.escalations, chosen.slow_over), SLOW_SECONDS, 0.0),
    ]
    wanted = [blast for blast in blasts if chosen.only in (None, blast.name)]
    with open_arena(max(blast.surveys for blast in wanted), lane=Lane.BULK, kind=SURVEY) as arena:
        return arena.describe() | {"sink": "ops/bench/sink.py"} | {b.name: _blast(arena, b) for b in wanted}


def _blast(arena: Arena, blast: Blast) -> dict[str, Any]:
    times = arena.folder / f"{blast.name}.times"
    with ExitStack() as stack:
        sink = stack.enter_context(mail_sink(arena.folder, times=times, delay=blast.delay))
        arena = replace(arena, sink=sink)
        database = stack.enter_context(arena.database(blast.surveys))
        environ = environment(arena, database)
        log = arena.folder / "closeloop.log"
        processes = [
            stack.enter_context(started([CLOSELOOP, role, "--data", arena.folder], log, environ))
            for role in ["worker"] * WORKERS + ["scheduler"]
        ]
        pids = [process.pid for process in processes]
        settle(pids)
        arena.must_live(*processes)
        ring = stack.enter_context(ringer(arena))
        watcher = Watcher({f"worker_{number}": pid for number, pid in enumerate(pids[:WORKERS], start=1)})
        stack.enter_context(watcher.watching())
        arena.promise(database)
        began = time.monotonic()
        ring({Bell("delivery", Lane.BULK, slot_of(SystemClock().now()))})
        time.sleep(HEAD_START)
        committed = commit_escalations(load_settings(environ, arena.folder), ring, blast.plan)
        left = _left(arena, database)
        say(f"{blast.name}: {len(committed)} escalations committed, {left} surveys still wait")
        accepted = await_accepted(times, set(committed), PATIENCE)
        ended = _await_surveys(arena, database, began, blast.limit)
        figures = latencies(committed, accepted, WITHIN_MS[blast.name])
        say(f"{blast.name}: p50/p95/p99/max {list(figures['commit_to_250_ms'].values())} ms")
        memory = watcher.figures()
        return {
            "seconds_per_mail": blast.delay,
            "surveys": blast.surveys,
            "surveys_left_at_last_commit": left,
            "surveys_sent": blast.surveys - ended,
            "seconds": round(time.monotonic() - began, 1),
            **figures,
            "memory": memory,
            "memory_within_mb": RESIDENT_MB,
            "memory_kept": all(found["peak_mb"] <= RESIDENT_MB for found in memory.values()),
        }


def environment(arena: Arena, database: str) -> dict[str, str]:
    """A live installation on the arena, in a zone where it is about noon: surveys keep quiet hours."""
    urls = (arena.postgres.server.url(database), arena.redis.server.url())
    zone = {"CLOSELOOP_TIMEZONE": zone_with_noon(datetime.now(UTC))}
    return live_settings(*urls, arena.secret_keys, arena.sink.port) | zone


def zone_with_noon(now: datetime) -> str:
    """A time zone where `now` (UTC) is between 11:30 and 12:30: `Etc/GMT+3` is three hours behind UTC."""
    behind = (now.hour - 12 + (now.minute >= 30)) % 24
    return f"Etc/GMT+{behind}" if behind <= 12 else f"Etc/GMT-{24 - behind}"


def await_accepted(times: Path, wanted: set[str], patience: float) -> dict[str, float]:
    """Recipient → Unix time of the first 250, as soon as all are there, else after `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        lines = [line.split(" ", 1) for line in times.read_text().splitlines()]
        found = {recipient: float(moment) for moment, recipient in reversed(lines) if recipient in wanted}
        if len(found) == len(wanted) or time.monotonic() > end:
            return found
        time.sleep(0.5)


def latencies(committed: Mapping[str, float], accepted: Mapping[str, float], within: float) -> dict[str, Any]:
    """Percentiles of the milliseconds between both moments; what was not accepted at all is counted apart."""
    waits = [(accepted[who] - moment) * 1000 for who, moment in committed.items() if who in accepted]
    found = spread(waits)
    return {
        "escalations": len(committed),
        "accepted": len(waits),
        "commit_to_250_ms": found,
        "p99_within_ms": within,
        "p99_kept": len(waits) == len(committed) and found.get("p99", within) <= within,
    }


def _left(arena: Arena, database: str) -> int:
    return int(arena.postgres.rows(database, LEFT)[0]["left"])


def _await_surveys(arena: Arena, database: str, began: float, limit: float) -> int:
    """Let the blast go on for the sake of the memory, up to `limit` seconds in all; how many still wait."""
    while left := _left(arena, database):
        if time.monotonic() - began > limit:
            break
        time.sleep(0.5)
    return left
