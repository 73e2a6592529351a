"""What waits in the database, as figures: the same whichever process is asked, so add up no two of them."""

from __future__ import annotations

import asyncio
from collections import Counter

import structlog
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import Promised
from models.deadlines import Deadline, Errand
from models.intake import IntakeEvent
from models.notifications import RARE, Notification
from models.search import SearchTask
from models.vocabulary import EventState, Lane
from models.webhooks import WebhookDelivery
from workers.backlog import Backlog, backlog
from workers.clock import Clock
from workers.running import running_on
from workers.unit_of_work import Workshop
from workers.web.backups import count_backups
from workers.web.mailboxes import count_mailboxes

SCRAPE_PATIENCE = 2.0
NOTHING = Backlog(0, 0.0, 0, 0.0)
DESKS: dict[str, type[Promised]] = {
    "intake": IntakeEvent,
    "deadlines": Deadline,
    "delivery": Notification,
    "errands": Errand,
    "index": SearchTask,
    "webhooks": WebhookDelivery,
}
KINDS = ("up", "web", "worker", "scheduler", "smtpd", "imap")
"""Processes that are counted where there is none, too."""
_PLACE = ("desk", "lane")
RARE_STATES = tuple(word.strip(" '") for word in RARE.partition("(")[2].rstrip(")").split(","))
"""States of messages that an index counts at once, however long the ledger is."""
log = structlog.get_logger(__name__)


class WholeGauges:
    """The gauges of an installation, in a registry of their own for one scrape."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.database_up = self._gauge("database_up", "1 when the database answered this scrape")
        self.due = self._gauge("due_rows", "Rows due and not settled, retries to come too", "desk", "lane")
        self.oldest = self._gauge("oldest_overdue_seconds", "Age of what has been due longest", "desk")
        self.waiting = self._gauge(
            "waiting_rows", "Rows that a worker could take up now: due, not leased, not pausing", *_PLACE
        )
        self.waited = self._gauge(
            "oldest_waiting_seconds", "For how long a worker could have taken up the first of them", *_PLACE
        )
        self.failing = self._gauge("failing_rows", "Rows due that were tried three times and more", "desk")
        self.rare = self._gauge("messages", "Messages in the states that people look after", "state")
        self.processes = self._gauge(
            "processes", "Processes that said within the last minute that they are there", "process"
        )
        self.lost = self._gauge(
            "lost_processes", "Processes that fell silent, with no other started since", "process"
        )
        self.poison = self._gauge("poison_events", "Events laid aside because they could not be handled")

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"closeloop_{name}", words, labels, registry=self.registry)


async def whole_figures(workshop: Workshop) -> bytes:
    """The gauges in Prometheus' text format; without the database only that it did not answer in time."""
    gauges = WholeGauges()
    try:
        async with asyncio.timeout(SCRAPE_PATIENCE), workshop.engine.connect() as connection:
            await _count(connection, gauges, workshop.clock)
        gauges.database_up.set(1)
    except Exception as error:  # a scrape shows what there is, also while the database is away
        log.warning("scrape_without_database", error=type(error).__name__)
        gauges = WholeGauges()
        gauges.registry.unregister(gauges.poison)  # 0 would say that there is none
        gauges.database_up.set(0)
    return generate_latest(gauges.registry)


async def _count(connection: AsyncConnection, gauges: WholeGauges, clock: Clock) -> None:
    for desk, model in DESKS.items():
        await _count_desk(connection, gauges, desk, model, clock)
    rare = select(Notification.state, func.count()).where(Notification.state.in_(RARE_STATES))
    counts = {
        state.value: count for state, count in await connection.execute(rare.group_by(Notification.state))
    }
    for state in RARE_STATES:
        gauges.rare.labels(state).set(counts.get(state, 0))
    poison = select(func.count()).select_from(IntakeEvent).where(IntakeEvent.state == EventState.POISON)
    gauges.poison.set(await connection.scalar(poison) or 0)
    await _count_processes(connection, gauges, clock)
    await count_mailboxes(connection, gauges.registry, clock.machine())
    await count_backups(connection, gauges.registry)


async def _count_processes(connection: AsyncConnection, gauges: WholeGauges, clock: Clock) -> None:
    running = await running_on(connection, clock.machine())
    alive, lost = (Counter(one.kind for one in each) for each in (running.alive, running.lost))
    for kind in {*KINDS, *alive, *lost}:
        gauges.processes.labels(kind).set(alive[kind])
        gauges.lost.labels(kind).set(lost[kind])


async def _count_desk(
    connection: AsyncConnection, gauges: WholeGauges, desk: str, model: type[Promised], clock: Clock
) -> None:
    found = await backlog(connection, model, clock)
    for lane in Lane:
        here = found.get(lane, NOTHING)
        gauges.waiting.labels(desk, lane.value).set(here.waiting)
        gauges.waited.labels(desk, lane.value).set(here.waited)
        gauges.due.labels(desk, lane.value).set(here.due)
    gauges.failing.labels(desk).set(sum(each.failing for each in found.values()))
    gauges.oldest.labels(desk).set(max((each.oldest for each in found.values()), default=0.0))
