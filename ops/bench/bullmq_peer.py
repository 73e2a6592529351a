"""A peer: two Node processes with BullMQ, nodemailer's pool and pg's pool (peers/bullmq_nodemailer)."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ops.bench.arena import Arena, checked
from ops.bench.dialects import write_nunjucks
from ops.bench.meter import Meter, settle
from ops.bench.peer_tools import NODE_PEER, WORKERS, install_node, node_versions
from ops.bench.processes import ROOT, clean_environ, started

# Of 5 to 100 jobs at once per process, and 5 to 25 connections, these were fastest (README.md).
CONCURRENCY = 25
RELAY_CONNECTIONS = 10
DATABASE_CONNECTIONS = 10


def race(arena: Arena, count: int) -> dict[str, Any]:
    """One round. All jobs wait in a paused queue at the start signal; the time runs from the first claim."""
    node = install_node()
    templates = arena.folder / "nunjucks"
    write_nunjucks(templates)
    with arena.database(count) as database, ExitStack() as stack:
        environ = arena.peer_environ(database) | {
            "PEER_TEMPLATES": str(templates),
            "PEER_CONCURRENCY": str(CONCURRENCY),
            "PEER_RELAY_CONNECTIONS": str(RELAY_CONNECTIONS),
            "PEER_DATABASE_CONNECTIONS": str(DATABASE_CONNECTIONS),
            "NODE_ENV": "production",
        }
        arena.promise(database)

        def queue(work: str) -> None:
            words: list[str | Path] = [node, NODE_PEER / "queue.js", work]
            subprocess.run(words, cwd=ROOT, env={**clean_environ(), **environ}, check=True)

        queue("add")
        log = arena.folder / "bullmq.log"
        processes = [
            stack.enter_context(started([node, NODE_PEER / "worker.js"], log, environ))
            for _ in range(WORKERS)
        ]
        pids = [process.pid for process in processes]
        settle(pids)
        meter = Meter(arena, pids)
        queue("start")
        arena.await_end(database, processes[0], each=meter.look)
        meter.stop()
        result = arena.result(database)
        figures = meter.figures(count, (result["last_recorded"] - result["first_attempt"]).total_seconds())
        checked(result, count)
        return figures | {"versions": node_versions(), "concurrency": CONCURRENCY}
