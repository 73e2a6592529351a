"""The other side: two Celery worker processes that do the same job mail by mail (peers/celery_smtplib)."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from ops.bench.arena import Arena, Meter, checked, settle
from ops.bench.processes import ROOT, clean_environ, started
from ops.bench.report import say

WORKERS = 2
VENV = ROOT / ".venv-bench"
LOCK = ROOT / "ops/bench/requirements.lock"
MODULE = "ops.bench.peers.celery_smtplib.tasks"


def race(arena: Arena, count: int) -> dict[str, Any]:
    """One round. All tasks wait in the broker at the start signal; the time runs from the first claim."""
    install()
    with arena.database(count) as database:
        environ = {
            "PEER_DATABASE_URL": arena.postgres.server.url(database).replace("+asyncpg", ""),
            "PEER_BROKER_URL": arena.redis.server.url(1),
            "PEER_SMTP": f"127.0.0.1:{arena.sink.port}",
            "PEER_SECRET_KEYS": arena.secret_keys,
        }
        arena.promise(database)
        python = VENV / "bin/python"
        subprocess.run([python, "-m", MODULE], cwd=ROOT, env={**clean_environ(), **environ}, check=True)
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
        celery: list[str | Path] = [python, "-m", "celery", "-A", MODULE]
        log = arena.folder / "celery.log"
        # They listen to a queue that stays empty until the start signal, so that starting up costs nothing.
        command: list[str | Path] = [
            *celery,
            "worker",
            "--concurrency",
            str(WORKERS),
            "--queues",
            "empty",
            *quiet,
        ]
        with started(command, log, environ) as process:
            settle([process.pid])
            meter = Meter(arena, [process.pid])
            signal: list[str | Path] = [*celery, "control", "add_consumer", "celery"]
            subprocess.run(
                signal, cwd=ROOT, env={**clean_environ(), **environ}, check=True, capture_output=True
            )
            arena.await_end(database, process)
            result = arena.result(database)
            seconds = (result["last_recorded"] - result["first_attempt"]).total_seconds()
            figures = meter.figures(count, seconds)
        checked(result, count)
        return figures | {"versions": versions()}


def install() -> None:
    """Make .venv-bench from the lock, unless it is there already."""
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    mark = VENV / ".installed"
    if mark.exists() and mark.read_text() == wanted:
        return
    say("making .venv-bench for the peers")
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    pip: list[str | Path] = [
        VENV / "bin/python",
        "-m",
        "pip",
        "install",
        "-qq",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "--require-hashes", "-r", LOCK], check=True, stdout=sys.stderr)
    mark.write_text(wanted)


def versions() -> dict[str, str]:
    """The peer's packages, as installed."""
    wanted = ("celery", "kombu", "psycopg", "redis")
    folders = [path.name for path in Path(VENV).glob("lib/python*/site-packages/*.dist-info")]
    pairs = [name.removesuffix(".dist-info").split("-", 1) for name in folders]
    return {name: version for name, version in sorted(pairs) if name in wanted}
