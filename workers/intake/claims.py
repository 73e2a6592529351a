"""Claimed events stay ours as long as this process lives, and not much longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import update

from models.intake import IntakeEvent
from workers.unit_of_work import Workshop

log = structlog.get_logger(__name__)

Claimed = tuple[UUID, UUID | None]
RENEWALS = 3
"""How often a lease is renewed before it would run out: the database may be away for a moment."""


@asynccontextmanager
async def kept(workshop: Workshop, claimed: Sequence[Claimed], lease: timedelta) -> AsyncIterator[None]:
    """While the body runs, the leases of the `claimed` events (id, token) are renewed; those settled stay so.

    So a lease may be short: what a worker had that died is another one's after `lease` at the latest, and
    reading a slow mail may take longer than that. Not to be left inside a transaction.
    """
    over = asyncio.Event()
    renewing = asyncio.create_task(_renew(workshop, claimed, lease, over))
    try:
        yield
    finally:
        over.set()
        await renewing


async def _renew(
    workshop: Workshop, claimed: Sequence[Claimed], lease: timedelta, over: asyncio.Event
) -> None:
    idents, tokens = [ident for ident, _ in claimed], {token for _, token in claimed}
    while True:
        try:
            async with asyncio.timeout(lease.total_seconds() / RENEWALS):
                await over.wait()
            return
        except TimeoutError:
            pass
        try:
            async with workshop.begin() as uow:
                await uow.session.execute(
                    update(IntakeEvent)
                    .where(IntakeEvent.id.in_(idents), IntakeEvent.lease_token.in_(tokens))
                    .values(free_at=uow.clock.machine() + lease)
                    .execution_options(synchronize_session=False)
                )
        except Exception as error:  # the lease runs on; whoever takes the events over is fenced off by tokens
            log.warning("leases_not_renewed", events=len(idents), error=type(error).__name__)
