"""Two workers at the same instant do not both ask one customer, on every database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from models.notifications import Notification
from models.vocabulary import Lane, NotificationState
from tests.conftest import Backend
from tests.factories import make_survey, make_team, make_ticket, make_workshop
from tests.fakes import ManualClock
from workers.delivery.silences import FATIGUE_CAP, Silence, silences
from workers.promises import claim
from workers.unit_of_work import UnitOfWork, Workshop

pytestmark = pytest.mark.anyio
LEASE = timedelta(seconds=60)


async def _claim_one(uow: UnitOfWork) -> tuple[Notification, Silence | None]:
    """As the courier claims, but one row, so that there is one left for the other."""
    values = {"state": NotificationState.CLAIMED}
    (row,) = await claim(uow, Notification, Lane.BULK, limit=1, lease=LEASE, values=values)
    silent = await silences(uow, [row], {row.channel})
    if row.id in silent:
        silent[row.id].fall(uow, row)
    return row, silent.get(row.id)


async def _claim_beside(workshop: Workshop) -> tuple[Notification, Silence | None]:
    async with workshop.begin() as uow:
        return await _claim_one(uow)


async def test_of_two_claimers_only_one_asks_the_customer(backend: Backend) -> None:
    clock = ManualClock()
    async with make_workshop(backend, clock) as here:
        ring = here.settings.secret_keys
        async with make_workshop(backend, clock, secret_keys=ring) as there:
            await make_team(here)
            for subject in ("The first", "The second"):
                await make_survey(here, clock, await make_ticket(here, subject=subject))
            await there.prepare()
            async with here.begin() as uow:
                first, one = await _claim_one(uow)
                other = asyncio.create_task(_claim_beside(there))
                # It either waits for this transaction or has decided without knowing of it.
                await asyncio.wait({other}, timeout=1)
            second, two = await other
    assert first.id != second.id
    assert one is None
    assert two == Silence(NotificationState.SUPPRESSED, FATIGUE_CAP)
