"""Figures of backups, for whoever watches."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.keeping import Chore


async def count_backups(connection: AsyncConnection, registry: CollectorRegistry) -> None:
    """When the last backup was taken, and how often it has failed since; nothing before the first."""
    row = (
        await connection.execute(select(Chore.done_at, Chore.failures).where(Chore.name == "backup"))
    ).one_or_none()
    if row is None:
        return
    last = Gauge(
        "closeloop_backup_last_success_timestamp_seconds",
        "When the last backup was taken (0: never), in seconds since 1970",
        registry=registry,
    )
    last.set(row.done_at.timestamp() if row.done_at else 0)
    failures = Gauge("closeloop_backup_failures", "Backups that failed since the last one", registry=registry)
    failures.set(row.failures)
