"""The tests' own tools do what other tests build on."""

from __future__ import annotations

import asyncio
import re
import socket
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import redis
from sqlalchemy import func, select, text

from models.people import Customer
from models.session import make_engine
from tests.conftest import Backend, do_without
from tests.fakes import MONDAY_MORNING, ManualClock
from tests.loopback import LoopbackGuard, StrayConnection
from tests.servers import PostgresServer, RedisServer, ServerMissing, apart

pytestmark = pytest.mark.anyio

ELSEWHERE = "192.0.2.1"  # RFC 5737: belongs to nobody


def test_a_connection_to_another_machine_is_refused_and_told(
    nothing_leaves_this_machine: LoopbackGuard,
) -> None:
    with socket.socket() as stray, pytest.raises(StrayConnection, match=re.escape(ELSEWHERE)):
        stray.connect((ELSEWHERE, 25))
    with pytest.raises(StrayConnection, match=r"mail\.example\.test"):
        socket.getaddrinfo("mail.example.test", 25)
    assert nothing_leaves_this_machine.strays == [
        f"socket.connect to {ELSEWHERE}",
        "socket.getaddrinfo to mail.example.test",
    ]
    nothing_leaves_this_machine.strays.clear()


async def test_an_asynchronous_connection_to_another_machine_is_refused_too(
    nothing_leaves_this_machine: LoopbackGuard,
) -> None:
    with pytest.raises(StrayConnection):
        await asyncio.open_connection(ELSEWHERE, 25)
    assert nothing_leaves_this_machine.strays.pop() == f"socket.connect to {ELSEWHERE}"


def test_this_machine_may_be_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


def test_a_manual_clock_stands_still_until_it_is_moved() -> None:
    clock = ManualClock()
    assert clock.now() == clock.machine() == MONDAY_MORNING
    clock.advance(timedelta(hours=2))
    assert clock.machine() == MONDAY_MORNING + timedelta(hours=2)
    assert clock.real_delay(MONDAY_MORNING) == 0
    assert clock.real_delay(clock.now() + timedelta(minutes=1)) == 60
    clock.set(datetime(2026, 5, 1, tzinfo=UTC))
    assert clock.now() == datetime(2026, 5, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="time zone"):
        clock.set(datetime(2026, 5, 1))  # noqa: DTZ001 - a moment without a zone is what is refused here


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_each_test_gets_a_migrated_database_of_its_own(backend: Backend, turn: str) -> None:
    dialect = "postgresql+asyncpg://" if backend.broker_url else "sqlite+aiosqlite:////"
    assert backend.database_url.startswith(dialect)
    engine = make_engine(backend.database_url)
    async with engine.begin() as connection:
        assert (await connection.execute(select(func.count()).select_from(Customer))).scalar_one() == 0
        await connection.execute(text("CREATE TABLE only_once (turn VARCHAR)"))
    await engine.dispose()


def test_a_copy_of_a_database_keeps_nothing_from_another(postgres_server: PostgresServer) -> None:
    async def tables(database: str, statement: str) -> int:
        connection = await asyncpg.connect(postgres_server.url(database).replace("+asyncpg", ""))
        try:
            await connection.execute(statement)
            count: int = await connection.fetchval(
                "SELECT count(*) FROM information_schema.tables WHERE table_name = 'trace'"
            )
            return count
        finally:
            await connection.close()

    postgres_server.create("first")
    assert apart(lambda: tables("first", "CREATE TABLE trace (id int)")) == 1
    postgres_server.create("second", template="first")
    assert apart(lambda: tables("second", "DROP TABLE trace")) == 0
    assert apart(lambda: tables("first", "SELECT 1")) == 1
    postgres_server.drop("first")
    postgres_server.drop("second")


def test_a_missing_server_is_excused_on_a_laptop_and_never_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no server here"):
        do_without(ServerMissing("no server here"))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no server here"):
        do_without(ServerMissing("no server here"))


def test_a_broker_is_emptied_between_tests(redis_for_all: RedisServer) -> None:
    with redis.Redis.from_url(redis_for_all.url(3)) as client:
        client.set("left", "over")
        redis_for_all.flush()
        assert client.get("left") is None
