"""How the fetched mailboxes do, from the database: whichever process fetches them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.mailboxes import Mailbox

FIELDS = (
    Mailbox.name,
    Mailbox.looked_at,
    Mailbox.taken,
    Mailbox.lag_seconds,
    Mailbox.fault,
)


async def count_mailboxes(connection: AsyncConnection, registry: CollectorRegistry, now: datetime) -> None:
    """Gauges for each mailbox, labelled by its server; `now` is machine time. Nothing without mailboxes."""
    rows = (await connection.execute(select(*FIELDS).order_by(Mailbox.id))).all()
    if not rows:
        return
    gauges = MailboxGauges(registry)
    for number, row in enumerate(rows, start=1):
        labels = (row.name, str(number))
        if row.looked_at is not None:
            gauges.looked.labels(*labels).set(max(0.0, (now - row.looked_at).total_seconds()))
        if row.lag_seconds is not None:
            gauges.lag.labels(*labels).set(row.lag_seconds)
        gauges.taken.labels(*labels).set(row.taken)
        gauges.failing.labels(*labels).set(row.fault is not None)


class MailboxGauges:
    """The gauges of all mailboxes, labelled by their server and which of them it is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, words: str) -> Gauge:
            return Gauge(f"closeloop_mailbox_{name}", words, ["mailbox", "number"], registry=registry)

        self.looked = gauge("looked_seconds_ago", "Age of the last look through all of the mailbox's folders")
        self.lag = gauge("lag_seconds", "How long the newest fetched mail had lain in the mailbox")
        self.taken = gauge("mails", "Mails taken in so far")
        self.failing = gauge("failing", "1 while something is wrong with the mailbox")


async def faults_told(connection: AsyncConnection) -> Sequence[str]:
    """What is wrong with mailboxes, as server and code; empty when nothing is."""
    rows = await connection.execute(
        select(Mailbox.name, Mailbox.fault).where(Mailbox.fault.is_not(None)).order_by(Mailbox.id)
    )
    return [f"{name} {fault}" for name, fault in rows]
