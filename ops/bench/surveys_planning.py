"""Invitations planned from resolved tickets by two workers and a scheduler, as they are in production."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from models.vocabulary import Lane
from ops.bench.arena import Arena
from ops.bench.blast import environment
from ops.bench.deadlines_ours import Spent
from ops.bench.intake_ours import staffed
from ops.bench.meter import settle
from ops.bench.ours import CLOSELOOP, WORKERS, ringer
from ops.bench.processes import started
from ops.bench.report import say
from ops.bench.seed import RECEIPT, seed
from workers.bells import Bell, slot_of
from workers.clock import SystemClock
from workers.settings import load_settings

DATABASE = "planning"
HELD, SENT = "test", "live"
"""Modes of the installation: what is planned is held, or sent at once, which takes its share."""
ASKED_SECONDS = 60.0
PATIENCE = 600.0
RESOLVED = """
    DELETE FROM notifications;
    UPDATE tickets SET state = 'awaiting_feedback', assigned_at = opened_at, first_response_at = opened_at,
        feedback_at = opened_at, resolved_at = opened_at,
        handler_id = (SELECT id FROM staff WHERE role = 'agent' LIMIT 1);
    INSERT INTO deadlines (id, key, kind, generation, state, ticket_id, started_at, limit_at, alarms,
                           alarm_no, lane, tries, policy_version_id)
    SELECT gen_random_uuid(), 'survey_invitation:' || replace(id::text, '-', '') || ':1',
           'survey_invitation', 1, 'running', id, opened_at, '{at}',
           '[{{"at": "{at}", "step": "invite", "roles": [], "level": 0}}]', 0,
           'normal', 0, policy_version_id
    FROM tickets
"""
DUE = "UPDATE deadlines SET due_at = limit_at WHERE kind = 'survey_invitation'"
LEFT = """
    SELECT count(*) AS left FROM deadlines WHERE kind = 'survey_invitation' AND due_at IS NOT NULL
"""
RESULT = """
    SELECT (SELECT count(*) FROM surveys) AS surveys,
           (SELECT count(*) FROM notifications WHERE kind = 'csat_invitation') AS invitations,
           (SELECT count(*) FROM notifications WHERE kind = 'csat_invitation' AND state = 'sent') AS sent,
           (SELECT count(*) FROM deadlines WHERE kind = 'survey') AS chases,
           (SELECT max(pg_xact_commit_timestamp(xmin)) FROM surveys) AS last_commit
"""


def planned(arena: Arena, count: int, mode: str) -> dict[str, Any]:
    """Seconds from the bell to the commit of the last survey; each has its mail, its log and its chase."""
    with arena.empty_database(DATABASE) as database, ExitStack() as stack:
        environ = environment(arena, database) | {"CLOSELOOP_MODE": mode}
        _fill(arena, database, environ, count)
        log = arena.folder / "closeloop.log"
        processes = [
            stack.enter_context(started([CLOSELOOP, role, "--data", arena.folder], log, environ))
            for role in ["worker"] * WORKERS + ["scheduler"]
        ]
        pids = [process.pid for process in processes]
        settle(pids)
        arena.must_live(*processes)
        ring = stack.enter_context(ringer(arena))
        spent = Spent(arena, pids[:WORKERS], pids[WORKERS:])
        arena.postgres.rows(database, DUE)
        began = datetime.now(UTC)
        ring({Bell("deadlines", Lane.NORMAL, slot_of(SystemClock().now()))})
        _await(arena, database)
        result = arena.postgres.rows(database, RESULT)[0]
        costs = spent.figures(count, (datetime.now(UTC) - began).total_seconds())
        arena.must_live(*processes)
        for name in ("surveys", "invitations", "chases"):
            if result[name] != count:
                raise AssertionError(f"{name}: {result[name]} instead of {count}")
        seconds = round((result["last_commit"] - began).total_seconds(), 2)
        return {
            "invitations": count,
            "seconds": seconds,
            "per_second": round(count / seconds, 1),
            "sent_meanwhile": result["sent"],
            **{name.replace("_per_check", "_per_invitation"): value for name, value in costs.items()},
            "seconds_asked": ASKED_SECONDS * count / 50_000,
            "kept": seconds <= ASKED_SECONDS * count / 50_000,
        }


def _fill(arena: Arena, database: str, environ: dict[str, str], count: int) -> None:
    """So many resolved tickets of as many customers, whose invitations wait for the start signal."""
    say(f"seeding {count} resolved tickets")
    settings = load_settings(environ, arena.folder)
    seed(settings, count, kind=RECEIPT)
    asyncio.run(staffed(settings))
    at = datetime.now(UTC) - timedelta(minutes=1)
    arena.postgres.run(database, RESOLVED.format(at=at.isoformat()))
    arena.make_lasting(database)


def _await(arena: Arena, database: str) -> None:
    end = time.monotonic() + PATIENCE
    while left := arena.postgres.rows(database, LEFT)[0]["left"]:
        if time.monotonic() > end:
            raise TimeoutError(f"{left} invitations were not planned after {PATIENCE:.0f} s")
        time.sleep(0.5)
