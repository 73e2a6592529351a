"""`closeloop move`: an installation's rows from SQLite to PostgreSQL, compared on both sides at the end."""

from __future__ import annotations

import argparse
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from ops.bench.loop import ground_for
from ops.bench.ours import CLOSELOOP
from ops.bench.processes import cpu_seconds, peak_mb, started
from ops.bench.report import say
from ops.bench.seed import seed
from ops.bench.servers import postgres
from workers.settings import load_settings

LINES = 4
"""Lines of the log of each ticket; beside them it has a customer, a data key and a message."""
PER_TICKET = 4 + LINES
WATCH_SECONDS = 0.2
MILLION = 1_000_000
_ENTRIES = """
    WITH RECURSIVE place(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM place WHERE n < ?)
    INSERT INTO ticket_entries (id, ticket_id, at, kind, actor, facts)
    SELECT lower(hex(randomblob(16))), id, received_at, 'assigned', 'system', '{"place": ' || n || '}'
    FROM tickets, place
"""


def moving(chosen: argparse.Namespace) -> dict[str, Any]:
    """Seconds, memory and CPU of the command for `chosen.rows` rows; both sides were compared."""
    with ground_for() as ground, postgres() as database:
        source = f"sqlite:///{ground.folder}/old.db"
        environ = ground.settings(source)
        settings = load_settings(environ, ground.folder)
        began = time.monotonic()
        seed(settings, max(1, chosen.rows // PER_TICKET))
        with closing(sqlite3.connect(ground.folder / "old.db")) as connection:
            connection.execute(_ENTRIES, (LINES,))
            connection.commit()
        size = (ground.folder / "old.db").stat().st_size / 2**20
        say(f"{chosen.rows} rows, {size:.0f} MB of SQLite, made in {time.monotonic() - began:.0f} s")
        database.server.create("moved")
        told, figures = _command(ground.folder, environ, database.server.url("moved"))
        _check(told, chosen.rows)
    rows, seconds = told["rows"], figures["seconds"]
    say(f"moved and compared: {rows} rows in {seconds:.0f} s")
    found = {"rows": rows, "source_mb": round(size, 1), **figures, "rows_per_second": round(rows / seconds)}
    if rows >= MILLION:  # fewer say too little of it: starting takes its time, too
        found["seconds_for_a_million"] = round(seconds * MILLION / rows, 1)
    return found


def _command(folder: Path, environ: dict[str, str], to: str) -> tuple[dict[str, Any], dict[str, float]]:
    """What the command says, and what it took. Raises RuntimeError with its last words when it fails."""
    answer = folder / "move.json"
    words: list[str | Path] = [CLOSELOOP, "move", "--to", to, "--json", "--data", folder]
    peak = spent = 0.0
    began = time.monotonic()
    with started(words, answer, environ) as process:
        while process.poll() is None:
            peak, spent = max(peak, peak_mb(process.pid)), max(spent, cpu_seconds(process.pid))
            time.sleep(WATCH_SECONDS)
    seconds = time.monotonic() - began
    said = answer.read_text("utf-8")
    if process.returncode != 0:
        raise RuntimeError(f"closeloop move ended with {process.returncode}: {said[-2000:]}")
    told: dict[str, Any] = json.loads(said[said.index("{") :])
    return told, {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(spent, 1),
        "peak_mb": round(peak, 1),
    }


def _check(told: dict[str, Any], wanted: int) -> None:
    """All that was made must have arrived, each table with a hash that both sides share."""
    tables = told["tables"]
    tickets = max(1, wanted // PER_TICKET)
    expected = {"tickets": tickets, "notifications": tickets, "ticket_entries": LINES * tickets}
    found = {name: tables[name]["rows"] for name in expected}
    if found != expected:
        raise AssertionError(f"{found} has arrived instead of {expected}")
    if not all(each["hash"] for each in tables.values()):
        raise AssertionError("a table was not compared")
