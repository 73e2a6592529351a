"""Benchmark `delivery`: N mails rendered, sent to a sink and recorded; ours and the peers in turn."""

from __future__ import annotations

import argparse
import base64
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ops.bench import celery_peer, ours
from ops.bench.arena import Arena
from ops.bench.report import median_of, say
from ops.bench.seed import seed
from ops.bench.servers import mail_sink, postgres, redis_server
from ops.bench.wire_limit import wire_limit
from workers.settings import load_settings

SEEDED = "seeded"
SIDES = {"closeloop": ours.race, "celery_smtplib": celery_peer.race}
FIGURES = (
    "mails_per_second",
    "worker_cpu_ms_per_mail",
    "all_workers_cpu_ms_per_mail",
    "database_cpu_ms_per_mail",
    "worker_peak_mb",
)


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument("--mails", type=int, default=10_000, help="rows per round (default 10000)")
    parser.add_argument(
        "--peer-mails", type=int, default=2_000, help="rows per round of a peer (default 2000)"
    )
    parser.add_argument("--rounds", type=int, default=2, help="rounds per side (default 2)")
    parser.add_argument("--only", choices=sorted(SIDES), help="one side alone")


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Interleave the sides round by round; raw figures, medians, and their ratios."""
    sides = [chosen.only] if chosen.only else list(SIDES)
    rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    with _arena(max(chosen.mails, chosen.peer_mails)) as arena:
        limit = wire_limit(arena.sink.port, chosen.mails)
        for number in range(chosen.rounds):
            for side in sides:
                count = chosen.mails if side == "closeloop" else chosen.peer_mails
                figures = SIDES[side](arena, count)
                rounds[side].append(figures)
                say(f"round {number + 1}, {side}: {figures['mails_per_second']:.0f} mails/s")
        document: dict[str, Any] = {
            "postgresql": arena.postgres.version,
            "redis": arena.redis.version,
            "sink": arena.sink.program,
            "wire_limit_mails_per_second": limit,
            "rounds": rounds,
            "medians": {side: {name: median_of(rounds[side], name) for name in FIGURES} for side in sides},
        }
    document["ratios_of_medians"] = _ratios(document["medians"])
    return document


def _ratios(medians: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    own = medians.get("closeloop")
    if own is None:
        return {}
    return {
        f"closeloop/{side}": {name: round(own[name] / theirs[name], 3) for name in FIGURES if theirs[name]}
        for side, theirs in medians.items()
        if side != "closeloop"
    }


@contextmanager
def _arena(count: int) -> Iterator[Arena]:
    secret = f"bench:{base64.b64encode(os.urandom(32)).decode()}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="closeloop-bench-")))
        database = stack.enter_context(postgres())
        broker = stack.enter_context(redis_server())
        sink = stack.enter_context(mail_sink(folder))
        database.server.create(SEEDED)
        say(f"PostgreSQL {database.version}, Redis {broker.version}, {sink.program}; seeding {count} rows")
        settings = load_settings(
            {
                "CLOSELOOP_SECRET_KEYS": secret,
                "CLOSELOOP_DATABASE_URL": database.server.url(SEEDED),
            },
            folder,
        )
        seed(settings, count)
        yield Arena(folder, database, broker, sink, secret, SEEDED)
