"""A peer: two Celery worker processes that do the same job mail by mail (peers/celery_smtplib)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from ops.bench.arena import Arena, checked
from ops.bench.meter import Meter, settle
from ops.bench.peer_tools import PYTHON, WORKERS, install_python, python_versions
from ops.bench.processes import ROOT, clean_environ, started

MODULE = "ops.bench.peers.celery_smtplib.tasks"
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING")


def race(arena: Arena, count: int) -> dict[str, Any]:
    """One round. All tasks wait in the broker at the start signal; the time runs from the first claim."""
    install_python()
    with arena.database(count) as database:
        environ = arena.peer_environ(database)
        arena.promise(database)
        subprocess.run([PYTHON, "-m", MODULE], cwd=ROOT, env={**clean_environ(), **environ}, check=True)
        celery: list[str | Path] = [PYTHON, "-m", "celery", "-A", MODULE]
        # They listen to a queue that stays empty until the start signal, so that starting up costs nothing.
        listening = ["worker", "--concurrency", str(WORKERS), "--queues", "empty", *QUIET]
        with started([*celery, *listening], arena.folder / "celery.log", environ) as process:
            settle([process.pid])
            meter = Meter(arena, [process.pid])
            signal: list[str | Path] = [*celery, "control", "add_consumer", "celery"]
            subprocess.run(
                signal, cwd=ROOT, env={**clean_environ(), **environ}, check=True, capture_output=True
            )
            arena.await_end(database, process, each=meter.look)
            meter.stop()
            result = arena.result(database)
            seconds = (result["last_recorded"] - result["first_attempt"]).total_seconds()
            figures = meter.figures(count, seconds)
        checked(result, count)
        return figures | {"versions": python_versions("celery", "kombu", "psycopg", "redis")}
