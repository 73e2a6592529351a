"""Two web processes and two workers are restarted in turn under load: nothing is lost or sent twice."""

from __future__ import annotations

import base64
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from models.crypto import new_key
from models.session import make_engine
from tests.command_line import Running, running
from tests.conftest import Backend
from tests.fakes_smtp import ThreadedSmtp
from tests.servers import apart, free_port

SUPPORT = "support@help.example"
TOKEN = "hook-token-0123456789"


@dataclass
class Load:
    """A provider that posts mails, one after the other, to whichever door opens; each until it is taken."""

    ports: tuple[int, int]
    taken: int = 0
    refused: int = 0
    longest: float = 0.0
    answers: Counter[int] = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Post for as long as the context lasts."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(60)

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=30) as client:
            while not self._stop.is_set():
                began = time.monotonic()
                self._post(client, self.taken)
                self.longest = max(self.longest, time.monotonic() - began)
                self.taken += 1
                self._stop.wait(0.05)

    def _post(self, client: httpx.Client, number: int) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"] = f"customer{number}@shop.example", SUPPORT
        mail["Subject"], mail["Message-ID"] = f"Order {number}", f"<{number}@shop.example>"
        mail.set_content(f"It is broken, order {number}.")
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Envelope-To": SUPPORT}
        while True:
            for port in self.ports:  # as a load balancer does: what one does not take the next is given
                url = f"http://127.0.0.1:{port}/hooks/email/raw"
                try:
                    answer = client.post(url, content=mail.as_bytes(), headers=headers)
                except httpx.TransportError:
                    self.refused += 1
                    continue
                self.answers[answer.status_code] += 1
                if answer.status_code == 200:
                    return
            time.sleep(0.02)


def _unready(port: int) -> str:
    """What a process says of itself, empty when it is ready."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=60)
    except httpx.TransportError as error:
        return type(error).__name__
    return "" if answer.status_code == 200 else answer.text


def _until(done: Any, seconds: float, why: str) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, why
        time.sleep(0.05)


@dataclass(frozen=True)
class Ledger:
    """What the database says was taken in, and sent."""

    tickets: int
    sent: list[str]


class Fleet:
    """The processes of an installation, each by a name."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self._folder = folder
        self._settings = settings
        self._stacks: dict[str, ExitStack] = {}
        self._running: dict[str, Running] = {}
        self._ready: dict[str, int] = {}

    def start(self, name: str, *command: str, ready: int, **settings: str) -> None:
        """Start a process; it is ready when port `ready` says so."""
        stack = ExitStack()
        given = {**self._settings, **settings}
        process = stack.enter_context(running(self._folder / name, *command, wait=False, **given))
        self._stacks[name], self._running[name], self._ready[name] = stack, process, ready

    def wait(self) -> None:
        """Until all that run say that they are ready."""
        for name, process in self._running.items():
            end = time.monotonic() + 240
            while why := _unready(self._ready[name]):
                assert process.process.poll() is None, process.log.read_text()
                assert time.monotonic() < end, f"{name} is not ready: {why}"
                time.sleep(0.1)

    def stop(self, name: str) -> None:
        """SIGTERM; it must end by itself and well."""
        process = self._running.pop(name)
        assert process.stop(signal.SIGTERM) == 0, process.log.read_text()
        assert "Traceback" not in process.log.read_text()
        self._stacks.pop(name).close()

    def close(self) -> None:
        """End whatever runs."""
        for stack in self._stacks.values():
            stack.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["postgresql-redis"], indirect=True)
def test_a_rolling_restart_loses_and_doubles_nothing(backend: Backend, tmp_path: Path) -> None:
    ports = (free_port(), free_port())
    watch = {name: free_port() for name in ("worker1", "worker2", "scheduler")}
    with ThreadedSmtp() as relay, ExitStack() as stack:
        settings = {
            "SECRET_KEYS": f"k1:{base64.b64encode(new_key()).decode()}",
            "HOOK_TOKEN": TOKEN,
            "DATABASE_URL": backend.database_url,
            "BROKER_URL": backend.broker_url,
            "SMTP_URL": relay.url,
            "MAIL_FROM": SUPPORT,
            "MODE": "live",
            "PUBLIC_URL": "http://127.0.0.1:8000",
            "DATA": str(tmp_path),
        }
        fleet = Fleet(tmp_path, settings)
        stack.callback(fleet.close)

        def web(number: int) -> None:
            port = ports[number - 1]
            fleet.start(f"web{number}", "web", "--http", f"127.0.0.1:{port}", ready=port)

        def work(name: str) -> None:
            command = name.rstrip("12")
            fleet.start(name, command, ready=watch[name], METRICS=f"127.0.0.1:{watch[name]}")

        for number in (1, 2):
            web(number)
        for name in watch:
            work(name)
        fleet.wait()
        load = Load(ports)
        with load.running():
            for number in (1, 2):
                _until(lambda: load.taken > 20, 180, "the load does not come in")
                fleet.stop(f"web{number}")
                fleet.stop(f"worker{number}")
                web(number)
                work(f"worker{number}")
                fleet.wait()
        _until(lambda: _open_rows(backend) == 0, 180, "not all of it is worked off")
        told = _ledger(backend)
        caught = Counter(mail.message_id for mail in relay.mails)
    assert set(load.answers) == {200}, "what one process does not take it never half takes"
    assert told.tickets == load.taken
    assert sorted(caught) == sorted(told.sent)
    assert set(caught.values()) == {1}, "no mail goes out twice"
    print(f"{load.taken} taken, {load.refused} connections refused, longest {load.longest:.2f} s")


def _asked(backend: Backend, *queries: str) -> list[list[Any]]:
    """The first column of each query's rows."""

    async def ask() -> list[list[Any]]:
        engine = make_engine(backend.database_url)
        try:
            async with engine.connect() as connection:
                return [list(await connection.scalars(text(query))) for query in queries]
        finally:
            await engine.dispose()

    return apart(ask)


def _open_rows(backend: Backend) -> int:
    """Events and messages that somebody still has to do something about."""
    tables = ("intake_events", "notifications")
    counts = _asked(backend, *(f"SELECT count(*) FROM {table} WHERE due_at <= now()" for table in tables))
    return sum(count for (count,) in counts)


def _ledger(backend: Backend) -> Ledger:
    sent = "SELECT message_id FROM notifications WHERE state = 'sent' AND channel = 'email'"
    (tickets,), ids = _asked(backend, "SELECT count(*) FROM tickets", sent)
    return Ledger(tickets, ids)
