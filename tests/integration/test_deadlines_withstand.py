"""Alarms after an outage, together and alone, and while broker and database come and go."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import select
from structlog.testing import capture_logs

from models.deadlines import Deadline
from models.notifications import Notification
from models.session import migrate
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, DeadlineState, Lane, NotificationState, Priority
from tests.conftest import POSTGRESQL_REDIS, Backend, do_without
from tests.factories import Desk, make_desk, make_ticket
from tests.house import SUPPORT, House, open_house
from tests.servers import (
    RedisServer,
    RestartingPostgres,
    ServerMissing,
    free_port,
    postgres_that_restarts,
    redis_program,
)
from workers import alarms
from workers.actors import HANDLERS
from workers.alarms import firing
from workers.intake import desk
from workers.promises import hold
from workers.search import working_off
from workers.unit_of_work import UnitOfWork

pytestmark = pytest.mark.anyio
SERVERS_ONLY = pytest.mark.parametrize("backend", [POSTGRESQL_REDIS], indirect=True)
LI = "lilei@163.example"
COUNT = 8


async def _fire_all(desk: Desk) -> None:
    for lane in Lane:
        while await alarms.fire(desk.workshop, lane, HANDLERS):
            pass


async def test_a_backlog_is_worked_off_urgent_first_then_by_due_time_without_stale_warnings(
    backend: Backend,
) -> None:
    async with make_desk(backend) as desk:
        made: list[Ticket] = []
        for number, priority in enumerate([Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.URGENT]):
            for twin in "ab":
                made.append(
                    await make_ticket(
                        desk.workshop, email=f"{twin}{number}@shop.example", priority=priority, subject=twin
                    )
                )
                desk.clock.advance(timedelta(seconds=7))
        desk.clock.advance(timedelta(days=4))  # nothing ran
        heard: dict[Lane, list[datetime]] = {}
        for lane in (Lane.URGENT, Lane.NORMAL):
            async with desk.workshop.begin() as uow:
                taken = await hold(uow, Deadline, Ticket, Deadline.ticket_id, lane, limit=50)
                due = [(await uow.session.get_one(Deadline, ident)).due_at for ident in taken]
            heard[lane] = [moment for moment in due if moment is not None]
            assert heard[lane] == sorted(heard[lane])
        assert heard[Lane.URGENT], "the urgent have a lane, and in a worker threads, of their own"
        await _fire_all(desk)
        async with desk.workshop.read() as uow:
            entries = list(await uow.session.scalars(select(TicketEntry)))
            clocks = await uow.session.scalars(
                select(Deadline).where(Deadline.kind == DeadlineKind.FIRST_RESPONSE)
            )
            assert {(row.state, row.breached_at == row.limit_at) for row in clocks} == {
                (DeadlineState.BREACHED, True)
            }
        dropped = [entry for entry in entries if entry.kind == "warning_dropped"]
        assert {entry.ticket_id for entry in dropped} == {ticket.id for ticket in made}
        assert {entry.facts["reason"] for entry in dropped} == {"limit_passed"}
        assert not [entry for entry in entries if entry.kind == "warned"]


async def test_alarms_heard_together_do_what_each_does_alone(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_desk(backend) as desk:
        together = [await make_ticket(desk.workshop, email=f"t{n}@shop.example") for n in range(2)]
        desk.clock.advance(timedelta(seconds=1))
        alone = [await make_ticket(desk.workshop, email=f"a{n}@shop.example") for n in range(2)]
        first = {ticket.id for ticket in together}
        end = desk.clock.now() + timedelta(days=2)
        while (due := await _next_due(desk)) and due[0] <= end:
            moment, ticket_id = due
            monkeypatch.setattr(firing, "BATCH", 100 if ticket_id in first else 1)
            desk.clock.set(max(moment, desk.clock.now()))
            await _fire_all(desk)
        stories = [await _story(desk, ticket) for ticket in (*together, *alone)]
        assert stories[0] == stories[1] == stories[2] == stories[3]
        kinds = {kind for kind, *_ in stories[0]["notices"]}
        assert {"first_response_warning", "acceptance_reminder", "breach"} <= kinds
        assert "escalated" in stories[0]["log"]


async def test_what_a_batch_has_read_is_gone_with_it(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept alive by a cycle, it would wait for the garbage collector, and then everybody would."""
    seen: list[weakref.ref[UnitOfWork]] = []
    end = UnitOfWork.end

    async def noted(uow: UnitOfWork) -> None:
        seen.append(weakref.ref(uow))
        await end(uow)

    async with make_desk(backend) as desk:
        for number in range(8):  # more breaches of one handler than a storm needs
            await make_ticket(desk.workshop, email=f"t{number}@shop.example", priority=Priority.URGENT)
        monkeypatch.setattr(UnitOfWork, "end", noted)
        gc.collect()
        gc.disable()
        try:
            desk.clock.advance(timedelta(days=2))
            await _fire_all(desk)
            await asyncio.sleep(0)
            assert seen
            assert [uow for uow in seen if uow() is not None] == []
        finally:
            gc.enable()


async def _next_due(desk: Desk) -> tuple[datetime, Any] | None:
    async with desk.workshop.read() as uow:
        query = select(Deadline.due_at, Deadline.ticket_id).where(Deadline.due_at.is_not(None))
        found = (await uow.session.execute(query.order_by(Deadline.due_at).limit(1))).first()
        return (found[0], found[1]) if found and found[0] else None


async def _story(desk: Desk, ticket: Ticket) -> dict[str, Any]:
    async with desk.workshop.read() as uow:
        entries = await uow.session.scalars(select(TicketEntry).where(TicketEntry.ticket_id == ticket.id))
        notices = await uow.session.scalars(select(Notification).where(Notification.ticket_id == ticket.id))
        clocks = await uow.session.scalars(select(Deadline).where(Deadline.ticket_id == ticket.id))
        held = await uow.session.get_one(Ticket, ticket.id)
        return {
            "log": sorted(entry.kind for entry in entries),
            "notices": sorted(
                (row.kind, row.state.value, row.reason or "", row.lane.value, row.staff_id == held.handler_id)
                for row in notices
                if row.kind not in ("receipt", "assignment")
            ),
            "clocks": sorted((row.kind.value, row.state.value, row.alarm_no, row.tries) for row in clocks),
            "ticket": (held.attention, held.overdue_count),
        }


@SERVERS_ONLY
async def test_a_ticket_that_a_person_holds_is_left_for_later_and_holds_up_nobody(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        held = await make_ticket(desk.workshop, email="held@shop.example")
        other = await make_ticket(desk.workshop, email="other@shop.example")
        desk.clock.advance(timedelta(days=3))
        async with desk.workshop.begin() as uow:
            await uow.session.execute(select(Ticket.id).where(Ticket.id == held.id).with_for_update())
            async with asyncio.timeout(30):
                await _fire_all(desk)
        assert await _breached(desk) == {other.id}
        await _fire_all(desk)
        assert await _breached(desk) == {held.id, other.id}


async def _breached(desk: Desk) -> set[Any]:
    async with desk.workshop.read() as uow:
        query = select(Deadline.ticket_id).where(
            Deadline.kind == DeadlineKind.FIRST_RESPONSE, Deadline.breached_at.is_not(None)
        )
        return set(await uow.session.scalars(query))


@contextmanager
def _redis_on(port: int, folder: Path) -> Iterator[None]:
    """A Redis server that keeps nothing, until the context ends."""
    words: list[str | Path] = [
        redis_program(),
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--save",
        "",
        "--dir",
        folder,
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                with redis.Redis(port=port) as client:
                    client.ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < end, "Redis does not start"
                time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(30)


@SERVERS_ONLY
async def test_a_broker_that_is_gone_for_an_hour_and_comes_back_empty_loses_nothing(
    backend: Backend, tmp_path: Path
) -> None:
    port = free_port()
    with _redis_on(port, tmp_path):
        house_of = open_house(replace(backend, broker_url=f"redis://127.0.0.1:{port}/0"))
        house = await house_of.__aenter__()
        await house.mail(LI, "Please help", subject="Help")
    limit = (await house.deadlines())["first_response"].limit_at
    assert limit is not None
    house.clock.set(limit + timedelta(hours=1))
    for _ in range(3):
        await house.scheduler.round()
    raw = f"From: {LI}\r\nTo: {SUPPORT}\r\nSubject: Second\r\nMessage-ID: <2@x>\r\n\r\nHi\r\n".encode()
    assert (await house.post_mail(raw)).status_code == 200, "stored before answered, with or without a bell"
    with _redis_on(port, tmp_path):
        await house.settle()
        states = {row.kind: row.state for row in (await house.notifications()) if row.ticket_id}
        assert await house.notifications("breach")
        assert states["receipt"] is NotificationState.SENT
        assert len(await house.notifications("receipt")) == 2
        await house_of.__aexit__(None, None, None)


async def test_a_database_that_is_stopped_and_started_under_load_loses_nothing_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch, redis_for_all: RedisServer
) -> None:
    for each in (desk, working_off):
        monkeypatch.setattr(each, "LEASE", timedelta(seconds=4))  # what was broken off waits for its end
    redis_for_all.flush()
    with _own_server() as server, capture_logs():  # rendering each traceback takes a second
        url = server.url("postgres")
        await asyncio.to_thread(migrate, url)
        backend = Backend(POSTGRESQL_REDIS, url, redis_for_all.url())
        async with open_house(backend, lease=timedelta(seconds=4), smtp_timeout=2.5) as house:
            for number in range(COUNT):
                await make_ticket(
                    house.workshop, email=f"late{number}@shop.example", priority=Priority.URGENT
                )
            await house.settle()
            (limit,) = {row.limit_at for row in await _first_responses(house)}
            assert limit is not None
            house.clock.set(limit)

            async with asyncio.timeout(180):
                load = [asyncio.create_task(_post_until_taken(house, number)) for number in range(COUNT)]
                sweeping = asyncio.create_task(_sweep(house))
                await _some_breach(house)
                await asyncio.to_thread(server.stop)
                await asyncio.sleep(0.5)
                assert (await house.web.get("/readyz")).status_code == 503
                await asyncio.to_thread(server.start)
                await asyncio.gather(*load)
                sweeping.cancel()
            await house.settle()

            lines = Counter((line.ticket_id, line.kind) for line in await _lines(house))
            assert {count for (_, kind), count in lines.items() if kind == "breached"} == {1}
            assert sum(kind == "breached" for _, kind in lines) == COUNT
            told = Counter((row.ticket_id, row.staff_id) for row in await house.notifications("breach"))
            assert (len(told), set(told.values())) == (2 * COUNT, {1}), "its handler and the supervisor"
            receipts = await house.notifications("receipt")
            assert len(receipts) == len({row.ticket_id for row in receipts}) == 2 * COUNT
            # What was on the wire then is of unknown fate: it pauses, and goes out again as the same mail.
            rows = [*receipts, *await house.notifications("breach")]
            assert {row.state for row in rows} <= {NotificationState.SENT, NotificationState.RETRYING}
            for number in range(COUNT):
                mails = house.mails_to(f"c{number}@shop.example")
                assert len({mail.message_id for mail in mails}) == 1


@contextmanager
def _own_server() -> Iterator[RestartingPostgres]:
    try:
        with postgres_that_restarts() as server:
            yield server
    except ServerMissing as missing:
        do_without(missing)


async def _post_until_taken(house: House, number: int) -> None:
    raw = (
        f"From: c{number}@shop.example\r\nTo: {SUPPORT}\r\nSubject: {number}\r\n"
        f"Message-ID: <{number}@x>\r\n\r\nHi\r\n"
    ).encode()
    for _ in range(600):
        if (await house.post_mail(raw)).status_code == 200:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("never taken")


async def _sweep(house: House) -> None:
    while True:
        await house.scheduler.round()
        await asyncio.sleep(0.05)


async def _some_breach(house: House) -> None:
    """Until the first of the deadlines was heard: the others are under way."""
    while not any(line.kind == "breached" for line in await _lines(house)):  # noqa: ASYNC110 - no event
        await asyncio.sleep(0.01)


async def _lines(house: House) -> list[TicketEntry]:
    async with house.workshop.read() as uow:
        return list(await uow.session.scalars(select(TicketEntry)))


async def _first_responses(house: House) -> list[Deadline]:
    async with house.workshop.read() as uow:
        query = select(Deadline).where(Deadline.kind == DeadlineKind.FIRST_RESPONSE)
        return list(await uow.session.scalars(query))
