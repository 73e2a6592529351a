"""A promised row is one worker's at a time, the longest due first, on every database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from models.deadlines import Deadline
from models.gate import WriteGate
from models.intake import IntakeEvent
from models.session import make_gate
from models.vocabulary import Lane
from tests.conftest import Backend
from tests.fakes import ManualClock
from tests.workbench import beside, event_due, settings_on, workshop_on
from workers.actors import DESKS
from workers.bells import EPOCH
from workers.clock import SystemClock
from workers.promises import claim, fence, first_due, pause, release, settle, slot_of, slots_between
from workers.settings import Settings
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio
LEASE = timedelta(seconds=30)
ENOUGH = 60.0


@pytest.fixture
async def workshop(backend: Backend) -> AsyncIterator[Workshop]:
    async with workshop_on(backend.database_url) as workshop:
        yield workshop


async def _store_events(backend: Backend, settings: Settings, gate: WriteGate | None, *, count: int) -> None:
    clock = SystemClock()
    async with (
        workshop_on(backend.database_url, settings=settings, gate=gate, clock=clock) as workshop,
        workshop.begin() as uow,
    ):
        for number in range(count):
            event_due(uow, clock.now(), name=str(number))


async def test_the_longest_due_is_claimed_first_and_nothing_before_its_time(workshop: Workshop) -> None:
    now = workshop.clock.now()
    async with workshop.begin() as uow:
        for minutes in (-1, -30, 1, -10, None):
            event_due(uow, None if minutes is None else now + timedelta(minutes=minutes), name=str(minutes))
        event_due(uow, now - timedelta(days=1), lane=Lane.URGENT, name="urgent")
    async with workshop.begin() as uow:
        rows = await claim(uow, IntakeEvent, Lane.NORMAL, limit=2, lease=LEASE, values={"reason": "mine"})
        assert [row.external_id for row in rows] == ["-30", "-10"]
        assert {row.reason for row in rows} == {"mine"}
        assert {row.tries for row in rows} == {1}
        assert {row.free_at for row in rows} == {now + LEASE}
    async with workshop.begin() as uow:
        rows = await claim(uow, IntakeEvent, Lane.NORMAL, limit=9, lease=LEASE)
        assert [row.external_id for row in rows] == ["-1"]


async def test_claimers_on_two_loops_never_get_the_same_row(backend: Backend) -> None:
    gate = make_gate(backend.database_url)
    settings = settings_on(backend.database_url)
    clock = SystemClock()
    await _store_events(backend, settings, gate, count=300)
    both = threading.Barrier(2, timeout=120)

    async def drain() -> list[str]:
        async with workshop_on(backend.database_url, settings=settings, gate=gate, clock=clock) as workshop:

            async def one() -> list[str]:
                mine: list[str] = []
                while True:
                    async with workshop.begin() as uow:
                        rows = await claim(uow, IntakeEvent, Lane.NORMAL, limit=7, lease=timedelta(hours=1))
                        assert len(rows) <= 7
                        mine += [row.external_id for row in rows]
                    if not rows:
                        return mine

            async with workshop.read() as uow:  # whoever is up first waits, or would take all
                await uow.session.execute(text("SELECT 1"))
            await asyncio.to_thread(both.wait)
            return [name for names in await asyncio.gather(*(one() for _ in range(4))) for name in names]

    here, there = await asyncio.gather(drain(), beside(drain))
    assert sorted([*here, *there], key=int) == [str(number) for number in range(300)]


# SQLite has one writer at a time: there the others wait at the gate.
@pytest.mark.parametrize("backend", ["postgresql-redis"], indirect=True)
async def test_a_claimer_that_stopped_in_its_transaction_holds_up_nobody(backend: Backend) -> None:
    async with workshop_on(backend.database_url) as workshop:
        async with workshop.begin() as uow:
            for number in range(6):
                event_due(uow, uow.clock.now(), name=str(number))
        async with workshop.begin() as slow:
            first = await claim(slow, IntakeEvent, Lane.NORMAL, limit=3, lease=LEASE)
            async with asyncio.timeout(ENOUGH), workshop.begin() as quick:
                second = await claim(quick, IntakeEvent, Lane.NORMAL, limit=9, lease=LEASE)
    assert len(first) == 3
    assert {row.id for row in first}.isdisjoint(row.id for row in second)
    assert len(second) == 3


async def test_a_dead_workers_rows_are_free_again_when_the_lease_has_run_out(backend: Backend) -> None:
    clock = ManualClock()
    async with workshop_on(backend.database_url, clock=clock) as workshop:
        async with workshop.begin() as uow:
            event_due(uow, clock.now())
        async with workshop.begin() as uow:
            (dead,) = await claim(uow, IntakeEvent, Lane.NORMAL, limit=1, lease=LEASE)
        clock.advance(LEASE - timedelta(seconds=1))
        async with workshop.begin() as uow:
            assert await claim(uow, IntakeEvent, Lane.NORMAL, limit=1, lease=LEASE) == []
            assert await first_due(uow.session, [IntakeEvent], clock, EPOCH) == {}
        clock.advance(timedelta(seconds=1))
        async with workshop.begin() as uow:
            assert set(await first_due(uow.session, [IntakeEvent], clock, EPOCH)) == {
                (IntakeEvent, Lane.NORMAL)
            }
            (heir,) = await claim(uow, IntakeEvent, Lane.NORMAL, limit=1, lease=LEASE)
            assert heir.tries == 2
        async with workshop.begin() as uow:
            late = update(IntakeEvent).where(*fence(IntakeEvent, dead)).values(reason="late")
            timely = update(IntakeEvent).where(*fence(IntakeEvent, heir)).values(reason="timely")
            assert (await uow.session.execute(late.returning(IntakeEvent.id))).all() == []
            assert len((await uow.session.execute(timely.returning(IntakeEvent.id))).all()) == 1


async def test_looking_for_what_is_due_reads_no_settled_rows(backend: Backend, workshop: Workshop) -> None:
    if not backend.database_url.startswith("postgresql"):
        return  # SQLite has no plans for unknown values
    async with workshop.begin() as uow:
        for number in range(1_500):
            event_due(uow, None, name=str(number))
    async with workshop.begin() as uow:
        await uow.session.execute(text("ANALYZE intake_events"))
    tables = list(DESKS.values())
    async with workshop.begin() as uow:
        # What PostgreSQL comes to by itself at the sixth time.
        await uow.session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        now = workshop.clock.now()
        assert await first_due(uow.session, tables, workshop.clock, EPOCH) == {}
        assert await slots_between(uow.session, tables, now, now + timedelta(seconds=30)) == {}
        scans = text("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'intake_events'")
        assert (await uow.session.execute(scans)).scalar_one() == 0


async def test_leases_run_on_machine_time_even_when_promise_time_is_sped_up(backend: Backend) -> None:
    class Hasty(ManualClock):
        """Promise time runs away, the machine's stands still."""

        def machine(self) -> Any:
            return ManualClock().now()

    clock = Hasty()
    async with workshop_on(backend.database_url, clock=clock) as workshop:
        async with workshop.begin() as uow:
            event_due(uow, clock.now())
        async with workshop.begin() as uow:
            await claim(uow, IntakeEvent, Lane.NORMAL, limit=1, lease=LEASE)
        clock.advance(timedelta(days=2))
        async with workshop.begin() as uow:
            assert await claim(uow, IntakeEvent, Lane.NORMAL, limit=1, lease=LEASE) == []


async def test_settled_paused_and_given_back_rows_are_what_they_say(backend: Backend) -> None:
    clock = ManualClock()
    async with workshop_on(backend.database_url, clock=clock) as workshop:
        async with workshop.begin() as uow:
            for name in ("settled", "paused", "given back"):
                event_due(uow, clock.now(), name=name)
        async with workshop.begin() as uow:
            for row in await claim(uow, IntakeEvent, Lane.NORMAL, limit=3, lease=LEASE):
                match row.external_id:
                    case "settled":
                        settle(row)
                    case "paused":
                        pause(row, 60, clock)
                    case _:
                        release(row)
        async with workshop.begin() as uow:
            (row,) = await claim(uow, IntakeEvent, Lane.NORMAL, limit=3, lease=LEASE)
            assert (row.external_id, row.tries) == ("given back", 1)
        clock.advance(timedelta(seconds=60))
        async with workshop.begin() as uow:
            rows = await claim(uow, IntakeEvent, Lane.NORMAL, limit=3, lease=LEASE)
            assert {(row.external_id, row.tries) for row in rows} == {("paused", 2), ("given back", 2)}


async def test_what_gets_due_is_found_by_slot(workshop: Workshop) -> None:
    now = workshop.clock.now()
    moments = [now + timedelta(milliseconds=ms) for ms in (0, 1, 30, 51, 900, 5000)]
    async with workshop.begin() as uow:
        for moment in moments:
            event_due(uow, moment)
        event_due(uow, moments[3], lane=Lane.BULK)
    async with workshop.read() as uow:
        until = now + timedelta(seconds=1)
        found = await slots_between(uow.session, [Deadline, IntakeEvent], now, until)
        assert found == {
            (IntakeEvent, Lane.NORMAL): [now + timedelta(milliseconds=ms) for ms in (50, 100, 900)],
            (IntakeEvent, Lane.BULK): [now + timedelta(milliseconds=100)],
        }
    assert slot_of(now) == now
