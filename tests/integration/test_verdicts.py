"""Verdicts recomputed from the append-only log are those that are stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Backend
from tests.factories import make_team, make_workshop
from tests.fakes import ManualClock
from tests.year import Year

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

EVENTS = 160


async def test_a_made_up_year_recomputed_from_its_log_gives_every_verdict_that_is_stored(
    backend: Backend,
) -> None:
    clock = ManualClock(datetime(2026, 1, 5, 1, tzinfo=UTC))
    async with make_workshop(backend, clock) as workshop:
        await make_team(workshop)
        year = Year(workshop, clock, seed=2, pace=timedelta(minutes=25), least=10)
        await year.take(EVENTS)
        audited = await year.audit()
    assert [(one.number, each) for one in audited for each in one.differences] == []
    assert all(one.known for one in audited)
    happened = {"open", "policy", "priority", "transfer", "accept", "decide", "plan", "answer", "accepted",
                "wait", "write", "resolve", "dismiss", "undo"}  # fmt: skip
    assert set(year.done) >= happened
