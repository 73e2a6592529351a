"""Alive, ready, measured: also while something is away."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from types import SimpleNamespace

import httpx
import pytest
from sqlalchemy import text

from models.notifications import Notification
from models.vocabulary import Lane, NotificationState
from tests.conftest import Backend
from tests.factories import Desk, all_of, make_desk, make_ticket
from workers.actors import DESKS, Bench
from workers.clock import ClockWatch
from workers.delivery.courier import Courier
from workers.intake.store import Event, store
from workers.metrics import Metrics
from workers.rendering import Renderer
from workers.scheduler import Scheduler
from workers.web.app import WebParts, make_app

pytestmark = pytest.mark.anyio


async def test_a_service_in_order_is_alive_and_ready(desk: Desk) -> None:
    assert (await desk.web.get("/healthz")).json() == {"status": "alive"}
    ready = await desk.web.get("/readyz")
    assert (ready.status_code, set(ready.json()["checks"].values())) == (200, {"ok"})
    assert (await desk.web.head("/readyz")).status_code == 200


async def test_a_database_that_was_not_migrated_is_not_ready_but_alive(desk: Desk) -> None:
    async with desk.workshop.begin() as uow:
        await uow.session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    answer = await desk.web.get("/readyz")
    assert answer.status_code == 503
    assert "closeloop migrate" in answer.json()["checks"]["schema"]
    assert (await desk.web.get("/healthz")).status_code == 200


async def test_a_broker_that_does_not_answer_is_named(backend: Backend) -> None:
    async def silent() -> bool:
        return False

    async def broken() -> bool:
        raise ConnectionError("redis://:secret@somewhere")

    async with make_desk(backend) as desk:
        for alive, words in ((silent, "does not answer"), (broken, "ConnectionError")):
            parts = WebParts(desk.workshop, Renderer(), desk.workshop.settings, Metrics(), alive)
            transport = httpx.ASGITransport(make_app(parts))
            async with httpx.AsyncClient(transport=transport, base_url="http://inside") as web:
                answer = await web.get("/readyz")
            assert answer.status_code == 503
            assert words in answer.json()["checks"]["broker"]
            assert "secret" not in answer.text


async def test_a_clock_that_was_set_is_not_ready_and_no_limit_is_missed_by_it(backend: Backend) -> None:
    wall, steady = [1e9], [100.0]
    watch = ClockWatch(lambda: wall[0], lambda: steady[0])
    async with make_desk(backend) as desk:
        await make_ticket(desk.workshop)
        courier = Courier(desk.workshop, Renderer(), {}, lease=timedelta(seconds=60))
        bench = Bench(desk.workshop, courier, lambda bells: None, watch=watch)
        parts = WebParts(desk.workshop, Renderer(), desk.workshop.settings, Metrics(), watch=watch)
        transport = httpx.ASGITransport(make_app(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as web:
            wall[0] += 7 * 86_400
            desk.clock.advance(timedelta(days=7))
            assert await bench.hear("deadlines", Lane.NORMAL) == 0
            assert await bench.hear("delivery", Lane.NORMAL) == 0
            assert await bench.hear("errands", Lane.NORMAL) == 0
            messages = await all_of(desk.workshop, Notification)
            assert messages
            assert {row.state for row in messages} == {NotificationState.QUEUED}, (
                "none is too late or too old"
            )
            answer = await web.get("/readyz")
            assert answer.status_code == 503
            assert "was set by +604800 s" in answer.json()["checks"]["clock"]
            wall[0] -= 7 * 86_400
            desk.clock.advance(timedelta(days=-7))
            assert (await web.get("/readyz")).json()["checks"]["clock"] == "ok"
            assert await bench.hear("deadlines", Lane.NORMAL) == 0, "nothing was due in truth"
            assert await bench.hear("delivery", Lane.NORMAL) == len(messages)
            desk.clock.advance(timedelta(days=7))
            assert await bench.hear("deadlines", Lane.NORMAL) > 0


@pytest.mark.parametrize("backend", ["postgresql-redis"], indirect=True)
async def test_a_machine_whose_clock_is_not_the_databases_begins_nothing(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take for lost, and send anew, what another machine is about to send."""
    off = [90.0]
    shifted = SimpleNamespace(**{**vars(time), "time": lambda: time.time() + off[0]})
    monkeypatch.setattr("workers.clock.time", shifted)
    monkeypatch.setattr("workers.clock.COMPARED_EVERY", 0.0)
    monkeypatch.setattr("workers.clock.SURE_SECONDS", 30.0)  # on a busy machine an answer may take its time
    async with make_desk(backend) as desk:
        await make_ticket(desk.workshop)
        messages = await all_of(desk.workshop, Notification)
        async with desk.workshop.begin() as uow:
            await store(uow, Event("raw", "one", "mail", b"From: li@x.example\r\n\r\nHelp\r\n", {}))
        watch, rung = ClockWatch(), list[object]()
        courier = Courier(desk.workshop, Renderer(), {}, lease=timedelta(seconds=60))
        bench = Bench(desk.workshop, courier, lambda bells: None, watch=watch)
        scheduler = Scheduler(desk.workshop, rung.append, DESKS, watch=watch)
        parts = WebParts(desk.workshop, Renderer(), desk.workshop.settings, Metrics(), watch=ClockWatch())
        transport = httpx.ASGITransport(make_app(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://inside") as web:
            assert await bench.hear("delivery", Lane.NORMAL) == 0
            assert await bench.hear("intake", Lane.NORMAL) == 0, "others may take it in"
            await scheduler.round()
            assert (rung, scheduler.parted) == ([], True)
            answer = await web.get("/readyz")
            assert answer.status_code == 503
            told = re.search(r"\+(\d+) s off the database's", answer.json()["checks"]["clock"])
            assert told is not None
            assert abs(int(told[1]) - 90) <= 15
            off[0] = 1.0  # somebody put it right
            assert (await web.get("/readyz")).json()["checks"]["clock"] == "ok"
            assert await bench.hear("delivery", Lane.NORMAL) == len(messages)
            assert await bench.hear("intake", Lane.NORMAL) == 1
            await scheduler.round()
            assert not scheduler.parted


async def test_figures_tell_what_waits_at_each_desk(desk: Desk) -> None:
    await make_ticket(desk.workshop)
    body = (await desk.web.get("/metrics")).text
    assert 'closeloop_due_rows{desk="delivery",lane="normal"} 2.0' in body
    assert 'closeloop_oldest_overdue_seconds{desk="deadlines"} 0.0' in body
    assert "closeloop_database_up 1.0" in body
    assert "customer.example" not in body


async def test_figures_are_given_also_while_the_database_is_in_trouble(desk: Desk) -> None:
    async with desk.workshop.begin() as uow:
        await uow.session.execute(text("ALTER TABLE deadlines RENAME TO away"))
    answer = await desk.web.get("/metrics")
    assert answer.status_code == 200
    assert "closeloop_database_up 0.0" in answer.text
    assert "closeloop_bells" in answer.text


async def test_every_answer_carries_the_headers_that_keep_it_private(desk: Desk) -> None:
    for path in ("/healthz", "/api/v1/tickets", "/s/x", "/nowhere", "/openapi.json"):
        headers = (await desk.web.get(path)).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["strict-transport-security"].startswith("max-age=")


async def test_a_browser_gone_astray_gets_a_page_and_a_program_gets_a_problem(desk: Desk) -> None:
    browser = await desk.web.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (browser.status_code, "<html" in browser.text) == (404, True)
    program = await desk.web.get("/nowhere")
    assert (program.status_code, program.json()["title"]) == (404, "Not Found")
    wrong = await desk.web.put("/hooks/email/raw")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


async def test_an_error_nobody_expected_says_nothing_of_itself(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("li.na@customer.example has the password hunter2")

    monkeypatch.setattr("workers.web.health._checked", explode)
    answer = await desk.web.get("/readyz")
    logged = capsys.readouterr()
    assert answer.status_code == 500
    assert answer.json()["reference"] in logged.out + logged.err
    assert "hunter2" not in answer.text + logged.out + logged.err
