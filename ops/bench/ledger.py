"""Benchmark `ledger`: does delivery stay as fast when millions of rows are there already?"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from datetime import timedelta
from typing import Any

from ops.bench import ours
from ops.bench.arena import Arena, open_arena
from ops.bench.delivery import FIGURES
from ops.bench.old_rows import OLDEST_DAYS, statements
from ops.bench.report import median_of, say
from workers.errors import CloseloopError

FULL = "full"
SHARE = 0.9
SPARE = 2_000
"""Seeded rows that are no mails of a race: the old rows are made after them, and they are taken out again."""
BYTES_PER_ROW = 1_100
"""On disk, indexes included, of a notification and of an attempt on average: for the check beforehand."""
COPIES = 2
LOG_BYTES = 4 * 2**30
SIZES = """
    SELECT pg_database_size(current_database()) AS database,
           pg_total_relation_size('notifications') AS notifications,
           pg_total_relation_size('delivery_attempts') AS delivery_attempts,
           (SELECT count(*) FROM notifications) AS notification_rows,
           (SELECT count(*) FROM delivery_attempts) AS attempt_rows
"""


class NoRoom(CloseloopError):
    """The temporary folder's disk is too small for the ledger that was asked for."""


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument(
        "--rows",
        type=int,
        default=5_000_000,
        help="old rows, half notifications, half attempts (default 5000000)",
    )
    parser.add_argument("--mails", type=int, default=10_000, help="mails per round (default 10000)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of each kind (default 2)")


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Rounds on an empty and on a full ledger in turn; the full rate as a share of the empty one."""
    need_room(chosen.rows, shutil.disk_usage(tempfile.gettempdir()).free)
    rounds: dict[str, list[dict[str, Any]]] = {"empty": [], FULL: []}
    with open_arena(chosen.mails + SPARE) as arena:
        made = _fill(arena, chosen.rows, chosen.mails)
        for number in range(chosen.rounds):
            for kind, template in (("empty", None), (FULL, FULL)):
                figures = ours.race(arena, chosen.mails, template)
                rounds[kind].append(figures)
                say(f"round {number + 1}, {kind}: {figures['mails_per_second']:.0f} mails/s")
        document = arena.describe() | {"ledger": made}
    return document | summary(rounds)


def summary(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The rounds, their medians, and what the full figures are as shares of the empty ones."""
    medians = {kind: {name: median_of(found, name) for name in FIGURES} for kind, found in rounds.items()}
    shares = {
        name: round(medians[FULL][name] / medians["empty"][name], 3)
        for name in FIGURES
        if medians["empty"][name]
    }
    return {
        "rounds": rounds,
        "medians": medians,
        "full/empty": shares,
        "share_at_least": SHARE,
        "share_kept": shares["mails_per_second"] >= SHARE,
    }


def need_room(rows: int, free: int) -> None:
    """Raises NoRoom unless `free` bytes take the ledger, a copy of it, and the log in between."""
    needed = rows * BYTES_PER_ROW * COPIES + LOG_BYTES
    if free < needed:
        raise NoRoom(
            f"{rows} old rows need {needed >> 30} GB in {tempfile.gettempdir()}, {free >> 30} GB are free",
            "choose fewer with --rows, or another disk with TMPDIR",
        )


def _fill(arena: Arena, rows: int, mails: int) -> dict[str, Any]:
    """Make the database `FULL`: the seeded one and the old rows, analysed, on disk."""
    began = time.monotonic()
    arena.postgres.copy(arena.seeded, FULL)
    oldest, newest = (arena.fresh - timedelta(days=days) for days in (OLDEST_DAYS, 1))
    for words, statement in statements(rows // 2, mails, oldest, newest):
        arena.postgres.run(FULL, statement)
        say(f"ledger: {words}")
    arena.make_lasting(FULL)
    sizes = dict(arena.postgres.rows(FULL, SIZES)[0])
    seconds = round(time.monotonic() - began, 1)
    say(f"ledger: {sizes['database'] / 2**30:.1f} GB, made in {seconds} s")
    return {"seconds_to_make": seconds, **sizes}
