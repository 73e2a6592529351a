"""Writers into SQLite go one by one in the order they came, whichever event loop they live on."""

from __future__ import annotations

import asyncio
import threading

import pytest

from models.gate import WriteGate
from models.session import async_url, make_gate
from tests.workbench import beside

pytestmark = pytest.mark.anyio


async def soon() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_first_come_first_served() -> None:
    gate, order = WriteGate(), []

    async def writer(name: int) -> None:
        async with gate:
            order.append(name)
            await asyncio.sleep(0)

    async with gate:
        waiting = [asyncio.create_task(writer(name)) for name in range(5)]
        await soon()
        assert order == []
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2, 3, 4]


async def test_a_waiter_on_another_loop_is_served_before_those_who_came_after() -> None:
    gate, order, waits = WriteGate(), [], threading.Event()

    async def far() -> None:
        asyncio.get_running_loop().call_later(0.05, waits.set)
        async with gate:
            order.append("far")

    async def near() -> None:
        async with gate:
            order.append("near")

    async with gate:
        other = asyncio.create_task(beside(far))
        await asyncio.to_thread(waits.wait, 120)
        here = asyncio.create_task(near())
        await soon()
    await asyncio.gather(other, here)
    assert order == ["far", "near"]


async def test_only_one_is_inside_at_a_time_over_two_loops() -> None:
    gate, inside, most = WriteGate(), [0], [0]

    async def visit() -> None:
        async with gate:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            await asyncio.sleep(0.0005)
            inside[0] -= 1

    async def crowd() -> None:
        await asyncio.gather(*(visit() for _ in range(50)))

    await asyncio.gather(crowd(), beside(crowd))
    assert most == [1]


async def test_a_waiter_that_gave_up_does_not_keep_the_gate_shut() -> None:
    gate = WriteGate()
    async with gate:
        impatient = asyncio.create_task(gate.acquire())
        patient = asyncio.create_task(gate.acquire())
        await soon()
        impatient.cancel()
        await soon()
    await asyncio.wait_for(patient, 120)
    gate.release()


async def test_a_waiter_cancelled_at_the_moment_of_its_turn_passes_it_on() -> None:
    gate = WriteGate()
    await gate.acquire()
    unlucky = asyncio.create_task(gate.acquire())
    patient = asyncio.create_task(gate.acquire())
    await soon()
    gate.release()
    unlucky.cancel()
    await asyncio.wait_for(patient, 120)
    with pytest.raises(asyncio.CancelledError):
        await unlucky
    gate.release()
    async with asyncio.timeout(120), gate:
        pass


async def test_a_loop_that_died_while_waiting_is_passed_over() -> None:
    gate = WriteGate()
    await gate.acquire()

    def die_waiting() -> None:
        loop = asyncio.new_event_loop()
        waiter = loop.create_task(gate.acquire())
        loop.run_until_complete(asyncio.sleep(0))
        # Somebody pulled the plug: the task is neither finished nor cancelled.
        waiter._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()

    await asyncio.to_thread(die_waiting)
    patient = asyncio.create_task(gate.acquire())
    await soon()
    gate.release()
    await asyncio.wait_for(patient, 120)


async def test_a_write_inside_a_write_is_an_error_and_not_a_standstill() -> None:
    gate = WriteGate()
    async with gate:
        with pytest.raises(RuntimeError, match="inside another"):
            await gate.acquire()
    async with gate:
        pass


def test_sqlite_has_a_gate_and_postgresql_needs_none() -> None:
    assert make_gate("sqlite+aiosqlite:////tmp/x.db") is not None
    assert make_gate("postgresql://db/closeloop") is None


def test_other_databases_are_refused() -> None:
    with pytest.raises(ValueError, match="mysql"):
        async_url("mysql://u@h/d")
