"""Is it alive, is it ready, and how is it doing: for load balancers, orchestrators and Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache

import structlog
from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy import func, select, text
from starlette.responses import JSONResponse, PlainTextResponse, Response

from models.base import Promised
from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.notifications import Notification
from models.session import head_revision
from workers.clock import MAY_PART
from workers.unit_of_work import Workshop
from workers.web.mailboxes import count_mailboxes, faults_told
from workers.web.parts import Parts, WebParts

router = APIRouter(tags=["health"])

PATIENCE = 2.0
SCRAPE_PATIENCE = 1.0
DESKS: dict[str, type[Promised]] = {
    "intake": IntakeEvent,
    "deadlines": Deadline,
    "delivery": Notification,
}
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
    }
    ready = all(found == GOOD for found in checks.values())
    # Told, not counted: a relay or mailbox that fails is no reason to turn away what can be taken in.
    checks["relay"] = _relay(parts)
    checks["mailbox"] = await _checked(_mailbox, parts)
    body = {"status": "ready" if ready else "not ready", "checks": checks}
    return JSONResponse(body, 200 if ready else 503, {} if ready else {"Retry-After": "5"})


@router.get("/metrics", summary="Figures in Prometheus' text format", response_class=PlainTextResponse)
async def metrics(parts: Parts) -> Response:
    """The counters of this process, and what waits at each desk. Labels are codes, never ids or addresses."""
    waiting = await _waiting(parts.workshop)
    return PlainTextResponse(
        parts.metrics.text() + waiting, media_type="text/plain; version=0.0.4; charset=utf-8"
    )


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
    return GOOD


async def _schema(parts: WebParts) -> str:
    async with parts.workshop.engine.connect() as connection:
        found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    wanted = await asyncio.to_thread(_head)
    return GOOD if found == wanted else f"at {found}, needs {wanted}: run `closeloop migrate`"


@cache
def _head() -> str:
    """The newest revision; it cannot change while the process runs."""
    return head_revision()


async def _broker(parts: WebParts) -> str:
    if parts.broker_alive is None or await parts.broker_alive():
        return GOOD
    return "does not answer (nothing is lost: the sweep makes up for bells)"


def _clock(parts: WebParts) -> str:
    """How the clock of the machine does that this process runs on."""
    jump = parts.watch.jump()
    if abs(jump) <= MAY_PART:
        return GOOD
    return (
        f"was set by {jump:+.0f} s: no deadline is checked until it is right again, or all processes restart"
    )


def _relay(parts: WebParts) -> str:
    """How the relays do, as this process's workers see it (`closeloop web` alone sends nothing)."""
    down = parts.metrics.relays_down()
    return f"left alone: {', '.join(down)} (mails wait, nothing is lost)" if down else GOOD


async def _mailbox(parts: WebParts) -> str:
    """How the fetched mailboxes do, whichever process fetches them."""
    async with parts.workshop.engine.connect() as connection:
        return ", ".join(await faults_told(connection)) or GOOD


async def _waiting(workshop: Workshop) -> bytes:
    """Due rows and the oldest one's age for each desk, or that the database did not answer."""
    registry = CollectorRegistry()
    up = Gauge("closeloop_database_up", "1 when the database answered this scrape", registry=registry)
    try:
        async with asyncio.timeout(SCRAPE_PATIENCE):
            await _count(workshop, registry)
        up.set(1)
    except Exception as error:  # a scrape shows what there is, also while the database is away
        log.warning("scrape_without_database", error=type(error).__name__)
        registry = CollectorRegistry()
        Gauge("closeloop_database_up", "1 when the database answered this scrape", registry=registry).set(0)
    return generate_latest(registry)


async def _count(workshop: Workshop, registry: CollectorRegistry) -> None:
    depth = Gauge("closeloop_due_rows", "Rows due and not settled", ["desk", "lane"], registry=registry)
    age = Gauge(
        "closeloop_oldest_overdue_seconds", "Age of what has been due longest", ["desk"], registry=registry
    )
    now = workshop.clock.now()
    async with workshop.engine.connect() as connection:
        for desk, model in DESKS.items():
            rows = await connection.execute(
                select(model.lane, func.count(), func.min(model.due_at))
                .where(model.due_at <= now)
                .group_by(model.lane)
            )
            oldest = 0.0
            for lane, count, due_at in rows:
                depth.labels(desk, lane.value).set(count)
                oldest = max(oldest, (now - due_at).total_seconds() if due_at else 0.0)
            age.labels(desk).set(oldest)
        await count_mailboxes(connection, registry, workshop.clock.machine())
