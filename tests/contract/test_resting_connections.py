"""A connection that broke while it rested in the pool is replaced before anybody is given it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from models import session
from models.session import make_engine
from tests.conftest import POSTGRESQL_REDIS, Backend

# A file does not hang up: only a server does.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("backend", [POSTGRESQL_REDIS], indirect=True)]
OWN_ID = text("SELECT pg_backend_pid()")


@pytest.fixture
async def engine(backend: Backend) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(backend.database_url)
    yield engine
    await engine.dispose()


async def _own_id(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(OWN_ID)).scalar_one())


async def test_a_server_that_hung_up_is_noticed_before_the_next_transaction(engine: AsyncEngine) -> None:
    async with engine.connect() as one, engine.connect() as other:
        ids = [int((await each.execute(OWN_ID)).scalar_one()) for each in (one, other)]
    async with engine.connect() as killer:
        own = int((await killer.execute(OWN_ID)).scalar_one())
        victim = next(ident for ident in ids if ident != own)
        ended = await killer.execute(text("SELECT pg_terminate_backend(:id, 60000)"), {"id": victim})
        assert ended.scalar_one(), "the server has ended it"
    await asyncio.sleep(0.1)  # the socket's end comes with a turn of the loop
    async with engine.connect() as one, engine.connect() as other:
        assert victim not in [int((await each.execute(OWN_ID)).scalar_one()) for each in (one, other)]


async def test_who_rested_long_is_asked_and_replaced_if_silent(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session.DOUBTFUL_AFTER > 0
    monkeypatch.setattr(session, "DOUBTFUL_AFTER", 3600.0)  # a busy machine may rest for longer than usual
    first = await _own_id(engine)
    monkeypatch.setattr(session, "_answers", lambda connection: False)
    assert await _own_id(engine) == first, "one that rested for a moment need not answer"
    monkeypatch.setattr(session, "DOUBTFUL_AFTER", -1.0)
    assert await _own_id(engine) != first


async def test_a_living_connection_that_is_asked_is_kept(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "DOUBTFUL_AFTER", -1.0)
    opened: list[object] = []
    event.listen(engine.sync_engine, "connect", lambda connection, record: opened.append(connection))
    assert await _own_id(engine) == await _own_id(engine)
    assert len(opened) == 1
