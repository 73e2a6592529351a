"""Alarms are heard one batch of a lane at a time, and at their time although their bells are early."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from models.vocabulary import Lane
from tests.fakes import ManualClock
from workers import actors, alarms
from workers.actors import Bench
from workers.alarms import InTurn
from workers.bells import EARLY, Bell, slot_of
from workers.broker import messages
from workers.clock import ClockWatch
from workers.delivery.courier import Courier
from workers.metrics import Metrics
from workers.right_of_way import RightOfWay
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def seconds(count: float) -> datetime:
    return NOON + timedelta(seconds=count)


class Work:
    """Notes what it is called for, and takes as long as the test wants."""

    def __init__(self) -> None:
        self.called: list[tuple[Lane, datetime]] = []
        self.over = asyncio.Event()
        self.begun = asyncio.Semaphore(0)
        self.fails = False

    async def __call__(self, lane: Lane, slot: datetime) -> int:
        self.called.append((lane, slot))
        self.begun.release()
        await self.over.wait()
        if self.fails:
            raise RuntimeError("the database is away")
        return 1


async def test_what_is_called_for_meanwhile_is_done_once_and_from_its_oldest_slot_on() -> None:
    work = Work()
    turn = InTurn(work, RightOfWay())
    first = asyncio.create_task(turn.hear(Lane.NORMAL, seconds(5)))
    other = asyncio.create_task(turn.hear(Lane.URGENT, seconds(5)))
    await asyncio.sleep(0)
    assert [await turn.hear(Lane.NORMAL, seconds(each)) for each in (7, 6, 8)] == [0, 0, 0]
    assert work.called == [(Lane.NORMAL, seconds(5)), (Lane.URGENT, seconds(5))], "lanes do not wait"
    work.over.set()
    assert (await first, await other) == (2, 1)
    assert work.called[2:] == [(Lane.NORMAL, seconds(6))]
    assert await turn.hear(Lane.NORMAL, seconds(9)) == 1, "nobody is at it any more"


async def test_a_batch_that_fails_leaves_the_lane_free() -> None:
    work = Work()
    work.fails = True
    work.over.set()
    turn = InTurn(work, RightOfWay())
    with pytest.raises(RuntimeError):
        await turn.hear(Lane.NORMAL, seconds(1))
    work.fails = False
    assert await turn.hear(Lane.NORMAL, seconds(2)) == 1


async def test_what_can_wait_gives_a_batch_the_way_and_has_its_turn_between_two() -> None:
    work, way = Work(), RightOfWay(most=60)
    turn = InTurn(work, way)
    await way.give()  # nobody is coming
    batch = asyncio.create_task(turn.hear(Lane.NORMAL, seconds(5)))
    await work.begun.acquire()
    polite = asyncio.create_task(way.give())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not polite.done()
    assert await turn.hear(Lane.NORMAL, seconds(6)) == 0, "another batch follows at once"
    work.over.set()
    async with asyncio.timeout(120):
        await polite
        assert await batch == 2
        await way.give()


async def test_nobody_is_kept_waiting_for_ever() -> None:
    way = RightOfWay(most=0.01)
    async with asyncio.timeout(120):
        with way.taken():
            await way.give()
            with way.taken():
                await way.give()
            polite = asyncio.create_task(RightOfWay.give(way))
        await polite


async def test_a_failure_of_what_was_heard_early_is_said_and_what_is_closed_is_not_heard() -> None:
    work = Work()
    work.fails = True
    work.over.set()
    turn = InTurn(work, RightOfWay())
    turn.hear_in(0.01, Lane.NORMAL, seconds(1))
    turn.hear_in(0.02, Lane.NORMAL, seconds(1))
    turn.hear_in(0.03, Lane.BULK, seconds(2))
    async with asyncio.timeout(120):
        await work.begun.acquire()
        await work.begun.acquire()
    turn.hear_in(0.01, Lane.NORMAL, seconds(3))
    turn.close()
    await asyncio.sleep(0.05)
    assert work.called == [(Lane.NORMAL, seconds(1)), (Lane.BULK, seconds(2))]


async def test_an_early_bell_is_heard_when_its_slot_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: asyncio.Queue[float] = asyncio.Queue()

    class Shop:
        clock = ManualClock(NOON)  # for a machine, however busy, the slot stays as far ahead as it is
        metrics = Metrics()
        way = RightOfWay()

        async def compare_clocks(self, watch: ClockWatch) -> None:
            """The database's clock agrees."""

    async def fire(workshop: Workshop, lane: Lane, handlers: Mapping[Any, Any], since: object) -> int:
        heard.put_nowait(asyncio.get_running_loop().time())
        return 0

    monkeypatch.setattr(alarms, "fire", fire)
    bench = Bench(
        cast(Workshop, Shop()), cast(Courier, None), lambda bells: None, posting=cast(Any, object())
    )
    slot = slot_of(NOON + EARLY["deadlines"] / 2)
    began = asyncio.get_running_loop().time()
    assert await bench.hear("deadlines", Lane.NORMAL, slot) == 0
    assert heard.empty()
    waited = await asyncio.wait_for(heard.get(), 120) - began
    assert waited > 0.99 * (slot - NOON).total_seconds() > 0
    await bench.hear("deadlines", Lane.NORMAL, NOON)
    assert not heard.empty(), "what is due is heard at once"


async def test_only_bells_for_alarms_are_early() -> None:
    clock = ManualClock()
    later = clock.now() + timedelta(seconds=2)
    planned = messages([Bell(desk, Lane.NORMAL, later) for desk in actors.DESKS], clock)
    assert {message.actor_name: delay for message, delay in planned} == {
        desk: 1750 if desk == "deadlines" else 2000 for desk in actors.DESKS
    }
    soon = clock.now() + timedelta(milliseconds=100)
    together = [soon, soon - timedelta(milliseconds=20)]
    ((_, delay),) = messages([Bell("deadlines", Lane.NORMAL, each) for each in together], clock)
    assert delay == 100, "of several slots the one that is named is over first"
