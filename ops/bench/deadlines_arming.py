"""How fast deadlines are armed by the steps' own code when many are armed in one transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.session import make_engine
from models.tickets import Ticket
from models.vocabulary import DeadlineKind
from ops.bench.arena import Arena
from ops.bench.ours import live_settings
from workers import deadlines
from workers.ahead import Ahead, OfTickets
from workers.clock import SystemClock
from workers.policy import Alarm, load_policy
from workers.settings import Settings, load_settings
from workers.unit_of_work import UnitOfWork, Vault, Workshop

TOGETHER = 500
AT_LEAST = 5_000
GENERATION = 1_000
"""Later than all that were seeded."""


def arming(arena: Arena, template: str, tickets: Sequence[UUID]) -> dict[str, Any]:
    """Arm one for each of `tickets` on a copy of `template`, TOGETHER in a transaction, in one process."""
    with arena.empty_database("race", template) as database:
        urls = (arena.postgres.server.url(database), arena.redis.server.url())
        settings = load_settings(live_settings(*urls, arena.secret_keys, arena.sink.port), arena.folder)
        seconds, cpu = asyncio.run(_arm_all(settings, tickets))
        found = arena.postgres.rows(
            database, f"SELECT count(*) AS armed FROM deadlines WHERE generation = {GENERATION}"
        )[0]["armed"]
        if found != len(tickets):
            raise AssertionError(f"{found} instead of {len(tickets)} deadlines are armed")
    rate = len(tickets) / seconds
    return {
        "armed": len(tickets),
        "together": TOGETHER,
        "per_second": round(rate),
        "cpu_us_each": round(cpu * 1e6 / len(tickets)),
        "at_least_per_second": AT_LEAST,
        "kept": rate >= AT_LEAST,
    }


async def _arm_all(settings: Settings, tickets: Sequence[UUID]) -> tuple[float, float]:
    """(seconds, CPU seconds of this process)."""
    engine = make_engine(settings.database_url)
    policy = load_policy(settings.policy)
    vault = Vault(settings.secret_keys)
    workshop = Workshop(engine, None, SystemClock(), vault, settings, policy, lambda bells: None)
    try:
        await workshop.prepare()
        began, cpu = time.monotonic(), time.process_time()
        for start in range(0, len(tickets), TOGETHER):
            async with workshop.begin() as uow:
                await _arm(uow, tickets[start : start + TOGETHER])
        return time.monotonic() - began, time.process_time() - cpu
    finally:
        await engine.dispose()


async def _arm(uow: UnitOfWork, idents: Sequence[UUID]) -> None:
    query = select(Ticket).where(Ticket.id.in_(idents)).order_by(Ticket.id).with_for_update()
    rows = (await uow.session.scalars(query)).all()
    uow.ahead = Ahead([], [], {}, set(), of_tickets=OfTickets(frozenset(idents), rows, set(), set()))
    now = uow.clock.now()
    limit = now + timedelta(hours=8)
    alarms = [
        Alarm(limit - timedelta(minutes=30), "warning", ("handler",)),
        Alarm(limit, "breach", ("handler", "supervisor")),
    ]
    for ticket in rows:
        await deadlines.arm(
            uow,
            ticket,
            DeadlineKind.PLAN,
            fact=ticket.id,
            generation=GENERATION,
            started_at=now,
            limit_at=limit,
            alarms=alarms,
        )
