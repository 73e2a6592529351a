"""What processes say of themselves while database, broker or a worker are away, and that they recover."""

from __future__ import annotations

import base64
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from models.crypto import new_key
from models.session import make_engine, migrate
from tests.command_line import CommandLine, Running, running
from tests.conftest import do_without
from tests.servers import (
    RedisServer,
    RestartingPostgres,
    ServerMissing,
    apart,
    free_port,
    postgres_that_restarts,
    redis_server,
)

TOKEN = "hook-token-0123456789"
MAIL = b"From: li@shop.example\r\nTo: support@help.example\r\nMessage-ID: <1@x>\r\n\r\nHelp\r\n"
PATIENCE = 280
WORKER = ("closeloop_processes", 'process="worker"')


@dataclass
class Site:
    """A web process and workers on servers of their own, and the ports at which they say how they do."""

    folder: Path
    settings: Mapping[str, str]
    database: RestartingPostgres
    broker: ExitStack
    broker_port: int
    web: int
    stack: ExitStack

    def worker(self) -> tuple[Running, int]:
        """Another worker, and where it says how it does."""
        port = free_port()
        folder = self.folder / f"worker{port}"
        settings = {**self.settings, "METRICS": f"127.0.0.1:{port}"}
        return self.stack.enter_context(running(folder, "worker", wait=False, **settings)), port

    def start_broker(self) -> None:
        """Where it was before."""
        self.broker.enter_context(redis_server(self.broker_port))

    def sql(self, *statements: str) -> None:
        """Run statements outside of any transaction, whatever the database is set to."""

        async def run() -> None:
            engine = make_engine(self.settings["DATABASE_URL"], isolation_level="AUTOCOMMIT")
            try:
                async with engine.connect() as connection:
                    for each in ("SET default_transaction_read_only = off", *statements):
                        await connection.execute(text(each))
            finally:
                await engine.dispose()

        apart(run)

    def post(self) -> httpx.Response:
        """A mail, as a provider posts it."""
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Envelope-To": "support@help.example"}
        url = f"http://127.0.0.1:{self.web}/hooks/email/raw"
        return httpx.post(url, content=MAIL, headers=headers, timeout=60, trust_env=False)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A web process that is ready."""
    try:
        with ExitStack() as stack:
            yield _started(tmp_path, stack)
    except ServerMissing as missing:
        do_without(missing)


def _started(folder: Path, stack: ExitStack) -> Site:
    database = stack.enter_context(postgres_that_restarts())
    broker = stack.enter_context(ExitStack())
    server: RedisServer = broker.enter_context(redis_server())
    migrate(database.url("postgres"))
    settings = {
        "SECRET_KEYS": f"k1:{base64.b64encode(new_key()).decode()}",
        "HOOK_TOKEN": TOKEN,
        "DATABASE_URL": database.url("postgres"),
        "BROKER_URL": server.url(),
        "DATA": str(folder),
    }
    port = free_port()
    web = running(folder / "web", "web", "--http", f"127.0.0.1:{port}", wait=False, **settings)
    stack.enter_context(web)
    site = Site(folder, settings, database, broker, server.port, port, stack)
    _until(port, 200)
    return site


def _asked(port: int, path: str) -> tuple[int, Any]:
    """Status and words; 0 while nobody listens."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}{path}", timeout=60, trust_env=False)
    except httpx.TransportError:
        return 0, None
    said = answer.json() if "json" in answer.headers["content-type"] else answer.text
    return answer.status_code, said


def _until(
    port: int, status: int, fits: Callable[[dict[str, str]], bool] = bool, **checks: str
) -> dict[str, str]:
    """The checks of /readyz as soon as it has this status, these words in these checks, and they fit.

    On a busy machine what was asked may for once not answer in time.
    """
    end = time.monotonic() + PATIENCE
    found: tuple[int, Any] = (0, None)
    while time.monotonic() < end:
        found = _asked(port, "/readyz")
        if found[0] == status:
            said: dict[str, str] = found[1]["checks"]
            if fits(said) and all(words in said[name] for name, words in checks.items()):
                assert _asked(port, "/healthz")[0] == 200, "no restart for another's sake"
                return said
        time.sleep(0.1)
    raise AssertionError(f"/readyz does not say {status} {checks}, but {found}")


def _lacks(what: str, told: dict[str, str]) -> bool:
    return told[what] != "ok"


@contextmanager
def _away(site: Site, what: str) -> Iterator[None]:
    """Database or broker is stopped meanwhile."""
    if what == "database":
        site.database.stop()
        yield
        site.database.start()
        return
    site.broker.close()
    yield
    site.start_broker()


@pytest.mark.timeout(600)
def test_readiness_tells_the_truth_about_database_and_broker_and_recovers(site: Site) -> None:
    _, worker = site.worker()
    for port in (site.web, worker):
        _until(port, 200)
    for what, others in (("broker", ("database", "schema", "clock")), ("database", ("broker", "clock"))):
        with _away(site, what):
            for port in (site.web, worker):
                said = _until(port, 503, partial(_lacks, what), **dict.fromkeys(others, "ok"))
                assert "closeloop:" not in str(said), "no address, no password"
            assert site.post().status_code == (200 if what == "broker" else 503)
        for port in (site.web, worker):
            _until(port, 200, lambda told: set(told.values()) == {"ok"})


@pytest.mark.timeout(600)
def test_a_database_that_only_reads_is_said_and_forgotten_once_it_writes_again(site: Site) -> None:
    site.worker()
    read_only = "ALTER DATABASE postgres {} default_transaction_read_only"
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    site.sql(f"{read_only.format('SET')} = on", others)
    refused = site.post()
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    _until(site.web, 503, storage="takes nothing more: read_only", database="ok")
    site.sql(read_only.format("RESET"), others)
    _until(site.web, 200, storage="ok")
    assert site.post().status_code == 200


@pytest.mark.timeout(600)
def test_a_worker_that_died_with_nothing_to_do_is_missed(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closeloop = CommandLine(site.folder, monkeypatch, capsys)
    closeloop.set(**site.settings)
    process, port = site.worker()
    _until(port, 200, workers="ok")
    assert _figure(site, *WORKER) == 1
    process.stop(signal.SIGKILL)
    site.sql("UPDATE processes SET seen_at = seen_at - interval '2 minutes' WHERE kind = 'worker'")
    said = _until(site.web, 200, workers=f"worker (process {process.process.pid} on ")
    assert "no worker runs" in said["workers"]
    assert (_figure(site, *WORKER), _figure(site, "closeloop_lost_processes", WORKER[1])) == (0, 1)
    found = closeloop("doctor", "--json")
    told = [one for one in found.json["findings"] if one["about"] == "processes"]
    assert (found.code, [one["result"] for one in told]) == (1, ["bad", "bad", "good"])
    assert f"(process {process.process.pid} on " in told[0]["words"]
    assert told[1]["words"].startswith("no worker runs")
    replacement, port = site.worker()
    _until(port, 200, workers="ok")
    assert (_figure(site, *WORKER), _figure(site, "closeloop_lost_processes", WORKER[1])) == (1, 0)
    assert replacement.stop(signal.SIGTERM) == 0
    said = _until(site.web, 200, workers="no worker runs")
    assert str(replacement.process.pid) not in said["workers"], "who ended in order is not missed"


def _figure(site: Site, name: str, label: str) -> float:
    _, page = _asked(site.web, "/metrics")
    (line,) = (line for line in page.splitlines() if line.startswith(f"{name}{{{label}}}"))
    return float(line.rpartition(" ")[2])
