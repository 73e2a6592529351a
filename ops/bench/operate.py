"""Benchmark `operate`: what whoever runs closeloop notices, from a clone to a restart."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ops.bench import intake_ours, loop, ours
from ops.bench.arena import open_arena
from ops.bench.inbox import requests
from ops.bench.operate_move import moving
from ops.bench.operate_restart import rolling_restart
from ops.bench.processes import ROOT, clean_environ
from ops.bench.report import say

HELP_RUNS = 7
REST_SECONDS = 60.0
ROWS = 1_000_000
WORKERS = (1, 2, 4)
GOALS: Mapping[str, tuple[str, str, float]] = {
    "demo_seconds": ("demo", "seconds", 180.0),
    "help_seconds": ("help", "median_seconds", 0.5),
    "rest_mb": ("rest", "resident_mb", 160.0),
    "rest_cpu_percent": ("rest", "cpu_percent", 0.5),
    "move_seconds_for_a_million_rows": ("move", "seconds_for_a_million", 300.0),
}
"""Goal → the part and its figure that are meant, and the most that this may be."""


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument("--parts", type=_parts, help=f"these alone, separated by commas: {', '.join(PARTS)}")
    parser.add_argument("--mails", type=int, default=10_000, help="mails for 1, 2 and 4 workers (10000)")
    parser.add_argument("--seconds", type=float, default=REST_SECONDS, help="how long rest is watched (60)")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows that are moved to PostgreSQL (1000000)")


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Each part's figures, and which goals they meet."""
    found = {name: part(chosen) for name, part in PARTS.items() if not chosen.parts or name in chosen.parts}
    return {**found, "goals": goals_met(found)}


def _parts(words: str) -> frozenset[str]:
    """Names of parts. Raises argparse's error for one that is none."""
    named = frozenset(words.split(","))
    if strange := named - PARTS.keys():
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(strange))}: no part of this benchmark")
    return named


def goals_met(found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each goal whose part was measured: what was found, the goal, and whether it is met."""
    seen: dict[str, float] = {}
    for goal, (part, figure, _) in GOALS.items():
        if figure in found.get(part, {}):
            seen[goal] = found[part][figure]
    limits = {goal: limit for goal, (_, _, limit) in GOALS.items()}
    return {
        goal: {"found": value, "at_most": limits[goal], "met": value <= limits[goal]}
        for goal, value in seen.items()
    }


def _demo(chosen: argparse.Namespace) -> dict[str, Any]:
    """A bare clone, made into an environment, and the whole loop in it once."""
    with tempfile.TemporaryDirectory(prefix="closeloop-clone-") as name:
        clone = Path(name) / "closeloop"
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, clone], check=True)
        began = time.monotonic()
        ran = subprocess.run(
            ["ops/demo", "--once"], cwd=clone, env=_strangers(), capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - began
    say(f"clone to the end of the demo: {seconds:.0f} s, exit code {ran.returncode}")
    if ran.returncode != 0:
        raise RuntimeError(f"ops/demo --once failed: {ran.stderr[-2000:]}")
    return {"seconds": round(seconds, 1)}


def _strangers() -> dict[str, str]:
    """The environment of somebody who has nothing of ours: the clone must not find this checkout."""
    return {name: value for name, value in clean_environ().items() if name != "PYTHONPATH"}


def _help(chosen: argparse.Namespace) -> dict[str, Any]:
    """`closeloop --help`, again and again; the first one may have to compile."""
    seconds = []
    for _ in range(HELP_RUNS + 1):
        began = time.monotonic()
        subprocess.run([ours.CLOSELOOP, "--help"], env=clean_environ(), capture_output=True, check=True)
        seconds.append(round(time.monotonic() - began, 3))
    median = statistics.median(seconds[1:])
    say(f"closeloop --help: {median:.2f} s")
    return {"median_seconds": round(median, 3), "seconds": seconds[1:]}


def _rest(chosen: argparse.Namespace) -> dict[str, Any]:
    """The embedded process without anything to do."""
    with loop.ground_for() as ground, loop.up(ground, ground.folder / "rest") as (pid, _, _):
        return loop.rest([pid], seconds=chosen.seconds)


def _workers(chosen: argparse.Namespace) -> dict[str, Any]:
    """Mail to ticket, and delivery, with more and more worker processes on this one machine."""
    mails = list(requests(chosen.mails))
    found: dict[str, Any] = {}
    with open_arena(chosen.mails) as arena:
        for count in WORKERS:
            say(f"{count} workers: mail to ticket")
            taken_in = intake_ours.tickets(arena, mails, workers=count)
            say(f"{count} workers: delivery")
            found[str(count)] = {
                "mail_to_ticket": taken_in,
                "delivery": ours.race(arena, chosen.mails, workers=count),
            }
    return found


PARTS: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "demo": _demo,
    "help": _help,
    "rest": _rest,
    "workers": _workers,
    "restart": rolling_restart,
    "move": moving,
}
