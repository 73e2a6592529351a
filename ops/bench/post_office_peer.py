"""A peer: django-post_office with two processes (peers/django_post_office), in a database of its own."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.bench.arena import Arena, checked
from ops.bench.dialects import django
from ops.bench.meter import Meter, settle
from ops.bench.peer_tools import PYTHON, install_python, python_versions
from ops.bench.processes import ROOT, clean_environ, started
from ops.bench.seed import WORDS, plain_rows

MODULE = "ops.bench.peers.django_post_office"
DATABASE = "post_office"
# Of 100 to 3,000 mails a batch and 1, 2 and 5 threads these were fastest (README.md).
BATCH = 3_000
THREADS = 5
DONE = "SELECT NOT EXISTS (SELECT FROM post_office_email WHERE status > 1) AS done"
RESULT = """
    SELECT (SELECT count(*) FROM post_office_email WHERE status = 0) AS sent,
           count(*) FILTER (WHERE status = 0) AS attempts,
           count(*) AS all_attempts,
           max(pg_xact_commit_timestamp(xmin)) AS last_recorded
    FROM post_office_log
"""


def race(arena: Arena, count: int) -> dict[str, Any]:
    """One round. All mails wait in the database; the time runs from the start signal."""
    install_python()
    rows = arena.folder / "post_office.rows"
    _write(rows, count)
    with arena.empty_database(DATABASE) as database:
        environ = arena.peer_environ(database)
        environ |= {"PEER_BATCH": str(BATCH), "PEER_THREADS": str(THREADS)}
        fill: list[str | Path] = [PYTHON, "-m", MODULE, "fill", rows]
        subprocess.run(fill, cwd=ROOT, env={**clean_environ(), **environ}, check=True)
        arena.make_lasting(database)
        command: list[str | Path] = [PYTHON, "-m", MODULE, "send", arena.folder / "post_office"]
        with started(command, arena.folder / "post_office.log", environ) as process:
            settle([process.pid])
            meter = Meter(arena, [process.pid])
            began = datetime.now(UTC)
            process.send_signal(signal.SIGUSR1)
            arena.await_end(database, process, DONE, each=meter.look)
            meter.stop()
            result = arena.postgres.rows(database, RESULT)[0]
            figures = meter.figures(count, (result["last_recorded"] - began).total_seconds())
        checked(result, count)
        versions = python_versions("django", "django_post_office", "psycopg")
        return figures | {"versions": versions, "batch": BATCH, "threads": THREADS}


def _write(rows: Path, count: int) -> None:
    with rows.open("w", encoding="utf-8") as file:
        file.write(json.dumps({locale: django(locale) for locale in WORDS}) + "\n")
        file.writelines(json.dumps(row) + "\n" for row in plain_rows(count))
