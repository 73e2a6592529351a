"""A disk that is full, a database that takes no changes, a full Redis: refused or kept, nothing lost."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from smtplib import SMTP, SMTPDataError
from typing import Any

import pytest
import redis
import structlog
from sqlalchemy import event, func, select, text

from models.intake import IntakeEvent
from models.session import make_engine
from models.tickets import Ticket
from tests.conftest import Backend
from tests.house import House, open_house
from workers.attention import What, look_around
from workers.cli.logs import set_up_logs
from workers.smtpd import SmtpIntake
from workers.storage import Storage, trouble_of

pytestmark = pytest.mark.anyio
LI_NA = "li.na@shop.example"
MAIL = (
    b"From: li.na@shop.example\r\nTo: support@help.example\r\nSubject: help\r\n"
    b"Message-ID: <full@shop.example>\r\n\r\n" + b"it does not work\r\n" * 4000
)


@asynccontextmanager
async def taking_nothing(house: House, backend: Backend, kind: str) -> AsyncIterator[None]:
    """The database of the house takes no changes, as its own kind of database says it."""
    engine = house.workshop.engine
    if backend.broker_url:
        await _on_server(backend, 'ALTER DATABASE "{}" SET default_transaction_read_only = on')
        await engine.dispose()
        yield
        await _on_server(backend, 'ALTER DATABASE "{}" RESET default_transaction_read_only')
        await engine.dispose()
        return
    pragma = "PRAGMA max_page_count = 1" if kind == "disk_full" else "PRAGMA query_only = ON"

    def limit(connection: Any, _: Any) -> None:
        connection.execute(pragma)  # a limit below the present size means: not one page more

    event.listen(engine.sync_engine, "connect", limit)
    await engine.dispose()
    yield
    event.remove(engine.sync_engine, "connect", limit)
    await engine.dispose()


async def _on_server(backend: Backend, statement: str) -> None:
    name = backend.database_url.rpartition("/")[2].partition("?")[0]
    engine = make_engine(backend.database_url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("SET default_transaction_read_only = off"))
        await connection.execute(text(statement.format(name)))
    await engine.dispose()


@contextmanager
def log_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process would write to its log."""
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    set_up_logs("info", people=False)
    yield written


@pytest.mark.parametrize(
    ("backend", "kind"),
    [
        ("sqlite-inprocess", "disk_full"),
        ("sqlite-inprocess", "read_only"),
        ("postgresql-redis", "read_only"),
    ],
    indirect=["backend"],
)
async def test_nothing_is_lost_while_nothing_can_be_stored(
    backend: Backend, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(backend) as house, AsyncExitStack() as stack:
        await house.mail(LI_NA, "打不开。")
        number, rows = (await house.ticket()).number, await events(house)
        intake = SmtpIntake(house.workshop, house.workshop.settings, "127.0.0.1", 0)
        await intake.start()
        stack.push_async_callback(intake.stop)
        with log_lines(monkeypatch) as log:
            async with taking_nothing(house, backend, kind):
                for _ in range(5):
                    answer = await house.post_mail(MAIL, sender=LI_NA)
                    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
                code = await asyncio.to_thread(by_smtp, intake.port)
                assert 400 <= code < 500
                assert (await house.web.get("/healthz")).status_code == 200
                ready = await house.web.get("/readyz")
                assert (ready.status_code, ready.json()["checks"]["storage"]) == (
                    503,
                    f"takes nothing more: {kind}",
                )
                async with house.workshop.read() as uow:  # what is there can be read
                    counts, items = await look_around(uow, None, 5, [What.STORAGE])
                    assert await uow.session.scalar(select(Ticket.number)) == number
                assert (counts[What.STORAGE], items[0].reason) == (1, kind)
                assert await events(house) == rows
            assert log.getvalue().count("nothing_can_be_stored") == 1
            assert log.getvalue().count("OperationalError") + log.getvalue().count("database_trouble") <= 1
            assert "closeloop_cannot_store 1.0" in (await house.web.get("/metrics")).text
            answer = await house.post_mail(MAIL, sender=LI_NA)  # its sender tries again
            assert answer.status_code == 200
        await house.settle()
        assert await events(house) == rows + 1
        assert (await house.ticket()).number > number
        assert (await house.web.get("/readyz")).json()["checks"]["storage"] == "ok"
        assert "closeloop_cannot_store 0.0" in (await house.web.get("/metrics")).text


def by_smtp(port: int) -> int:
    """The answer to a mail that is forwarded by SMTP."""
    with SMTP("127.0.0.1", port, timeout=60) as client:
        try:
            client.sendmail(LI_NA, ["support@help.example"], MAIL)
        except SMTPDataError as refused:
            return refused.smtp_code
    return 250


async def events(house: House) -> int:
    """How many events are stored."""
    async with house.workshop.read() as uow:
        return await uow.session.scalar(select(func.count()).select_from(IntakeEvent)) or 0


@pytest.mark.parametrize("backend", ["postgresql-redis"], indirect=True)
async def test_a_full_redis_does_not_matter_to_what_comes_in(backend: Backend) -> None:
    async with open_house(backend) as house:
        with redis.Redis.from_url(backend.broker_url) as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")
            try:
                answer = await house.post_mail(MAIL, sender=LI_NA)
                assert answer.status_code == 200
                for _ in range(3):
                    await house.scheduler.round()
                assert await events(house) == 1
            finally:
                client.config_set("maxmemory", "0")
        await house.settle()
        assert (await house.ticket()).number
        assert house.mails_to(LI_NA)


def test_what_the_databases_say_is_told_from_other_errors() -> None:
    class Full(Exception):
        sqlstate = "53100"  # disk_full of PostgreSQL, which no test brings about

    class Wrapped(Exception):
        orig = Full("could not extend file")

    told: list[float] = []

    class Level:
        def set(self, value: float) -> None:
            told.append(value)

    outer = RuntimeError("x")
    outer.__cause__ = Wrapped()
    assert trouble_of(outer) == "disk_full"
    assert trouble_of(ValueError("database or disk is full")) is None
    storage = Storage(Level())
    for error in (ValueError("no"), outer, outer):
        storage.failed(error)
    assert (storage.trouble, told) == ("disk_full", [1])
    storage.stored()
    storage.stored()
    assert (storage.trouble, storage.since, told) == (None, None, [1, 0])
    assert structlog.is_configured()
