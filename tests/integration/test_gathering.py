"""Events that arrive together are stored together, once each, and answered after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import func, select

from models.intake import IntakeBody, IntakeEvent
from models.keys import DataKey
from tests.conftest import Backend
from tests.factories import make_workshop
from tests.fakes import ManualClock
from workers.errors import Unavailable
from workers.intake import gathering
from workers.intake.gathering import Gathering
from workers.intake.store import Event, load, store
from workers.unit_of_work import UnitOfWork, Workshop

pytestmark = pytest.mark.anyio


def _event(number: int) -> Event:
    return Event("raw", f"id{number}", "mail", b"mail %d" % number, {"to": "a@b.example"})


async def _stored(workshop: Workshop) -> dict[str, bytes]:
    async with workshop.read() as uow:
        rows = (await uow.session.scalars(select(IntakeEvent))).all()
        return {row.external_id: (await load(uow, row)).raw for row in rows}


async def test_what_comes_at_once_is_stored_once_and_under_keys_of_its_own(backend: Backend) -> None:
    async with make_workshop(backend, ManualClock()) as workshop:
        door = Gathering(workshop)
        events = [_event(number % 90) for number in range(200)]
        answers = await asyncio.gather(*(door.store(event) for event in events))
        assert sum(answers) == 90
        assert await _stored(workshop) == {event.external_id: event.raw for event in events}
        async with workshop.read() as uow:
            keys = await uow.session.scalar(select(func.count(IntakeEvent.data_key_id.distinct())))
            left = select(func.count()).where(DataKey.purpose.is_(None))
            assert keys == await uow.session.scalar(left) == 90
        assert not any(await asyncio.gather(*(door.store(_event(number)) for number in range(90))))


async def test_an_answer_means_that_it_is_committed(backend: Backend) -> None:
    async with make_workshop(backend, ManualClock()) as workshop:
        door = Gathering(workshop)

        async def store_and_look(number: int) -> None:
            assert await door.store(_event(number))
            async with workshop.read() as uow:
                query = select(IntakeBody).join(IntakeEvent, IntakeEvent.id == IntakeBody.event_id)
                assert await uow.session.scalar(query.where(IntakeEvent.external_id == f"id{number}"))

        await asyncio.gather(*(store_and_look(number) for number in range(150)))


async def test_a_batch_that_fails_is_stored_one_by_one_and_each_hears_its_own_fate(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store

    async def together(uow: UnitOfWork, events: Sequence[Event]) -> list[bool]:
        await real(uow, events[0])
        raise Unavailable("no batches today")

    async def alone(uow: UnitOfWork, event: Event) -> bool:
        if event.external_id == "id13":
            raise Unavailable("not this one")
        return await real(uow, event)

    monkeypatch.setattr(gathering, "store_together", together)
    monkeypatch.setattr(gathering, "store", alone)
    async with make_workshop(backend, ManualClock()) as workshop:
        door = Gathering(workshop)
        answers = await asyncio.gather(
            *(door.store(_event(number)) for number in range(30)), return_exceptions=True
        )
        assert [place for place, each in enumerate(answers) if each is not True] == [13]
        assert isinstance(answers[13], Unavailable)
        assert set(await _stored(workshop)) == {f"id{number}" for number in range(30)} - {"id13"}


async def test_who_has_gone_away_spoils_nothing(backend: Backend) -> None:
    async with make_workshop(backend, ManualClock()) as workshop:
        door = Gathering(workshop)
        asking = [asyncio.create_task(door.store(_event(number))) for number in range(20)]
        await asyncio.sleep(0)
        for task in asking[::2]:
            task.cancel()
        assert all(await asyncio.gather(*asking[1::2]))
        assert {f"id{number}" for number in range(1, 20, 2)} <= set(await _stored(workshop))
        assert await door.store(_event(99))
