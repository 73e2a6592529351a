"""The peers of the benchmark `deadlines`: one delayed message in Redis per deadline."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import redis

from ops.bench.arena import Arena
from ops.bench.deadlines_ours import LEAD, Load, Spent, flush_in, results, until
from ops.bench.deadlines_seed import GOLDEN, LATEST, SOONEST, add_due
from ops.bench.meter import settle
from ops.bench.peer_tools import (
    NODE_PEER,
    PYTHON,
    WORKERS,
    install_node,
    install_python,
    node_versions,
    python_versions,
)
from ops.bench.processes import ROOT, clean_environ, family, peak_mb, started
from ops.bench.report import say

QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")
ADDED_PER_SECOND = 1_000
"""The slowest peer puts in more messages than that: so long before its time the first one is put in."""
PATIENCE = 10.0
"""Seconds after the last due time after which a peer is not waited for any longer."""
CALM_SECONDS = 60.0
EFFECT = """
    WITH heard AS (
        UPDATE deadlines SET due_at = NULL, alarm_no = alarm_no + 1,
            state = CASE WHEN alarm_no = 0 THEN state ELSE 'breached' END
        WHERE id = $1 AND due_at IS NOT NULL RETURNING id, ticket_id
    )
    INSERT INTO notifications (id, key, kind, channel, lane, state, created_at, due_at, tries, ticket_id,
        deadline_id, staff_id, data_key_id, recipient_sealed, recipient_hash, locale, facts_sealed, links,
        message_id)
    SELECT gen_random_uuid(), 'breach:' || h.id || ':1:0:' || s.id || ':email', 'breach', 'email', 'urgent',
        'queued', now(), now(), 0, t.id, h.id, s.id, t.data_key_id, convert_to(s.email, 'UTF8'),
        sha256(convert_to(s.email, 'UTF8')), t.locale, t.subject_sealed, '{}',
        '<' || h.id || '@bench.example.com>'
    FROM heard h JOIN tickets t ON t.id = h.ticket_id JOIN staff s ON s.id = t.handler_id
"""
EFFECTS = """
    SELECT b.place, extract(epoch FROM pg_xact_commit_timestamp(n.xmin) - b.at) * 1000 AS late
    FROM bench_due b JOIN notifications n ON n.deadline_id = b.deadline_id
"""
DONE = """
    SELECT count(*) AS left FROM bench_due b
    WHERE NOT EXISTS (SELECT FROM notifications n WHERE n.deadline_id = b.deadline_id)
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """How a peer is installed, told what to wait for, and run; `processes` of them work."""

    install: Callable[[], object]
    add: Sequence[str | Path]
    work: Sequence[str | Path]
    processes: int
    versions: Callable[[], Mapping[str, str]]
    environ: Mapping[str, str]


def _python_peer(module: str, work: Sequence[str | Path], *packages: str) -> Peer:
    # Each of them makes two worker processes of its own.
    return Peer(install_python, [PYTHON, "-m", module], work, 1, lambda: python_versions(*packages), {})


CELERY = "ops.bench.peers.celery_eta.tasks"
DRAMATIQ = "ops.bench.peers.dramatiq_delay.tasks"
DELAYED = NODE_PEER / "delayed.js"
PEERS: Mapping[str, Peer] = {
    "bullmq_delayed": Peer(
        install_node,
        ["node", DELAYED, "add"],
        ["node", DELAYED, "work"],
        WORKERS,
        node_versions,
        {"PEER_CONCURRENCY": "25", "PEER_DATABASE_CONNECTIONS": "10", "NODE_ENV": "production"},
    ),
    "celery_eta": _python_peer(
        CELERY,
        [PYTHON, "-m", "celery", "-A", CELERY, "worker", "--concurrency", str(WORKERS), *QUIET],
        "celery",
        "kombu",
        "redis",
    ),
    "dramatiq_delay": _python_peer(
        DRAMATIQ,
        [PYTHON, "-m", "dramatiq", DRAMATIQ, "--processes", str(WORKERS), "--threads", "8"],
        "dramatiq",
        "redis",
    ),
}


def race(
    arena: Arena, template: str, tickets: Sequence[UUID], load: Load, side: str, pending: int
) -> dict[str, Any]:
    """One round: `pending` messages of a month lie in Redis, then those of `load` are added and come due."""
    peer = PEERS[side]
    peer.install()
    with arena.empty_database("race", template) as database, ExitStack() as stack:
        environ = arena.peer_environ(database) | {"PEER_EFFECT": EFFECT, **peer.environ}
        log = arena.folder / f"{side}.log"
        adding = _add(arena, peer, environ, _of_a_month(pending))
        pids = stack.enter_context(_working(peer, log, environ))
        settle(pids, most=CALM_SECONDS)
        broker_mb = _broker_mb(arena)
        lead = max(LEAD, load.count / ADDED_PER_SECOND)
        start = datetime.now(UTC) + timedelta(seconds=lead)
        add_due(arena.postgres, database, tickets[: load.count], start, load.rate, load.breaches)
        _add(arena, peer, environ, _due(arena, database))
        if datetime.now(UTC) > start:
            say(f"{side}: the last ones were put in when the first were due already")
        until(start)
        spent = Spent(arena, pids)
        until(start + timedelta(seconds=load.seconds))
        costs = spent.figures(load.measured, load.seconds)
        memory = sorted((round(peak_mb(one), 1) for pid in pids for one in family(pid)), reverse=True)
        flush_in(arena, load, start)
        left = _await_all(arena, database, start + timedelta(seconds=load.seconds + load.tail))
        return {
            "pending": pending,
            "seconds_to_add_pending": adding,
            "broker_mb": broker_mb,
            **results(arena, database, load, EFFECTS),
            "lost": left,
            "messages_left_in_broker": _messages(arena),
            **costs,
            "peaks_mb": memory[:4],
            "versions": dict(peer.versions()),
        }


@contextmanager
def _working(peer: Peer, log: Path, environ: Mapping[str, str]) -> Iterator[list[int]]:
    with ExitStack() as stack:
        yield [stack.enter_context(started(peer.work, log, environ)).pid for _ in range(peer.processes)]


def _add(arena: Arena, peer: Peer, environ: Mapping[str, str], what: Iterable[tuple[UUID, float]]) -> float:
    """Put messages into Redis; the seconds that took."""
    path = arena.folder / "waiting"
    path.write_text("".join(f"{ident} {at}\n" for ident, at in what))
    began = time.monotonic()
    subprocess.run([*peer.add, path], cwd=ROOT, env={**clean_environ(), **environ}, check=True)
    return round(time.monotonic() - began, 1)


def _of_a_month(count: int) -> Iterator[tuple[UUID, float]]:
    now = time.time()
    soonest, span = SOONEST.total_seconds(), (LATEST - SOONEST).total_seconds()
    for place in range(count):
        yield uuid4(), now + soonest + span * (place * GOLDEN % 1)


def _due(arena: Arena, database: str) -> Iterator[tuple[UUID, float]]:
    rows = arena.postgres.rows(
        database, "SELECT deadline_id, extract(epoch FROM at) AS at FROM bench_due ORDER BY place"
    )
    return ((row["deadline_id"], float(row["at"])) for row in rows)


def _await_all(arena: Arena, database: str, last: datetime) -> int:
    until(last)
    end = time.monotonic() + PATIENCE
    while (left := int(arena.postgres.rows(database, DONE)[0]["left"])) and time.monotonic() < end:
        time.sleep(0.5)
    return left


def _broker_mb(arena: Arena) -> float:
    with redis.Redis(port=arena.redis.server.port) as client:
        return round(float(client.info("memory")["used_memory"]) / 2**20, 1)


def _messages(arena: Arena) -> int:
    """How many entries Redis holds in the peer's lists, sets and sorted sets."""
    with redis.Redis(port=arena.redis.server.port, db=1) as client:
        counts = {b"list": client.llen, b"set": client.scard, b"zset": client.zcard}
        kinds = ((key, client.type(key)) for key in client.scan_iter(count=10_000))
        return sum(int(counts[kind](key)) for key, kind in kinds if kind in counts)
