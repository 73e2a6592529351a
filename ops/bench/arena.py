"""The common ground of all sides of a race: the same servers, the same rows, the same accounts."""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.vocabulary import Lane
from ops.bench.report import say
from ops.bench.seed import RECEIPT, seed
from ops.bench.servers import Postgres, Redis, Sink, mail_sink, postgres, redis_server
from workers.settings import load_settings

SEEDED = "seeded"
DONE = """
    SELECT NOT EXISTS (SELECT FROM notifications WHERE due_at IS NOT NULL AND created_at >= '{fresh}') AS done
"""
RESULT = """
    SELECT count(*) FILTER (WHERE state = 'sent') AS sent,
           (SELECT count(*) FROM delivery_attempts
            WHERE outcome = 'sent' AND started_at >= '{fresh}') AS attempts,
           (SELECT count(*) FROM delivery_attempts WHERE started_at >= '{fresh}') AS all_attempts,
           (SELECT count(*) FROM delivery_attempts
            WHERE outcome IN ('not_started', 'retry') AND started_at >= '{fresh}') AS not_left,
           (SELECT string_agg(made, ', ' ORDER BY made) FROM (
                SELECT count(*) || ' ' || coalesce(outcome, 'open') || ' ' || coalesce(reason, '') AS made
                FROM delivery_attempts WHERE started_at >= '{fresh}' GROUP BY outcome, reason
            ) AS each) AS outcomes,
           (SELECT min(started_at) FROM delivery_attempts WHERE started_at >= '{fresh}') AS first_attempt,
           max(pg_xact_commit_timestamp(xmin)) FILTER (WHERE state = 'sent') AS last_recorded
    FROM notifications WHERE created_at >= '{fresh}'
"""
LIMIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Arena:
    """Servers, and the name of the seeded database that each round starts from a copy of.

    Rows of a race are those made since `fresh`; what is older is the ledger that they come on top of.
    """

    folder: Path
    postgres: Postgres
    redis: Redis
    sink: Sink
    secret_keys: str
    seeded: str
    count: int
    fresh: datetime

    def describe(self) -> dict[str, Any]:
        """The servers' versions."""
        return {
            "postgresql": self.postgres.version,
            "redis": self.redis.version,
            "sink": self.sink.program,
        }

    @contextmanager
    def database(self, count: int, template: str | None = None) -> Iterator[str]:
        """A fresh copy of the seeded database with `count` mails; on disk before the round begins."""
        with self.empty_database("race", template or self.seeded) as name:
            if count < self.count:
                fresh = self._fresh("SELECT id FROM notifications WHERE created_at >= '{fresh}' ORDER BY id")
                self.postgres.rows(name, f"DELETE FROM notifications WHERE id IN ({fresh} OFFSET {count})")
            self.make_lasting(name, "notifications")
            yield name

    @contextmanager
    def empty_database(self, name: str, template: str = "template1") -> Iterator[str]:
        """A copy of `template`, by default without tables, for a peer that brings its own."""
        self.redis.server.flush()
        self.postgres.server.drop(name)
        self.postgres.copy(template, name)
        try:
            yield name
        finally:
            self.postgres.server.drop(name)

    def make_lasting(self, database: str, table: str = "") -> None:
        """Statistics as autovacuum would take them, and all on disk before the round begins."""
        self.postgres.rows(database, f"VACUUM (ANALYZE) {table}")
        self.postgres.rows(database, "CHECKPOINT")

    def peer_environ(self, database: str) -> dict[str, str]:
        """Where a peer finds what it works with."""
        return {
            "PEER_DATABASE_URL": self.postgres.server.url(database).replace("+asyncpg", ""),
            "PEER_BROKER_URL": self.redis.server.url(1),
            "PEER_SMTP": f"127.0.0.1:{self.sink.port}",
            "PEER_SECRET_KEYS": self.secret_keys,
        }

    def promise(self, database: str) -> None:
        """Make all mails due now, in one transaction."""
        self.postgres.rows(
            database, self._fresh("UPDATE notifications SET due_at = now() WHERE created_at >= '{fresh}'")
        )

    def await_end(
        self,
        database: str,
        process: subprocess.Popen[bytes],
        done: str | None = None,
        *,
        each: Callable[[], None] = lambda: None,
    ) -> None:
        """Return when the query `done` says so; `each` is called every quarter of a second.

        Raises TimeoutError, and RuntimeError when `process` has ended.
        """
        end = time.monotonic() + LIMIT_SECONDS
        while not self.postgres.rows(database, done or self._fresh(DONE))[0]["done"]:
            each()
            self.must_live(process)
            if time.monotonic() > end:
                raise TimeoutError(f"not done after {LIMIT_SECONDS:.0f} s:\n{self._logs()}")
            time.sleep(0.25)

    def must_live(self, *processes: subprocess.Popen[bytes]) -> None:
        """Raises RuntimeError with the end of all logs when one of `processes` has ended."""
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r} ended with code {process.returncode}:\n{self._logs()}")

    def _logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in self.folder.glob("*.log"))

    def result(self, database: str) -> Any:
        """What stands in the ledger at the end."""
        return self.postgres.rows(database, self._fresh(RESULT))[0]

    def _fresh(self, query: str) -> str:
        return query.format(fresh=self.fresh.isoformat())


@contextmanager
def open_arena(count: int, *, lane: Lane = Lane.NORMAL, kind: str = RECEIPT) -> Iterator[Arena]:
    """Servers in temporary folders, and `count` messages of `kind` that wait in the database `SEEDED`."""
    with bare_arena() as arena:
        arena.postgres.server.create(SEEDED)
        say(f"seeding {count} rows")
        environ = {
            "CLOSELOOP_SECRET_KEYS": arena.secret_keys,
            "CLOSELOOP_DATABASE_URL": arena.postgres.server.url(SEEDED),
        }
        seed(load_settings(environ, arena.folder), count, lane=lane, kind=kind)
        yield replace(arena, count=count)


@contextmanager
def bare_arena() -> Iterator[Arena]:
    """Servers in temporary folders, and no rows at all."""
    secret = f"bench:{base64.b64encode(os.urandom(32)).decode()}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="closeloop-bench-")))
        database = stack.enter_context(postgres())
        broker = stack.enter_context(redis_server())
        relay = stack.enter_context(mail_sink(folder))
        say(f"PostgreSQL {database.version}, Redis {broker.version}, {relay.program}")
        yield Arena(folder, database, broker, relay, secret, SEEDED, 0, datetime.now(UTC))


def checked(result: Mapping[str, Any], count: int) -> None:
    """Raises AssertionError unless each mail was sent once and is recorded so.

    An attempt of which it is certain that its mail did not leave (`not_started`: its time was too short;
    `retry`: no connection, or one that was lost before the final dot) is no second mail; one that ended
    `unknown` may be.
    """
    not_left = result.get("not_left", 0)
    found = (result["sent"], result["attempts"], result["all_attempts"] - not_left)
    if found != (count, count, count):
        told = f"; attempts: {result['outcomes']}" if "outcomes" in result else ""
        raise AssertionError(f"sent, successful attempts, all: {found} instead of {count} each{told}")
    if not_left:
        say(f"{not_left} attempts did not leave and were made again: {result['outcomes']}")
