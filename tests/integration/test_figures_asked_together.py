"""Several ask the same at the same time: one works it out, and the others get what it gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from models.figures import KeptFigures
from models.vocabulary import Lane
from tests.conftest import POSTGRESQL_REDIS, Backend
from tests.factories import make_workshop
from tests.fakes import ManualClock
from tests.fetching import until
from tests.many_figures import NOW, Workings, answer, live, many_and_slow, question, rounds
from workers import errands
from workers.flights import Flights
from workers.measures import Asking, Group, Told, kept_once, told
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio
beside = pytest.mark.parametrize("backend", [POSTGRESQL_REDIS], indirect=True)
"""On SQLite one process asks."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def workshop(
    backend: Backend, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Workshop]:
    async with many_and_slow(backend, clock, monkeypatch) as made:
        yield made


@pytest.fixture
def workings(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workings:
    """What is worked out from now on, held until it is let go."""
    watched = Workings(held=True)
    watched.watch(monkeypatch)
    return watched


class Counted(Flights):
    """Knows how many have come to it."""

    come = 0

    async def one(self, key, work):  # type: ignore[no-untyped-def]  # as that of which it is
        self.come += 1
        return await super().one(key, work)


async def waits_for_the_lock(workshop: Workshop) -> bool:
    """Whether some process waits for what another one is at."""
    async with workshop.read() as uow:
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(await uow.session.scalar(waiting))


async def agree(workshop: Workshop, asking: Asking, found: list[Told]) -> None:
    """One has worked it out; the others say from when it is; all tell what there is."""
    assert sorted(each.as_of is None for each in found) == [False] * (len(found) - 1) + [True]
    expected = await live(workshop, asking)
    assert all(answer(each) == expected for each in found)


@pytest.mark.parametrize("group", [None, Group.STAFF])
async def test_of_many_in_one_process_one_works_it_out(
    workshop: Workshop, clock: ManualClock, workings: Workings, group: Group | None
) -> None:
    workshop.flights = flights = Counted()
    asking = question(clock, group=group)
    tasks = [asyncio.create_task(told(workshop, asking)) for _ in range(6)]
    await until(lambda: flights.come == 6)
    workings.let_go()
    await agree(workshop, asking, list(await asyncio.gather(*tasks)))
    assert workings.begun == [asking]


@beside
async def test_of_several_processes_one_works_it_out(
    workshop: Workshop, clock: ManualClock, workings: Workings, backend: Backend
) -> None:
    keys = workshop.settings.secret_keys
    async with make_workshop(backend, clock, secret_keys=keys) as other:
        asking = question(clock)
        here = asyncio.create_task(told(workshop, asking))
        await until(lambda: workings.now == 1)
        there = asyncio.create_task(told(other, asking))
        await until(lambda: workings.now > 1 or waits_for_the_lock(workshop))
        workings.let_go()
        await agree(workshop, asking, [await here, await there])
    assert (workings.begun, workings.at_once) == ([asking], 1)


@beside
async def test_who_has_waited_for_long_enough_is_told_so_and_works_nothing_out(
    workshop: Workshop,
    clock: ManualClock,
    workings: Workings,
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_once, "PATIENCE", 0.05)
    keys = workshop.settings.secret_keys
    async with make_workshop(backend, clock, secret_keys=keys) as other:
        here = asyncio.create_task(told(workshop, question(clock)))
        await until(lambda: workings.now == 1)
        with pytest.raises(DBAPIError, match="lock timeout"):
            await told(other, question(clock))
        workings.let_go()
        await here
        assert (await told(other, question(clock))).as_of == clock.now()
    assert len(workings.begun) == 1


async def test_other_questions_are_worked_out_beside_it(
    workshop: Workshop, clock: ManualClock, workings: Workings
) -> None:
    tasks = [
        asyncio.create_task(told(workshop, asking))
        for asking in (question(clock), question(clock, before=True))
    ]
    await until(lambda: workings.now == 2)
    workings.let_go()
    assert [each.as_of for each in await asyncio.gather(*tasks)] == [None, None]


async def test_who_asks_while_the_errand_is_at_it_waits_for_the_errand(
    workshop: Workshop, clock: ManualClock, workings: Workings
) -> None:
    workings.let_go()
    await told(workshop, question(clock))
    clock.set((await rounds(workshop))[0])
    workings.held = True
    workings.begun.clear()
    async with workshop.begin() as uow:  # as after midnight: nothing serves
        row = (await uow.session.scalars(select(KeptFigures))).one()
        row.answer = {**row.answer, "days": ["2026-01-01", "2026-01-02"]}
    workshop.flights = flights = Counted()
    errand = asyncio.create_task(errands.fire(workshop, Lane.BULK))
    await until(lambda: workings.now == 1)
    person = asyncio.create_task(told(workshop, question(clock)))
    await until(lambda: flights.come == 2)
    workings.let_go()
    assert (await person).as_of == clock.now()
    await errand
    assert workings.begun.count(question(clock)) == 1


async def test_a_failure_is_told_to_all_and_the_next_one_tries_again(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise LookupError("no such table")

    with monkeypatch.context() as patch:
        patch.setattr(kept_once, "worked_out", fails)
        found = await asyncio.gather(
            *(told(workshop, question(clock)) for _ in range(3)), return_exceptions=True
        )
    assert [type(each) for each in found] == [LookupError] * 3
    assert (await told(workshop, question(clock))).as_of is None
