"""Many rows by one statement: the same on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from models import bulk
from models.base import Base, new_id
from models.bulk import among, insert_many, update_many
from models.people import Customer
from models.vocabulary import Lane
from tests.conftest import Backend
from tests.workbench import event_due, workshop_on
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio
EVENTS = Base.metadata.tables["intake_events"]
KEYS = Base.metadata.tables["data_keys"]


@pytest.fixture(params=[0, 1000], ids=["together", "each"], autouse=True)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways are taken for the same rows, however many they are."""
    monkeypatch.setattr(bulk, "_FEW", request.param)


@pytest.fixture
async def workshop(backend: Backend) -> AsyncIterator[Workshop]:
    async with workshop_on(backend.database_url) as workshop:
        yield workshop


def _keys(count: int) -> list[dict[str, Any]]:
    return [{"id": new_id(), "ring_key": f"r{place}", "wrapped": bytes([place])} for place in range(count)]


async def _stored(workshop: Workshop) -> dict[Any, tuple[str, bytes | None]]:
    async with workshop.read() as uow:
        found = await uow.session.execute(select(KEYS.c.id, KEYS.c.ring_key, KEYS.c.wrapped))
        return {ident: (ring_key, wrapped) for ident, ring_key, wrapped in found}


async def test_rows_are_inserted_and_changed_together_each_by_its_own_values(workshop: Workshop) -> None:
    rows = _keys(5)
    async with workshop.begin() as uow:
        connection = await uow.session.connection()
        await insert_many(connection, KEYS, rows)
        by = [{"id": row["id"], "ring_key": row["ring_key"]} for row in rows[:4]]
        by[3]["ring_key"] = "another"
        new: list[dict[str, Any]] = [
            {"ring_key": "new", "wrapped": place or None} for place in (b"a", b"", b"c", b"d")
        ]
        await update_many(connection, KEYS, by, new)
    stored = await _stored(workshop)
    assert [stored[row["id"]] for row in rows] == [
        ("new", b"a"),
        ("new", None),
        ("new", b"c"),
        ("r3", bytes([3])),
        ("r4", bytes([4])),
    ]


async def test_of_nothing_nothing_is_written(workshop: Workshop) -> None:
    before = await _stored(workshop)
    async with workshop.begin() as uow:
        connection = await uow.session.connection()
        await insert_many(connection, KEYS, [])
        await update_many(connection, KEYS, [], [])
    assert await _stored(workshop) == before


async def test_words_and_moments_keep_their_types(workshop: Workshop) -> None:
    due = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
    async with workshop.begin() as uow:
        event = event_due(uow, due)
        uow.session.add(event)
        await uow.session.flush()
        connection = await uow.session.connection()
        later = due.replace(hour=13)
        await update_many(connection, EVENTS, [{"id": event.id}], [{"lane": Lane.BULK, "due_at": later}])
        await uow.session.refresh(event)
        assert (event.lane, event.due_at) == (Lane.BULK, later)


async def test_rows_are_found_by_many_ids_or_by_none(workshop: Workshop) -> None:
    now = datetime.now(UTC)
    async with workshop.begin() as uow:
        made = [
            Customer(
                code=f"C{place}", created_at=now, masked="M", locale="en", data_key_id=uow.vault.system_key_id
            )
            for place in range(3)
        ]
        uow.session.add_all(made)
        await uow.session.flush()
        for wanted in (made[:2], made[2:], []):
            ids = [each.id for each in wanted]
            found = await uow.session.scalars(select(Customer).where(among(uow.session, Customer.id, ids)))
            assert set(found) == set(wanted)
