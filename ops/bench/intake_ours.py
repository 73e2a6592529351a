"""Our side of the benchmark `intake`: the webhook under load, and one worker that makes tickets of mails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from models.base import new_id
from models.people import Staff
from models.session import make_engine, migrate
from models.vocabulary import Lane, Role
from ops.bench.arena import Arena
from ops.bench.inbox import TO
from ops.bench.meter import Meter, settle
from ops.bench.ours import CLOSELOOP, live_settings, ringer
from ops.bench.processes import cpu_seconds, started
from ops.bench.report import spread
from ops.bench.servers import free_port
from ops.bench.webhooks import Answers, as_fast_as_answered, at_rate
from workers.bells import Bell, slot_of
from workers.clock import SystemClock
from workers.directory import ensure_administrator, team_named
from workers.intake.store import Event, content_id, store
from workers.policy import load_policy
from workers.settings import Settings, load_settings
from workers.unit_of_work import UnitOfWork, Vault, Workshop

DATABASE = "intake"
AGENTS = 5
CHUNK = 500
DEAF = "ops.bench.deaf_worker"
DONE = "SELECT NOT EXISTS (SELECT FROM intake_events WHERE due_at IS NOT NULL) AS done"
RESULT = """
    SELECT (SELECT count(*) FROM intake_events WHERE state = 'done') AS events,
           (SELECT count(*) FROM tickets WHERE handler_id IS NOT NULL) AS tickets,
           (SELECT count(DISTINCT ticket_id) FROM deadlines) AS timed,
           (SELECT count(*) FROM notifications WHERE kind = 'receipt' AND state = 'queued') AS receipts,
           (SELECT count(*) FROM notifications WHERE kind = 'assignment') AS assignments,
           (SELECT count(*) FROM delivery_attempts) AS attempts,
           (SELECT max(pg_xact_commit_timestamp(xmin)) FROM intake_events) AS last_commit
"""


def webhook(
    arena: Arena, flood: Sequence[bytes], steady: Sequence[bytes], rate: float, connections: int
) -> dict[str, Any]:
    """One web process: `flood` as fast as it is answered, then `steady` at `rate` a second."""
    with arena.empty_database(DATABASE) as database, ExitStack() as stack:
        environ = environment(arena, database)
        migrate(environ["CLOSELOOP_DATABASE_URL"])
        port = free_port()
        command: list[str | Path] = [CLOSELOOP, "web", "--http", f"127.0.0.1:{port}", "--data", arena.folder]
        web = stack.enter_context(started(command, arena.folder / "web.log", environ))
        settle([web.pid])
        arena.must_live(web)
        # The first requests open the pool's connections and prepare their statements.
        warm = len(flood) // 10
        as_fast_as_answered(port, flood[:warm], connections)
        meter = Meter(arena, [web.pid])
        answers = as_fast_as_answered(port, flood[warm:], connections)
        meter.stop()
        under_load = _answered(answers) | _cost(meter.figures(len(flood) - warm, answers.seconds))
        before = cpu_seconds(web.pid)
        calm = at_rate(port, steady, rate, connections)
        per_mail = (cpu_seconds(web.pid) - before) * 1000 / len(steady)
        stored = arena.postgres.rows(
            database, "SELECT count(*) AS n FROM intake_events JOIN intake_bodies ON event_id = id"
        )
        _equal("stored events", stored[0]["n"], len(flood) + len(steady))
        return {
            "under_load": {"connections": connections} | under_load,
            "at_rate": {"offered_per_second": rate}
            | _answered(calm)
            | {"web_cpu_ms_per_mail": round(per_mail, 3)},
        }


def tickets(arena: Arena, mails: Sequence[bytes], *, workers: int = 1) -> dict[str, Any]:
    """One worker, or several. All events are stored; time runs from the bell to the last commit."""
    with arena.empty_database(DATABASE) as database, ExitStack() as stack:
        environ = environment(arena, database)
        migrate(environ["CLOSELOOP_DATABASE_URL"])
        asyncio.run(_fill(environ, arena.folder, mails))
        arena.make_lasting(database)
        command: list[str | Path] = [CLOSELOOP.parent / "python", "-m", DEAF, arena.folder]
        log = arena.folder / "worker.log"
        working = [stack.enter_context(started(command, log, environ)) for _ in range(workers)]
        bell = stack.enter_context(ringer(arena))
        pids = [worker.pid for worker in working]
        settle(pids)
        arena.must_live(*working)
        meter = Meter(arena, pids)
        began = datetime.now(UTC)
        bell({Bell("intake", Lane.NORMAL, slot_of(SystemClock().now()))})
        arena.await_end(database, working[0], DONE, each=meter.look)
        meter.stop()
        result = arena.postgres.rows(database, RESULT)[0]
        for name in ("events", "tickets", "timed", "receipts", "assignments"):
            _equal(name, result[name], len(mails))
        _equal("delivery attempts", result["attempts"], 0)
        return _cost(meter.figures(len(mails), (result["last_commit"] - began).total_seconds()))


def environment(arena: Arena, database: str) -> dict[str, str]:
    """The settings of a live installation on the arena."""
    urls = (arena.postgres.server.url(database), arena.redis.server.url())
    return live_settings(*urls, arena.secret_keys, arena.sink.port)


async def _fill(environ: dict[str, str], folder: Path, mails: Sequence[bytes]) -> None:
    """A team of five, and the mails as the webhook stores them."""
    settings = load_settings(environ, folder)
    await staffed(settings)
    async with bare_workshop(settings) as workshop:
        for start in range(0, len(mails), CHUNK):
            async with workshop.begin() as uow:
                for raw in mails[start : start + CHUNK]:
                    await store(uow, Event("raw", content_id(raw, TO), "mail", raw, {"to": TO}))


async def staffed(settings: Settings) -> None:
    """The installation's first start, and five agents in its team."""
    async with bare_workshop(settings) as workshop, workshop.begin() as uow:
        await ensure_administrator(uow)
        await _hire(uow)


@asynccontextmanager
async def bare_workshop(settings: Settings) -> AsyncIterator[Workshop]:
    """Transactions on the settings' database that ring no bell."""
    engine = make_engine(settings.database_url)
    vault, policy = Vault(settings.secret_keys), load_policy(settings.policy)
    try:
        yield Workshop(engine, None, SystemClock(), vault, settings, policy, lambda bells: None)
    finally:
        await engine.dispose()


async def _hire(uow: UnitOfWork) -> None:
    team = await team_named(uow, uow.policy.default_team)
    assert team is not None
    rows = [
        {
            "id": new_id(),
            "number": f"CS{n:03}",
            "name": f"Agent {n}",
            "email": f"agent{n}@bench.example.com",
            "team_id": team.id,
            "role": Role.AGENT,
        }
        for n in range(1, AGENTS + 1)
    ]
    await uow.session.execute(insert(Staff), rows)


def _answered(answers: Answers) -> dict[str, Any]:
    _equal("answers that are not 200 and stored", len(answers.wrong), 0)
    count = len(answers.milliseconds)
    return {"per_second": round(count / answers.seconds, 1), "answer_ms": spread(answers.milliseconds)}


def _cost(figures: dict[str, Any]) -> dict[str, Any]:
    """A meter's figures without those of a sink and of helpers, which intake does not use."""
    return {name: value for name, value in figures.items() if not name.startswith(("sink", "helper", "all_"))}


def _equal(what: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise AssertionError(f"{what}: {found} instead of {wanted}")
