"""What an operator watches: figures of work, the door that shows them, readiness, the outside heartbeat."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network

import httpx
import pytest

from models.intake import IntakeEvent
from models.vocabulary import Lane, Medium
from tests.conftest import Backend
from tests.factories import Desk, make_desk, make_ticket
from tests.workbench import event_due
from workers.actors import DESKS, Bench
from workers.channels.console import ConsoleChannel
from workers.channels.port import Channel
from workers.delivery.courier import Courier
from workers.heartbeat import Heartbeat
from workers.outbound import Caller
from workers.rendering import Renderer
from workers.web.monitor import make_monitor_app
from workers.web.parts import WebParts

pytestmark = pytest.mark.anyio


def _figure(text: str, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.M)
    assert found, f"{series} is not in\n{text}"
    return float(found[1])


def _bench(desk: Desk) -> Bench:
    channels: dict[Medium, Channel] = {medium: ConsoleChannel(desk.clock) for medium in Medium}
    return Bench(desk.workshop, Courier(desk.workshop, Renderer(), channels), lambda bells: None)


async def test_work_shows_in_figures_with_its_lateness_and_outcome(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        await make_ticket(desk.workshop)
        desk.clock.advance(timedelta(hours=30))
        bench = _bench(desk)
        assert await bench.hear("deadlines", Lane.NORMAL) > 0
        sent = await bench.hear("delivery", Lane.NORMAL)
        text = desk.workshop.metrics.text().decode()
    assert sent > 0
    assert _figure(text, 'closeloop_rows_claimed_total{desk="delivery",lane="normal"}') == sent
    tries = 'closeloop_delivery_attempts_total{channel="email",outcome="sent",provider="console"}'
    assert _figure(text, tries) > 0
    assert _figure(text, 'closeloop_alarm_lateness_seconds_count{lane="normal"}') > 0
    assert _figure(text, 'closeloop_alarm_lateness_seconds_sum{lane="normal"}') > 3600
    assert _figure(text, 'closeloop_database_connections{state="most"}') > 0


async def test_what_waits_is_told_from_what_pauses(desk: Desk) -> None:
    async with desk.workshop.begin() as uow:
        for number in range(3):
            row = event_due(uow, uow.clock.now() - timedelta(seconds=600), lane=Lane.URGENT)
            if number == 0:
                row.free_at = uow.clock.machine() + timedelta(seconds=60)
            if number == 1:
                row.free_at = uow.clock.machine() - timedelta(seconds=30)
                row.due_at = uow.clock.now() - timedelta(seconds=900)
    body = (await desk.web.get("/metrics")).text
    place = '{desk="intake",lane="urgent"}'
    assert _figure(body, f"closeloop_due_rows{place}") == 3
    assert _figure(body, f"closeloop_waiting_rows{place}") == 2
    assert _figure(body, f"closeloop_oldest_waiting_seconds{place}") == pytest.approx(600, abs=5)
    assert _figure(body, 'closeloop_oldest_overdue_seconds{desk="intake"}') == pytest.approx(900, abs=5)


async def test_silent_workers_are_told_and_do_not_close_the_door(desk: Desk) -> None:
    async with desk.workshop.begin() as uow:
        event_due(uow, uow.clock.now() - timedelta(seconds=600))
    answer = await desk.web.get("/readyz")
    assert answer.status_code == 200, "what comes in can be taken in"
    assert "intake/normal for 600 s" in answer.json()["checks"]["workers"]


async def test_requests_are_counted_by_parts_of_the_site_that_exist(desk: Desk) -> None:
    for path in ("/healthz", "/console/tickets", "/wp-admin/li.na@customer.example", "/api/v1/tickets"):
        await desk.web.get(path)
    body = (await desk.web.get("/metrics")).text
    assert _figure(body, 'closeloop_http_request_seconds_count{area="healthz",status="2xx"}') == 1
    assert _figure(body, 'closeloop_http_request_seconds_count{area="other",status="4xx"}') == 1
    assert "wp-admin" not in body
    assert "customer.example" not in body


async def test_the_door_for_watchers_shows_health_and_figures_and_nothing_else(desk: Desk) -> None:
    parts = WebParts(desk.workshop, Renderer(), desk.workshop.settings, desk.workshop.metrics, whole=False)
    transport = httpx.ASGITransport(make_monitor_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://inside") as web:
        assert (await web.get("/healthz")).status_code == 200
        assert (await web.get("/readyz")).status_code == 200
        figures = (await web.get("/metrics")).text
        assert "closeloop_bells_failed_total" in figures
        assert "closeloop_due_rows" not in figures, "of many workers not each asks the database"
        for path in ("/console/tickets", "/api/v1/tickets", "/openapi.json", "/hooks/email/raw"):
            assert (await web.get(path)).status_code == 404


class Monitor:
    """An outside monitor on loopback: counts calls, answers as it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One call."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.calls.append(head.split(b"\r\n")[0].decode())
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def _monitor() -> AsyncIterator[Monitor]:
    monitor = Monitor()
    server = await asyncio.start_server(monitor.serve, "127.0.0.1", 0)
    monitor.port = server.sockets[0].getsockname()[1]
    async with server:
        yield monitor


def _heart(
    desk: Desk,
    port: int,
    *,
    swept: Callable[[], float | None] = lambda: 1.0,
    broker: bool = True,
    allowed: bool = True,
) -> Heartbeat:
    async def alive() -> bool:
        return broker

    networks = (ip_network("127.0.0.0/8"),) if allowed else ()
    caller = Caller(seconds=5, allowed=networks, http=allowed)
    url = f"http://127.0.0.1:{port}/ping/secret-id"
    return Heartbeat(desk.workshop, url, caller, DESKS, swept=swept, broker_alive=alive)


async def test_the_heartbeat_beats_only_while_all_is_well(
    backend: Backend, capsys: pytest.CaptureFixture[str]
) -> None:
    async with make_desk(backend) as desk, _monitor() as monitor:
        heart = _heart(desk, monitor.port)
        assert await heart.beat()
        assert monitor.calls == ["POST /ping/secret-id HTTP/1.1"]
        assert not await _heart(desk, monitor.port, swept=lambda: None).beat(), "the clock was set"
        assert not await _heart(desk, monitor.port, swept=lambda: 45.0).beat(), "the sweep hangs"
        assert not await _heart(desk, monitor.port, broker=False).beat()
        async with desk.workshop.begin() as uow:
            late = event_due(uow, uow.clock.now() - timedelta(seconds=400))
        assert not await heart.beat()
        assert len(monitor.calls) == 1, "an unwell service is silent"
        async with desk.workshop.begin() as uow:
            row = await uow.session.get_one(IntakeEvent, late.id)
            row.due_at = None
        assert await heart.beat()
        monitor.answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        assert not await heart.beat()
        text = desk.workshop.metrics.text().decode()
    assert [
        _figure(text, f'closeloop_heartbeats_total{{result="{word}"}}')
        for word in ("sent", "failed", "withheld")
    ] == [2, 1, 4]
    logged = capsys.readouterr()
    assert "nobody works off intake/normal" in logged.out + logged.err
    assert "secret-id" not in logged.out + logged.err


async def test_the_heartbeat_is_silent_when_the_database_is_away_and_never_calls_into_private_networks(
    desk: Desk,
) -> None:
    async with _monitor() as monitor:
        assert not await _heart(desk, monitor.port, allowed=False).beat()
        async with desk.workshop.begin() as uow:
            from sqlalchemy import text

            await uow.session.execute(text("ALTER TABLE deadlines RENAME TO away"))
        assert not await _heart(desk, monitor.port).beat()
        assert monitor.calls == []
