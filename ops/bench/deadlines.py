"""Benchmark `deadlines`: a million pending, hundreds due each second; ours in trouble too, three peers."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from ops.bench import deadlines_ours as ours
from ops.bench import deadlines_peers as peers
from ops.bench.arena import Arena, bare_arena
from ops.bench.deadlines_arming import arming
from ops.bench.deadlines_backlog import backlog
from ops.bench.deadlines_growth import growth, row, write_plot
from ops.bench.deadlines_ours import CALM, KILLED, SNAPSHOT, Load
from ops.bench.deadlines_people import always_open
from ops.bench.deadlines_seed import MOST_TICKETS, PER_TICKET, add_pending, seed_desk
from ops.bench.peer_tools import NotMeasured
from ops.bench.report import say
from workers.settings import load_settings

DESK = "desk"
ARMING, GROWTH = "arming", "growth"
TROUBLES = (CALM, KILLED, SNAPSHOT)
PARTS = (*TROUBLES, ARMING, GROWTH, *peers.PEERS)
WITHIN_MS = 200.0
RESIDENT_MB = 200.0
TAIL = 8.0
GROWTH_SECONDS = 10.0


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument(
        "--pending", type=int, default=1_000_000, help="deadlines of a month (default 1000000)"
    )
    parser.add_argument("--rate", type=float, default=400, help="deadlines due a second (default 400)")
    parser.add_argument(
        "--seconds", type=float, default=60, help="seconds of each of our rounds (default 60)"
    )
    parser.add_argument("--rounds", type=int, default=1, help="rounds of each part (default 1)")
    parser.add_argument(
        "--breaches", type=float, default=0.5, help="share of breaches, the rest are warnings (default 0.5)"
    )
    parser.add_argument(
        "--peer-pending", type=int, default=100_000, help="messages of a month for each peer (default 100000)"
    )
    parser.add_argument(
        "--peer-seconds", type=float, default=30, help="seconds of a peer's round (default 30)"
    )
    parser.add_argument(
        "--growth",
        type=_sizes,
        default=[10_000, 100_000, 5_000_000],
        help="further sizes for the cost per check (default 10000,100000,5000000)",
    )
    parser.add_argument("--arm", type=int, default=20_000, help="deadlines armed in bulk (default 20000)")
    parser.add_argument(
        "--backlog",
        type=int,
        default=0,
        help="also: so many became due in an hour of outage (default 0: not run)",
    )
    parser.add_argument("--plot", type=Path, help="write the growth of the cost as SVG into this file")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part alone; may be said again")


def _sizes(words: str) -> list[int]:
    return [int(word) for word in words.split(",") if word]


@dataclass(slots=True)
class Course:
    """One run: its servers, the desk that grows, and what has been found so far."""

    chosen: argparse.Namespace
    arena: Arena
    tickets: Sequence[UUID]
    found: dict[str, list[dict[str, Any]]]
    rows: list[dict[str, Any]]
    missing: dict[str, str]
    pending: int = 0

    def wants(self, part: str) -> bool:
        """Whether this part was asked for."""
        return not self.chosen.only or part in self.chosen.only

    def fill(self, pending: int) -> None:
        """Put deadlines into the desk until it has so many."""
        began = time.monotonic()
        add_pending(self.arena.postgres, DESK, self.tickets, self.pending, pending)
        self.pending = pending
        self.arena.make_lasting(DESK)
        say(f"{pending} deadlines are pending ({time.monotonic() - began:.1f} s)")

    def take(self, part: str, race: Callable[[], dict[str, Any]]) -> None:
        """One round; a peer that fails is said, and no reason to lose everybody's figures."""
        try:
            figures = race()
        except NotMeasured as because:
            self._leave_out(part, because)
        except Exception as error:
            if part not in peers.PEERS:
                raise
            self._leave_out(part, error)
        else:
            self.found.setdefault(part, []).append(figures)
            late = figures["late_ms"]
            say(f"{part}: {figures['happened']} of {figures['due']} happened, late by {late} ms")

    def _leave_out(self, part: str, because: Exception) -> None:
        self.missing[part] = f"not measured, because {str(because) or type(because).__name__}"
        say(f"{part}: {self.missing[part]}")


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """All parts that were asked for: raw figures by part, the growth table, what was promised and kept."""
    with bare_arena() as arena:
        arena.postgres.server.create(DESK)
        settings = load_settings(
            {
                "CLOSELOOP_SECRET_KEYS": arena.secret_keys,
                "CLOSELOOP_DATABASE_URL": arena.postgres.server.url(DESK),
                "CLOSELOOP_POLICY": str(always_open(arena.folder)),
            },
            arena.folder,
        )
        tickets = seed_desk(arena.postgres, settings, DESK, _tickets(chosen))
        say(f"{len(tickets)} tickets")
        course = Course(chosen, arena, tickets, {}, [], {})
        armed, drained = _stages(course)
        versions = {name: version for name, version in arena.describe().items() if name != "sink"}
        document = versions | {
            "pending": chosen.pending,
            "rate": chosen.rate,
            "breaches": chosen.breaches,
        }
    if chosen.plot and len(course.rows) > 1:
        write_plot(course.rows, chosen.plot)
    return (
        document
        | summary(course.found, course.rows, armed)
        | {
            "backlog": drained,
            "not_measured": course.missing,
        }
    )


def _tickets(chosen: argparse.Namespace) -> int:
    """Enough for what gets due, each on a ticket of its own, and for three pending deadlines each."""
    seconds = float(max(chosen.seconds, chosen.peer_seconds, GROWTH_SECONDS)) + TAIL
    due = round(float(chosen.rate) * seconds) + 1
    return max(
        due, int(chosen.arm), int(chosen.backlog), min(MOST_TICKETS, int(chosen.pending) // PER_TICKET)
    )


def _stages(course: Course) -> tuple[dict[str, Any], dict[str, Any]]:
    """From the smallest desk to the largest; gives the figures of arming, and of a backlog."""
    chosen = course.chosen
    sizes = (
        sorted(size for size in set(chosen.growth) if size != chosen.pending) if course.wants(GROWTH) else []
    )
    for size in (size for size in sizes if size < chosen.pending):
        _growth_round(course, size)
    course.fill(chosen.pending)
    for _ in range(chosen.rounds):
        for trouble in filter(course.wants, TROUBLES):
            _our_round(course, trouble)
    armed = arming(course.arena, DESK, course.tickets[: chosen.arm]) if course.wants(ARMING) else {}
    drained = _drained(course)
    for _ in range(chosen.rounds):
        for side in filter(course.wants, peers.PEERS):
            if side not in course.missing:
                _peer_round(course, side)
    for size in (size for size in sizes if size > chosen.pending):
        _growth_round(course, size, last=size == sizes[-1])
    return armed, drained


def _drained(course: Course) -> dict[str, Any]:
    count = course.chosen.backlog
    if not count:
        return {}
    found = backlog(course.arena, DESK, course.tickets[:count], course.chosen.breaches)
    say(f"a backlog of {count}: {found['per_second']} a second")
    return found


def _our_round(course: Course, trouble: str) -> None:
    chosen = course.chosen
    load = Load(chosen.rate, chosen.seconds, chosen.breaches, TAIL if trouble == CALM else 0.0)
    course.take(trouble, lambda: ours.race(course.arena, DESK, course.tickets, load, trouble))
    if trouble == CALM:
        course.rows.append(row(course.pending, course.found[CALM][-1]))


def _peer_round(course: Course, side: str) -> None:
    chosen = course.chosen
    load = Load(chosen.rate, chosen.peer_seconds, chosen.breaches, TAIL)
    pending = min(chosen.peer_pending, chosen.pending)
    course.take(side, lambda: peers.race(course.arena, DESK, course.tickets, load, side, pending))


def _growth_round(course: Course, size: int, *, last: bool = False) -> None:
    """With `last` the desk is used up: a copy of gigabytes would take longer than the round."""
    course.fill(size)
    load = Load(course.chosen.rate, min(GROWTH_SECONDS, course.chosen.seconds), course.chosen.breaches)
    race = ours.race_on if last else ours.race
    figures = race(course.arena, DESK, course.tickets, load)
    course.rows.append(row(size, figures))
    say(f"{size} pending: {figures['total_cpu_us_per_check']} µs a check, late by {figures['late_ms']} ms")


def summary(
    found: Mapping[str, list[dict[str, Any]]], rows: Sequence[Mapping[str, Any]], armed: Mapping[str, Any]
) -> dict[str, Any]:
    """Raw rounds by part, the growth, and whether each round of ours kept what is promised."""
    kept = {part: all(_kept(figures) for figures in found[part]) for part in TROUBLES if part in found}
    return {
        "rounds": found,
        "arming": armed,
        "growth": growth(rows) if rows else {},
        "promised": {"p99_ms": WITHIN_MS, "lost": 0, "resident_mb": RESIDENT_MB},
        "kept": kept,
    }


def _kept(figures: Mapping[str, Any]) -> bool:
    return bool(
        figures["late_ms"].get("p99", WITHIN_MS + 1) <= WITHIN_MS
        and figures["lost"] == 0
        and figures["happened"] == figures["due"]
        and figures["happened_twice"] == 0
        and all(found["peak_mb"] <= RESIDENT_MB for found in figures["memory"].values())
    )
