"""What all tests share: both kinds of installation as real servers, and a machine that nothing leaves."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
import structlog
from hypothesis import settings

from models.session import migrate
from tests.imap_server import ImapServer, imap_server
from tests.loopback import LoopbackGuard
from tests.made_once import share
from tests.servers import PostgresServer, RedisServer, ServerMissing, postgres, redis_server
from workers.channels import limits_redis

SQLITE_INPROCESS = "sqlite-inprocess"
POSTGRESQL_REDIS = "postgresql-redis"
MIGRATED = "migrated"

guard = pytest.StashKey[LoopbackGuard]()


@dataclass(frozen=True, slots=True)
class Backend:
    """An empty, migrated database and a clean broker: all in which two kinds of installation differ."""

    name: str
    database_url: str
    broker_url: str  # "" = the broker inside the process


def pytest_configure(config: pytest.Config) -> None:
    """Cuts the tests off from the network and from the settings (ours, PostgreSQL's) of whoever runs them."""
    config.stash[guard] = LoopbackGuard()
    config.stash[guard].install()
    ours = [name for name in os.environ if name.startswith(("CLOSELOOP_", "PG"))]
    for name in set(ours) - {"CLOSELOOP_SCREENSHOTS"}:
        del os.environ[name]
    # A loaded machine must not make a right property fail, nor chance a good commit.
    settings.register_profile("laptop", deadline=None)
    settings.register_profile("ci", deadline=None, derandomize=True, database=None)
    settings.load_profile("ci" if in_ci() else "laptop")


def pytest_collection_finish() -> None:
    """What has been imported by now stays: no collection of garbage need look through it again."""
    gc.collect()
    gc.freeze()


def in_ci() -> bool:
    """Whether nothing may be skipped."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop that asynchronous tests run in."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def what_costs_much_is_made_once() -> Iterator[None]:
    """Houses do not compile and read anew what the one before did: that took half of their time."""
    with pytest.MonkeyPatch.context() as patch:
        share(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def a_busy_machine_is_waited_for() -> Iterator[None]:
    """Who asks how a process does hears what is wrong with it, not that this machine stood still."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workers.web.health.PATIENCE", 60.0)
        patch.setattr("workers.web.figures.SCRAPE_PATIENCE", 60.0)
        yield


@pytest.fixture(autouse=True)
def nothing_leaves_this_machine(request: pytest.FixtureRequest) -> Iterator[LoopbackGuard]:
    """Fails a test during which something tried to connect to another machine."""
    watch = request.config.stash[guard]
    watch.strays.clear()
    yield watch
    assert not watch.strays, f"tried to leave this machine: {watch.strays}"


@pytest.fixture(autouse=True)
def redis_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits are counted where a test looks, though Redis be busier than a mail would wait for it."""
    monkeypatch.setattr(limits_redis, "PATIENCE", 30.0)
    monkeypatch.setattr(limits_redis, "PATIENT", {"socket_timeout": 30.0, "socket_connect_timeout": 30.0})


@pytest.fixture(autouse=True)
def logs_stay_with_their_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that was run in this process sends its logs to a stream that ends with the test."""
    configure, root = structlog.configure, logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def without_memory(**settings: Any) -> None:
        configure(**{**settings, "cache_logger_on_first_use": False})

    _log_plainly()
    monkeypatch.setattr(structlog, "configure", without_memory)
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def _log_plainly() -> None:
    """By itself structlog has Rich draw each traceback with all variables: seconds for one SQL error."""
    *others, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, plain])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server with a migrated template database, for the whole run."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres(in_memory=True))
        except ServerMissing as missing:
            do_without(missing)
        server.create(MIGRATED)
        migrate(server.url(MIGRATED))
        yield server


@pytest.fixture(scope="session")
def redis_for_all() -> Iterator[RedisServer]:
    """A Redis server, for the whole run; `backend` empties it for each test."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(redis_server())
        except ServerMissing as missing:
            do_without(missing)
        yield server


@pytest.fixture(scope="session")
def imap_for_all() -> Iterator[ImapServer]:
    """A Dovecot server, for the whole run; each test has a mailbox of its own."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(imap_server())
        except ServerMissing as missing:
            do_without(missing)
        yield server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database file to copy from."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    path.touch()
    migrate(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(params=[SQLITE_INPROCESS, POSTGRESQL_REDIS])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A fresh installation of either kind; the test runs once on each.

    To run on one only: `@pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True)`.
    """
    if request.param == SQLITE_INPROCESS:
        path = tmp_path / "closeloop.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        yield Backend(SQLITE_INPROCESS, f"sqlite+aiosqlite:///{path}", "")
        return
    database: PostgresServer = request.getfixturevalue("postgres_server")
    broker: RedisServer = request.getfixturevalue("redis_for_all")
    name = f"test_{uuid.uuid4().hex}"
    database.create(name, template=MIGRATED)
    broker.flush()
    try:
        yield Backend(POSTGRESQL_REDIS, database.url(name), broker.url())
    finally:
        database.drop(name)


def do_without(missing: ServerMissing) -> NoReturn:
    """Skips what needs the missing server, or fails it where nothing may be skipped."""
    if in_ci():
        pytest.fail(str(missing), pytrace=False)
    pytest.skip(str(missing))
