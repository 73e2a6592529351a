"""Our side of the race: two worker processes and a scheduler, rung once as after any commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from models.vocabulary import Lane
from ops.bench.arena import Arena, checked
from ops.bench.meter import Meter, settle
from ops.bench.processes import ROOT, started
from workers.bells import Bell, slot_of
from workers.broker import Ringer, make_broker
from workers.clock import SystemClock

CLOSELOOP = ROOT / ".venv/bin/closeloop"
HOOK_TOKEN = "bench-hook-token-0123456789abcdef"
WORKERS = 2


def race(arena: Arena, count: int, template: str | None = None, *, workers: int = WORKERS) -> dict[str, Any]:
    """One round. The time runs from the moment the bell is rung to the commit of the last outcome.

    `template` is another database than the seeded one to start from a copy of; `workers`: processes.
    """
    with arena.database(count, template) as database, ExitStack() as stack:
        environ = live_settings(
            arena.postgres.server.url(database),
            arena.redis.server.url(),
            arena.secret_keys,
            arena.sink.port,
        )
        log = arena.folder / "closeloop.log"
        processes = [
            stack.enter_context(started([CLOSELOOP, role, "--data", arena.folder], log, environ))
            for role in ["worker"] * workers + ["scheduler"]
        ]
        bell = stack.enter_context(ringer(arena))
        pids = [process.pid for process in processes]
        settle(pids)
        arena.must_live(*processes)
        arena.promise(database)
        meter = Meter(arena, pids[:workers], pids[workers:])
        began = datetime.now(UTC)
        clock = SystemClock()
        bell({Bell("delivery", Lane.NORMAL, slot_of(clock.now()))})
        arena.await_end(database, processes[0], each=meter.look)
        meter.stop()
        result = arena.result(database)
        figures = meter.figures(count, (result["last_recorded"] - began).total_seconds())
        checked(result, count)
        return figures


@contextmanager
def ringer(arena: Arena) -> Iterator[Ringer]:
    """What rings the arena's bells."""
    broker = make_broker(arena.redis.server.url())
    ringer = Ringer(broker, SystemClock())
    try:
        yield ringer
    finally:
        ringer.close()
        broker.close()


def live_settings(database_url: str, broker_url: str, secret_keys: str, smtp_port: int) -> dict[str, str]:
    """The environment of an installation that really sends, to the sink on `smtp_port`."""
    return {
        "CLOSELOOP_SECRET_KEYS": secret_keys,
        "CLOSELOOP_DATABASE_URL": database_url,
        "CLOSELOOP_BROKER_URL": broker_url,
        "CLOSELOOP_SMTP_URL": f"smtp://127.0.0.1:{smtp_port}?tls=none",
        "CLOSELOOP_MODE": "live",
        "CLOSELOOP_MAIL_FROM": "Bench <support@bench.example.com>",
        "CLOSELOOP_HOOK_TOKEN": HOOK_TOKEN,
        "CLOSELOOP_ADMIN": "admin@example.com",
        "CLOSELOOP_PUBLIC_URL": "http://127.0.0.1:8000",
    }
