"""After an outage of an hour: how fast what became due meanwhile is worked off."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ops.bench.arena import Arena
from ops.bench.deadlines_ours import Spent, await_all, processes_on
from ops.bench.deadlines_seed import add_due
from ops.bench.ours import WORKERS

HOUR = 3600.0
PATIENCE = 600.0
TOLD = """
    SELECT min(pg_xact_commit_timestamp(xmin)) AS first, max(pg_xact_commit_timestamp(xmin)) AS last,
           count(*) FILTER (WHERE kind = 'breached') AS breached,
           count(*) FILTER (WHERE kind = 'warned') AS warned,
           count(*) FILTER (WHERE kind = 'warning_dropped') AS warnings_dropped
    FROM ticket_entries WHERE kind IN ('breached', 'warned', 'warning_dropped')
"""


def backlog(arena: Arena, template: str, tickets: Sequence[UUID], breaches: float) -> dict[str, Any]:
    """A deadline for each of `tickets` became due in the last hour; the time runs from first to last commit.

    Warnings whose limit has passed meanwhile are dropped, and the breach is told instead.
    """
    with arena.empty_database("race", template) as database, ExitStack() as stack:
        start = datetime.now(UTC) - timedelta(seconds=HOUR)
        add_due(arena.postgres, database, tickets, start, len(tickets) / HOUR, breaches)
        arena.make_lasting(database, "deadlines")
        pids = [process.pid for process in stack.enter_context(processes_on(arena, database))]
        spent = Spent(arena, pids[:WORKERS], pids[WORKERS:])
        left = await_all(arena, database, datetime.now(UTC), PATIENCE)
        found = dict(arena.postgres.rows(database, TOLD)[0])
        seconds = (found.pop("last") - found.pop("first")).total_seconds()
        return {
            "backlog": len(tickets),
            "lost": left,
            "seconds": round(seconds, 1),
            "per_second": round(len(tickets) / max(seconds, 0.001)),
            **found,
            **spent.figures(len(tickets), max(seconds, 0.001)),
        }
