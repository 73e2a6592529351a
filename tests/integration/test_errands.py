"""Errands are done however long they take, and what fails again and again is shown to people."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from models.base import new_id
from models.deadlines import Errand
from models.notifications import Notification
from models.vocabulary import Lane
from tests.conftest import Backend
from tests.factories import KEY, Desk, all_of, make_desk, make_team, make_ticket, make_workshop
from tests.fakes import ManualClock
from workers import errands, reports
from workers.rendering.environment import load_labels
from workers.reports import sending
from workers.reports.making import make_report
from workers.rosters import ABSENCE_BEGINS
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio

ENOUGH = 30.0
NEWER = "of_a_newer_program"


class Slow:
    """A report that is being counted until somebody lets it go."""

    def __init__(self) -> None:
        self._begun: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    def instead_of(self, make: Any) -> Any:
        """As `make`, when it is let go."""

        async def slowly(*facts: Any) -> Any:
            made, go_on = await make(*facts), asyncio.Event()
            await self._begun.put(go_on)
            await go_on.wait()
            return made

        return slowly

    async def begun(self) -> asyncio.Event:
        """Wait until somebody counts; gives by what they are let go."""
        async with asyncio.timeout(ENOUGH):
            return await self._begun.get()


async def _report_due(workshop: Workshop, clock: ManualClock) -> None:
    """It is Monday: the week's report about all teams is due, and nothing else is."""
    async with workshop.begin() as uow:
        await reports.ensure_reports(uow)
    for _ in range(8):
        clock.advance(timedelta(days=1))
        found = await all_of(workshop, Errand, Errand.kind == reports.REPORT)
        if any(row.due_at is not None and row.due_at <= clock.now() for row in found):
            break
        await errands.fire(workshop, Lane.BULK)
    async with workshop.begin() as uow:
        rest = update(Errand).where(Errand.kind != reports.REPORT).values(due_at=None)
        await uow.session.execute(rest)
        others = Errand.subject_id.is_not(None)
        await uow.session.execute(update(Errand).where(others).values(due_at=None))


async def test_what_takes_longer_than_its_lease_is_done_once_by_whoever_is_ready_first(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, slow = ManualClock(), Slow()
    async with make_workshop(backend, clock) as here:
        await make_team(here)
        await make_ticket(here)
        async with make_workshop(backend, clock, secret_keys=here.settings.secret_keys) as there:
            await there.prepare()
            await _report_due(here, clock)
            monkeypatch.setattr(sending, "make_report", slow.instead_of(make_report))
            first = asyncio.create_task(errands.fire(here, Lane.BULK))
            first_goes_on = await slow.begun()
            clock.advance(errands.LEASE + timedelta(seconds=1))
            second = asyncio.create_task(errands.fire(there, Lane.BULK))
            second_goes_on = await slow.begun()

            first_goes_on.set()
            assert await first == 1
            told = await all_of(here, Notification, Notification.kind == "period_report")
            assert told, "what was counted is not thrown away because somebody else counts, too"
            second_goes_on.set()
            assert await second == 1
            again = await all_of(here, Notification, Notification.kind == "period_report")
            assert len(again) == len(told)
            assert await all_of(here, Errand, Errand.due_at.is_not(None), Errand.kind == reports.REPORT) == []


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_each_errand_has_a_name_for_people(locale: str) -> None:
    assert set(load_labels(locale)["errand"]) == {*errands.STEPS, *errands.AHEAD}


async def _planned(desk: Desk, kind: str) -> None:
    """Somebody has planned an errand, due now."""
    async with desk.workshop.begin() as uow:
        row = Errand(id=new_id(), key=f"{kind}:1", kind=kind, lane=Lane.NORMAL, due_at=uow.clock.now())
        await uow.add(row)


async def _shown(desk: Desk) -> list[dict[str, Any]]:
    answer = await desk.web.get("/api/v1/attention?what=stuck_errand", headers=KEY)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def _failing(desk: Desk) -> str:
    figures = (await desk.web.get("/metrics")).text
    (line,) = [
        one for one in figures.splitlines() if one.startswith('closeloop_failing_rows{desk="errands"}')
    ]
    return line.rpartition(" ")[2]


async def test_an_errand_that_fails_again_and_again_is_shown_until_it_is_done(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        await _planned(desk, NEWER)  # and then went back to the program of today, which cannot do it
        planned = desk.clock.now()
        for times in range(3):
            assert (await _shown(desk), await _failing(desk)) == ([], "0.0"), f"after {times} tries"
            assert await errands.fire(desk.workshop, Lane.NORMAL) == 1
            desk.clock.advance(timedelta(hours=2))
        (item,) = await _shown(desk)
        assert (item["kind"], item["reason"], item["ticket"]) == (NEWER, "errand_failed", None)
        assert item["since"] == planned.isoformat().replace("+00:00", "Z")
        assert await _failing(desk) == "1.0"

        async with desk.workshop.begin() as uow:  # the program is brought up to date
            await uow.session.execute(update(Errand).where(Errand.kind == NEWER).values(kind=ABSENCE_BEGINS))
        assert await errands.fire(desk.workshop, Lane.NORMAL) == 1
        assert (await _shown(desk), await _failing(desk)) == ([], "0.0")
