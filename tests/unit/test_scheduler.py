"""The scheduler rings ahead of time, makes up for lost bells, and stops when nobody knows what time it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import timedelta

import pytest
from sqlalchemy import event

from models.intake import IntakeEvent
from models.vocabulary import Lane
from tests.conftest import Backend
from tests.fakes import ManualClock
from tests.house import StoryClock
from tests.workbench import BellBook, event_due, workshop_on
from workers.bells import Bell
from workers.clock import ClockWatch, FastClock
from workers.metrics import Metrics
from workers.promises import claim
from workers.scheduler import BRISK, SOON, SWEEP, Scheduler
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio
DESKS = {"intake": IntakeEvent}


@pytest.fixture
async def workshop(backend: Backend) -> AsyncIterator[Workshop]:
    async with workshop_on(backend.database_url, clock=ManualClock()) as workshop:
        yield workshop


def moved(workshop: Workshop) -> ManualClock:
    assert isinstance(workshop.clock, ManualClock)
    return workshop.clock


async def store(workshop: Workshop, *seconds: float, lane: Lane = Lane.NORMAL) -> None:
    async with workshop.begin() as uow:
        for each in seconds:
            event_due(uow, uow.clock.now() + timedelta(seconds=each), lane=lane)


async def test_the_next_half_minute_is_rung_for_once_per_slot(workshop: Workshop) -> None:
    start = workshop.clock.now()
    book = BellBook()
    await store(workshop, 1, 1.01, 1.04, 20, 29.99, 31)
    await store(workshop, 20, lane=Lane.URGENT)
    scheduler = Scheduler(workshop, book, DESKS)
    await scheduler.round()
    assert [(bell.lane.value, (bell.due - start).total_seconds()) for bell in book.rung] == [
        ("normal", 1),
        ("normal", 1.05),
        ("normal", 20),
        ("normal", 30),
        ("urgent", 20),
    ]


async def test_a_slot_is_rung_for_once_as_time_goes_by(workshop: Workshop) -> None:
    start = workshop.clock.now()
    book = BellBook()
    await store(workshop, 20, 31, 32.5)
    scheduler = Scheduler(workshop, book, DESKS)
    for _ in range(4):
        await scheduler.round()
        moved(workshop).advance(timedelta(seconds=1))
    assert [(bell.due - start).total_seconds() for bell in book.rung] == [20, 31, 32.5]


async def test_what_is_overdue_is_rung_for_at_every_sweep_until_it_is_claimed(workshop: Workshop) -> None:
    book = BellBook()
    await store(workshop, -5, -60)
    scheduler = Scheduler(workshop, book, DESKS)
    await scheduler.round()
    moved(workshop).advance(SWEEP)
    await scheduler.round()
    assert [(bell.desk, bell.lane) for bell in book.rung] == [("intake", Lane.NORMAL)] * 2
    assert all(bell.due < workshop.clock.now() for bell in book.rung)
    async with workshop.begin() as uow:
        await claim(uow, IntakeEvent, Lane.NORMAL, limit=9, lease=timedelta(seconds=30))
    moved(workshop).advance(SWEEP)
    await scheduler.round()
    assert len(book.rung) == 2
    moved(workshop).advance(timedelta(seconds=31))
    await scheduler.round()
    assert len(book.rung) == 3, "a dead worker's lease ran out and nobody was told"


async def test_bells_lost_by_the_broker_are_made_up_for_within_a_second(workshop: Workshop) -> None:
    book = BellBook()
    await store(workshop, 2)
    scheduler = Scheduler(workshop, book, DESKS)
    await scheduler.round()
    book.rung.clear()  # Redis was flushed
    moved(workshop).advance(timedelta(seconds=2.5))
    await scheduler.round()
    assert [bell.lane for bell in book.rung] == [Lane.NORMAL]


async def test_a_round_asks_the_database_twice_whatever_policy_is_in_force(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.in_force.LOOK_AGAIN", 0.0)
    scheduler = Scheduler(workshop, BellBook(), DESKS)
    await scheduler.round()
    asked: list[str] = []
    event.listen(workshop.engine.sync_engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    await scheduler.round()
    assert len([words for words in asked if not words.startswith("BEGIN")]) == 2


async def test_where_bells_were_missed_the_next_sweeps_come_soon(workshop: Workshop) -> None:
    scheduler = Scheduler(workshop, BellBook(), DESKS)
    rests: list[timedelta] = []
    await store(workshop, 0.5)
    for seconds in (0, 0.6, 0.2, 59, 29, 2):
        moved(workshop).advance(timedelta(seconds=seconds))
        await scheduler.round()
        rests.append(scheduler.rest())
    # Not due yet; due just now, and a bell may be on its way; missed; missed still; nothing that a bell could
    # help, but more of them may be lost; over.
    assert rests == [BRISK, BRISK, SOON, SOON, SOON, SWEEP]


async def test_sweeps_come_sooner_while_something_gets_due_and_only_then(workshop: Workshop) -> None:
    scheduler = Scheduler(workshop, BellBook(), DESKS)
    rests: list[timedelta] = []
    await store(workshop, 5, 20)
    for seconds in (0, 3.9, 0.2):
        moved(workshop).advance(timedelta(seconds=seconds))
        await scheduler.round()
        rests.append(scheduler.rest())
    moved(workshop).advance(timedelta(seconds=1))
    async with workshop.begin() as uow:
        assert await claim(uow, IntakeEvent, Lane.NORMAL, limit=9, lease=timedelta(hours=1))
    for seconds in (0, 14, 0.95, 0.05):
        moved(workshop).advance(timedelta(seconds=seconds))
        await scheduler.round()
        rests.append(scheduler.rest())
        async with workshop.begin() as uow:
            await claim(uow, IntakeEvent, Lane.NORMAL, limit=9, lease=timedelta(hours=1))
    # Nothing for long; for more than a sweep's time; about to; done, and nothing for long; about to, as was
    # seen a quarter of a minute ago; it has come; done.
    assert rests == [SWEEP, SWEEP, BRISK, SWEEP, BRISK, BRISK, SWEEP]


async def test_sweeps_in_between_look_for_what_has_just_become_due(workshop: Workshop) -> None:
    book = BellBook()
    scheduler = Scheduler(workshop, book, DESKS)
    await store(workshop, -60, lane=Lane.BULK)
    await store(workshop, 0.5)
    for seconds in (0, 0.7, 0.1, 0.3):
        moved(workshop).advance(timedelta(seconds=seconds))
        book.rung.clear()
        await scheduler.round()
        rung = [bell.lane for bell in book.rung]
        # What waits for long is rung for each second, what was just missed at once.
        assert rung == {0: [Lane.BULK, Lane.NORMAL], 0.3: [Lane.BULK, Lane.NORMAL]}.get(
            seconds, [Lane.NORMAL]
        )


async def test_the_first_look_after_a_leap_of_promise_time_is_for_all_it_passed_over(
    backend: Backend,
) -> None:
    clock, book = StoryClock(), BellBook()
    async with workshop_on(backend.database_url, clock=clock) as workshop:
        await store(workshop, 3600)
        scheduler = Scheduler(workshop, book, DESKS, sweep=timedelta(days=1))
        await scheduler.round()
        clock.advance(timedelta(hours=5))
        await scheduler.round()
        assert len(book.rung) == 1, "only what was due of late was looked for"
        await scheduler.round()
        assert len(book.rung) == 1, "and it was no leap that time"


async def test_a_database_in_trouble_is_not_asked_more_often(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = Scheduler(workshop, BellBook(), DESKS)
    await store(workshop, -5)
    await scheduler.round()
    assert scheduler.rest() == SOON
    await store(workshop, 0.1)

    def away() -> None:
        raise OSError("the database is away")

    monkeypatch.setattr(workshop, "glance", away)
    await scheduler.round()
    assert scheduler.rest() == SWEEP


async def test_a_jump_of_promise_time_loses_nothing(workshop: Workshop) -> None:
    start, book = workshop.clock.now(), BellBook()
    await store(workshop, 3600, 3700)
    scheduler = Scheduler(workshop, book, DESKS)
    await scheduler.round()
    assert book.rung == []
    moved(workshop).advance(timedelta(seconds=3650))
    await scheduler.round()
    assert len(book.rung) == 1
    moved(workshop).advance(timedelta(seconds=30))
    await scheduler.round()
    assert [(bell.due - start).total_seconds() for bell in book.rung] == [3600, 3600, 3700]


async def test_a_sped_up_clock_is_looked_ahead_of_by_half_a_real_minute(backend: Backend) -> None:
    clock = FastClock(3600, ManualClock().now())
    book = BellBook()
    async with workshop_on(backend.database_url, clock=clock) as workshop:
        await store(workshop, 3600, 3600 * 20, 3600 * 300)
        await Scheduler(workshop, book, DESKS).round()
    assert len(book.rung) == 2


async def test_it_survives_a_database_that_is_away_and_a_ring_that_breaks(workshop: Workshop) -> None:
    metrics, book, troubles = Metrics(), BellBook(), [True, True]

    def ring(bells: Collection[Bell]) -> None:
        if troubles and troubles.pop():
            raise ConnectionError("the broker is away")
        book(bells)

    await store(workshop, 5)
    scheduler = Scheduler(workshop, ring, DESKS, metrics=metrics)
    await scheduler.round()
    await scheduler.round()
    assert book.rung == []
    assert metrics.registry.get_sample_value("closeloop_sweeps_total", {"result": "failed"}) == 2
    await scheduler.round()
    assert len(book.rung) == 1, "a slot that could not be rung for was forgotten"


async def test_it_runs_until_it_is_told_to_stop(workshop: Workshop) -> None:
    metrics, stop = Metrics(), asyncio.Event()
    scheduler = Scheduler(workshop, BellBook(), DESKS, metrics=metrics, sweep=timedelta(milliseconds=10))
    running = asyncio.create_task(scheduler.run(stop))
    async with asyncio.timeout(120):
        while (metrics.registry.get_sample_value("closeloop_sweeps_total", {"result": "done"}) or 0) < 3:
            assert not running.done()
            await asyncio.sleep(0.01)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 120)


async def test_firing_stops_while_the_wall_clock_is_wrong(workshop: Workshop) -> None:
    wall, steady = [1_000_000.0], [500.0]
    metrics, book = Metrics(), BellBook()
    await store(workshop, -1)
    watch = ClockWatch(lambda: wall[0], lambda: steady[0])
    scheduler = Scheduler(workshop, book, DESKS, metrics=metrics, watch=watch)
    wall[0], steady[0] = wall[0] + 3600, steady[0] + 3596
    await scheduler.round()
    assert len(book.rung) == 1, "a correction of four seconds is nothing"
    wall[0] += 86_400
    await scheduler.round()
    assert (len(book.rung), scheduler.parted) == (1, True)
    assert metrics.registry.get_sample_value("closeloop_clock_parted") == 1
    wall[0] -= 86_400
    await scheduler.round()
    assert (len(book.rung), scheduler.parted) == (2, False)
    wall[0] -= 60
    await scheduler.round()
    assert (len(book.rung), scheduler.parted) == (2, True), "back is as bad as forth"
    wall[0] += 60
    await scheduler.round()
    assert metrics.registry.get_sample_value("closeloop_clock_parted") == 0


async def test_two_schedulers_only_ring_twice(workshop: Workshop) -> None:
    await store(workshop, 3)
    books = BellBook(), BellBook()
    for book in books:
        await Scheduler(workshop, book, DESKS).round()
    assert books[0].rung == books[1].rung
    assert len(books[0].rung) == 1
