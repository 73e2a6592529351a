"""Is it alive, is it ready, and how is it doing: for load balancers, orchestrators and Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache

import structlog
from fastapi import APIRouter
from sqlalchemy import select, text
from starlette.responses import JSONResponse, PlainTextResponse, Response

from models.keeping import Chore
from models.revisions import tolerated
from models.session import head_revision
from workers.backlog import backlog
from workers.running import running_on, trouble_of
from workers.web.figures import DESKS, whole_figures
from workers.web.mailboxes import faults_told
from workers.web.parts import Parts, WebParts

router = APIRouter(tags=["health"])

PATIENCE = 2.0
SILENT_AFTER = 120.0
"""Seconds that something may lie at a desk before the workers are said to be silent: longer than a batch."""
GOOD = "ok"
log = structlog.get_logger(__name__)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Alive: the process answers")
async def healthz() -> dict[str, str]:
    """Asks nobody else, so that a database that is away does not get the process restarted."""
    return {"status": "alive"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", summary="Ready: requests will be served")
async def readyz(parts: Parts) -> Response:
    """200 when database, schema, broker and clock are as they should be, else 503 that says which is not."""
    checks = {
        "database": await _checked(_database, parts),
        "schema": await _checked(_schema, parts),
        "broker": await _checked(_broker, parts),
        "clock": _clock(parts),
        "storage": _storage(parts),
    }
    ready = all(found == GOOD for found in checks.values())
    # Told, not counted: what fails behind the doors is no reason to turn away what can be taken in.
    checks["workers"] = await _checked(_workers, parts)
    checks["relay"] = _relay(parts)
    checks["mailbox"] = await _checked(_mailbox, parts)
    body = {"status": "ready" if ready else "not ready", "checks": checks}
    return JSONResponse(body, 200 if ready else 503, {} if ready else {"Retry-After": "5"})


@router.get("/metrics", summary="Figures in Prometheus' text format", response_class=PlainTextResponse)
async def metrics(parts: Parts) -> Response:
    """The figures of this process and, unless it is one of many workers, of what waits in the database.

    Labels are codes, never ids or addresses.
    """
    figures = parts.metrics.text()
    if parts.whole:
        parts.metrics.broker_up.set(await _checked(_broker, parts) == GOOD)
        figures = parts.metrics.text() + await whole_figures(parts.workshop)
    return PlainTextResponse(figures, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _checked(check: Callable[[WebParts], Awaitable[str]], parts: WebParts) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            return await check(parts)
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except Exception as error:  # whatever it is, it means "not ready"; its words may hold a password
        return f"fails: {type(error).__name__}"


async def _database(parts: WebParts) -> str:
    async with parts.workshop.engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    await parts.workshop.compare_clocks(parts.watch)
    return GOOD


async def _schema(parts: WebParts) -> str:
    async with parts.workshop.engine.connect() as connection:
        found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        wanted = await asyncio.to_thread(_head)
        newer, needs = found is not None and found > wanted, None
        if newer:
            kept = await connection.scalar(select(Chore.facts).where(Chore.name == "schema"))
            needs = (kept or {}).get("needs")
    if tolerated(found, needs, wanted):
        return GOOD
    if newer:
        return f"at {found}, changed for newer versions than this one ({wanted}): run the newer one"
    return f"at {found}, needs {wanted}: run `closeloop migrate`"


@cache
def _head() -> str:
    """The newest revision; it cannot change while the process runs."""
    return head_revision()


async def _broker(parts: WebParts) -> str:
    if parts.broker_alive is None or await parts.broker_alive():
        return GOOD
    return "does not answer (nothing is lost: the sweep makes up for bells)"


def _storage(parts: WebParts) -> str:
    """Whether the database takes changes, as this process has last seen; it tries again all the time."""
    trouble = parts.workshop.metrics.storage.trouble
    return GOOD if trouble is None else f"takes nothing more: {trouble}"


def _clock(parts: WebParts) -> str:
    """How the clock of the machine does that this process runs on."""
    wrong = parts.watch.wrong_by()
    if not wrong:
        return GOOD
    if parts.watch.differs():
        return f"{wrong:+.0f} s off the database's: no deadline is checked here until the two agree"
    return (
        f"was set by {wrong:+.0f} s: no deadline is checked until it is right again, or all processes restart"
    )


def _relay(parts: WebParts) -> str:
    """How the relays do, as this process's workers see it (`closeloop web` alone sends nothing)."""
    down = parts.metrics.relays_down()
    return f"left alone: {', '.join(down)} (mails wait, nothing is lost)" if down else GOOD


async def _workers(parts: WebParts) -> str:
    """Whether what could be worked off is, by whichever process; lanes in which nothing moves are told.

    So are processes that fell silent: a worker that died while there was nothing to do leaves no lane behind.
    """
    silent: dict[str, float] = {}
    async with parts.workshop.engine.connect() as connection:
        for desk, model in DESKS.items():
            for lane, found in (await backlog(connection, model, parts.workshop.clock)).items():
                if found.waited > SILENT_AFTER:
                    silent[f"{desk}/{lane.value}"] = found.waited
        now = parts.workshop.clock.machine()
        trouble = trouble_of(await running_on(connection, now), now)
    if not silent:
        return trouble or GOOD
    longest = max(silent.values())
    places = ", ".join(sorted(silent))
    words = f"nobody has worked off {places} for {longest:.0f} s: does a worker of that lane run?"
    return f"{words} {trouble}".rstrip()


async def _mailbox(parts: WebParts) -> str:
    """How the fetched mailboxes do, whichever process fetches them."""
    async with parts.workshop.engine.connect() as connection:
        return ", ".join(await faults_told(connection)) or GOOD
