"""What may happen once happens once: the same event, the next number, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, select, text

from models.intake import IntakeEvent
from models.session import make_gate
from tests.conftest import Backend
from tests.workbench import beside, event_due, settings_on, workshop_on
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio
ENOUGH = 60.0


@pytest.fixture
async def workshop(backend: Backend) -> AsyncIterator[Workshop]:
    async with workshop_on(backend.database_url) as workshop:
        yield workshop


async def test_the_same_event_stored_ten_times_is_one_row(workshop: Workshop) -> None:
    async def store() -> bool:
        async with workshop.begin() as uow:
            event = event_due(uow, uow.clock.now(), name="same")
            uow.session.expunge(event)
            return await uow.insert_new(event)

    assert sorted(await asyncio.gather(*(store() for _ in range(10)))) == [False] * 9 + [True]
    async with workshop.read() as uow:
        assert await uow.session.scalar(select(func.count()).select_from(IntakeEvent)) == 1


async def test_a_row_that_was_new_belongs_to_the_session_and_can_be_changed(workshop: Workshop) -> None:
    async with workshop.begin() as uow:
        event = event_due(uow, uow.clock.now(), name="new")
        uow.session.expunge(event)
        assert await uow.insert_new(event)
        assert event.tries == 0
        event.reason = "changed afterwards"
    async with workshop.read() as uow:
        assert (await uow.session.scalars(select(IntakeEvent.reason))).one() == "changed afterwards"


@pytest.mark.parametrize("processes", [1, 2])
async def test_numbers_are_drawn_once_each_by_many_at_once(backend: Backend, processes: int) -> None:
    # Two event loops of one process share a gate; two processes have but the database between them.
    gate = make_gate(backend.database_url) if processes == 1 else None
    settings = settings_on(backend.database_url)

    async def draw(count: int) -> list[str]:
        async with workshop_on(backend.database_url, settings=settings, gate=gate) as workshop:

            async def one() -> str:
                async with workshop.begin() as uow:
                    return await uow.draw_number("CS20240520", 4)

            return list(await asyncio.gather(*(one() for _ in range(count))))

    here, there = await asyncio.gather(draw(40), beside(lambda: draw(40)))
    drawn = [*here, *there]
    assert len(set(drawn)) == 80
    assert sorted(drawn) == [f"CS20240520{n:04d}" for n in range(1, 81)]


async def test_a_series_outgrows_its_digits_instead_of_starting_again(workshop: Workshop) -> None:
    async with workshop.begin() as uow:
        await uow.session.execute(text("INSERT INTO number_series (name, last) VALUES ('CSAT20240520', 998)"))
    async with workshop.begin() as uow:
        assert await uow.draw_number("CSAT20240520", 3) == "CSAT20240520999"
        assert await uow.draw_number("CSAT20240520", 3) == "CSAT202405201000"
        assert await uow.draw_number("customer", 3, "C202405") == "C202405001"


@pytest.mark.parametrize("backend", ["postgresql-redis"], indirect=True)
async def test_nobody_waits_for_the_transaction_that_drew_the_last_number(workshop: Workshop) -> None:
    async with workshop.begin() as slow:
        assert await slow.draw_number("CS20240520", 4) == "CS202405200001"
        async with asyncio.timeout(ENOUGH), workshop.begin() as quick:
            assert await quick.draw_number("CS20240520", 4) == "CS202405200002"


async def test_a_full_house_of_transactions_that_all_draw_numbers_does_not_stand_still(
    workshop: Workshop,
) -> None:
    async def one() -> str:
        async with workshop.begin() as uow:
            await uow.session.execute(text("SELECT 1"))
            return await uow.draw_number("CS20240520", 4)

    async with asyncio.timeout(ENOUGH):
        assert len(set(await asyncio.gather(*(one() for _ in range(60))))) == 60
