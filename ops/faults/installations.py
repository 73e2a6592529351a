"""What is played on: the two kinds of installation, and two more whose brokers fail while it is played."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from models.session import migrate
from tests.broker_servers import RabbitmqNode, Sentinels, sentinels
from tests.conftest import POSTGRESQL_REDIS, SQLITE_INPROCESS, Backend
from tests.servers import postgres, redis_server

RABBITMQ, SENTINEL = "postgresql-rabbitmq", "postgresql-sentinel"
BOTH = (SQLITE_INPROCESS, POSTGRESQL_REDIS)
CREWS = {SQLITE_INPROCESS: 1, POSTGRESQL_REDIS: 2, RABBITMQ: 2, SENTINEL: 2}
"""Workers at a time: the embedded installation is one process."""
EVERY = 10
"""So many rounds lie between two failures of a broker; the first comes in the second round."""
PATIENCE = 30.0

Meanwhile = Callable[[int], None]
"""Called with a round's number while the worker that is going to be killed is at work."""


@contextmanager
def installation(kind: str, folder: Path) -> Iterator[tuple[Backend, Meanwhile]]:
    """An empty, migrated installation of this kind, and what happens to its broker meanwhile."""
    if kind == SQLITE_INPROCESS:
        url = f"sqlite+aiosqlite:///{folder / 'closeloop.db'}"
        migrate(url)
        yield Backend(kind, url, ""), _nothing
        return
    with postgres() as database, _broker(kind) as (broker, meanwhile):
        database.create("faults")
        url = database.url("faults")
        migrate(url)
        yield Backend(kind, url, broker), meanwhile


@contextmanager
def _broker(kind: str) -> Iterator[tuple[str, Meanwhile]]:
    if kind == RABBITMQ:
        with RabbitmqNode.made() as node, ExitStack() as running:
            running.enter_context(node.running())
            yield node.url, _now_and_then(lambda: _restart(node, running))
    elif kind == SENTINEL:
        with sentinels() as watched:
            yield watched.url, _now_and_then(lambda: _fail_over(watched))
    else:
        with redis_server() as server:
            yield server.url(), _nothing


def _nothing(_: int) -> None:
    """The broker is well."""


def _now_and_then(trouble: Callable[[], None]) -> Meanwhile:
    def meanwhile(number: int) -> None:
        if number % EVERY == 1:
            trouble()

    return meanwhile


def _restart(node: RabbitmqNode, running: ExitStack) -> None:
    """RabbitMQ goes away and comes back."""
    running.close()
    running.enter_context(node.running())


def _fail_over(watched: Sentinels) -> None:
    """The Redis that is the master dies; once the other one is, it comes back as that one's replica."""
    fallen = watched.master
    watched.end(fallen)
    end = time.monotonic() + PATIENCE
    while (now := watched.master) == fallen:
        if time.monotonic() > end:
            raise TimeoutError("nobody became the master")
        time.sleep(0.05)
    watched.begin(fallen, of=now)
