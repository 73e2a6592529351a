"""Verdicts recomputed from the append-only log are those that are stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from models.tickets import TicketEntry
from models.vocabulary import Role
from tests.conftest import Backend
from tests.factories import make_team, make_workshop
from tests.fakes import ManualClock
from tests.year import Year
from workers.people import Person, add_person, add_team, change_person, change_team
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio

EVENTS = 160


async def make_second_team(workshop: Workshop) -> None:
    """Team `product`, which has a calendar of its own in some drafts: agents CS003 and CS004."""
    async with workshop.begin() as uow:
        await add_team(uow, "product", {})
        for number in ("CS003", "CS004"):
            email = f"{number.lower()}@help.example"
            await add_person(uow, Person(number=number, name=number, email=email, role=Role.AGENT))
            await change_person(uow, number, {"team": "product"})
        await change_team(uow, "product", {"supervisor": "AM001"})


async def test_a_made_up_year_recomputed_from_its_log_gives_every_verdict_that_is_stored(
    backend: Backend,
) -> None:
    clock = ManualClock(datetime(2026, 1, 5, 1, tzinfo=UTC))
    async with make_workshop(backend, clock) as workshop:
        await make_team(workshop)
        await make_second_team(workshop)
        year = Year(workshop, clock, seed=2, pace=timedelta(minutes=25), least=10)
        await year.take(EVENTS)
        audited = await year.audit()
        async with workshop.read() as uow:
            facts = list(await uow.session.scalars(select(TicketEntry.facts)))
    assert [(one.number, each) for one in audited for each in one.differences] == []
    assert all(one.known for one in audited)
    assert {line.get("calendar") for line in facts} == {None, "", "product", "vip"}
    happened = {"open", "policy", "priority", "transfer", "accept", "decide", "plan", "answer", "accepted",
                "wait", "write", "resolve", "dismiss", "undo"}  # fmt: skip # packed, to be read at a glance
    assert set(year.done) >= happened
