"""Who asks the same at the same time waits for whoever is at it, in any event loop of the process."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.fetching import until
from workers.flights import Flights

pytestmark = pytest.mark.anyio


class Work:
    """Something that takes until it is let go; counts how often it was begun."""

    def __init__(self, flights: Flights) -> None:
        self.flights = flights
        self.begun = 0
        self.go_on = threading.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        await until(self.go_on.is_set)
        if self.error is not None:
            raise self.error
        return self.begun

    async def asked(self, key: str = "this") -> int:
        """Somebody asks for it."""
        return await self.flights.one(key, self)


async def asking(work: Work, number: int, key: str = "this") -> list[asyncio.Task[int]]:
    """So many tasks that ask, each of which has come to where it waits."""
    tasks = [asyncio.create_task(work.asked(key)) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


async def test_one_works_it_out_for_all_and_the_next_time_it_is_worked_out_anew() -> None:
    work = Work(Flights())
    tasks = await asking(work, 5)
    work.go_on.set()
    assert await asyncio.gather(*tasks) == [1] * 5
    assert await work.asked() == 2


async def test_other_questions_do_not_wait() -> None:
    work = Work(Flights())
    (first,) = await asking(work, 1)
    (other,) = await asking(work, 1, "that")
    assert work.begun == 2
    work.go_on.set()
    await asyncio.gather(first, other)


async def test_a_second_event_loop_of_the_process_waits_as_well() -> None:
    work = Work(Flights())
    (first,) = await asking(work, 1)
    there: list[int] = []
    began = threading.Event()

    async def asked() -> None:
        task = asyncio.create_task(work.asked())
        await asyncio.sleep(0)
        began.set()
        there.append(await task)

    thread = threading.Thread(target=lambda: asyncio.run(asked()))
    thread.start()
    await until(began.is_set)
    work.go_on.set()
    assert await first == 1
    await asyncio.to_thread(thread.join)
    assert there == [1]


async def test_a_failure_is_one_for_all_who_waited_and_leaves_no_trace() -> None:
    work = Work(Flights())
    work.error = LookupError("gone")
    tasks = await asking(work, 3)
    work.go_on.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in found] == [LookupError] * 3
    assert work.begun == 1
    work.error = None
    assert await work.asked() == 2


async def test_who_gives_up_at_work_leaves_it_to_one_of_the_others() -> None:
    work = Work(Flights())
    first, second, third = await asking(work, 3)
    first.cancel()
    await until(lambda: work.begun == 2)
    work.go_on.set()
    assert list(await asyncio.gather(second, third)) == [2, 2]
    assert first.cancelled()


async def test_who_gives_up_waiting_takes_nothing_from_the_others() -> None:
    work = Work(Flights())
    first, second, third = await asking(work, 3)
    second.cancel()
    work.go_on.set()
    assert list(await asyncio.gather(first, third)) == [1, 1]
    assert second.cancelled()
