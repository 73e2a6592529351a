"""The common ground of all sides of a race: the same servers, the same rows, the same accounts."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.bench.processes import cpu_seconds, family, machine_seconds, peak_mb
from ops.bench.servers import Postgres, Redis, Sink

DONE = "SELECT NOT EXISTS (SELECT FROM notifications WHERE due_at IS NOT NULL) AS done"
RESULT = """
    SELECT count(*) FILTER (WHERE state = 'sent') AS sent,
           (SELECT count(*) FROM delivery_attempts WHERE outcome = 'sent') AS attempts,
           (SELECT count(*) FROM delivery_attempts) AS all_attempts,
           (SELECT min(started_at) FROM delivery_attempts) AS first_attempt,
           max(pg_xact_commit_timestamp(xmin)) FILTER (WHERE state = 'sent') AS last_recorded
    FROM notifications
"""
LIMIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Arena:
    """Servers, and the name of the seeded database that each round starts from a copy of."""

    folder: Path
    postgres: Postgres
    redis: Redis
    sink: Sink
    secret_keys: str
    seeded: str

    @contextmanager
    def database(self, count: int) -> Iterator[str]:
        """A fresh copy of the seeded database with `count` mails; on disk before the round begins."""
        name = "race"
        self.redis.server.flush()
        self.postgres.server.drop(name)
        self.postgres.server.create(name, self.seeded)
        keep = f"SELECT id FROM notifications ORDER BY id LIMIT {count}"
        self.postgres.rows(name, f"DELETE FROM notifications WHERE id NOT IN ({keep})")
        self.postgres.rows(name, "VACUUM (ANALYZE) notifications")
        self.postgres.rows(name, "CHECKPOINT")
        try:
            yield name
        finally:
            self.postgres.server.drop(name)

    def promise(self, database: str) -> None:
        """Make all mails due now, in one transaction."""
        self.postgres.rows(database, "UPDATE notifications SET due_at = now()")

    def await_end(self, database: str, process: subprocess.Popen[bytes]) -> None:
        """Return when no mail is left to do. Raises TimeoutError, RuntimeError when `process` has ended."""
        end = time.monotonic() + LIMIT_SECONDS
        while not self.postgres.rows(database, DONE)[0]["done"]:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r} ended with code {process.returncode}:\n{self._logs()}")
            if time.monotonic() > end:
                raise TimeoutError(f"not done after {LIMIT_SECONDS:.0f} s:\n{self._logs()}")
            time.sleep(0.25)

    def _logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in self.folder.glob("*.log"))

    def result(self, database: str) -> Any:
        """What stands in the ledger at the end."""
        return self.postgres.rows(database, RESULT)[0]


class Meter:
    """CPU of the workers, their helpers, and the servers during a race, and the workers' memory."""

    def __init__(self, arena: Arena, workers: Sequence[int], helpers: Sequence[int] = ()) -> None:
        self._groups = {
            "worker": list(workers),
            "helper": list(helpers),
            "database": [arena.postgres.pid],
            "broker": [arena.redis.pid],
            "sink": [arena.sink.pid],
        }
        self._before = self._read()
        self._machine, self._began = machine_seconds(), time.monotonic()

    def figures(self, count: int, seconds: float) -> dict[str, Any]:
        """CPU milliseconds per mail by group, and the workers' peak memory in MB (each, highest first)."""
        busy = (machine_seconds() - self._machine) / (time.monotonic() - self._began)
        spent = {name: after - self._before[name] for name, after in self._read().items()}
        peaks = sorted((peak_mb(one) for pid in self._groups["worker"] for one in family(pid)), reverse=True)
        per_mail = {f"{name}_cpu_ms_per_mail": _round(value * 1000 / count) for name, value in spent.items()}
        return {
            "mails": count,
            "seconds": _round(seconds),
            "mails_per_second": _round(count / seconds),
            **per_mail,
            "all_workers_cpu_ms_per_mail": _round((spent["worker"] + spent["helper"]) * 1000 / count),
            "cores_busy": _round(sum(spent.values()) / seconds),
            "cores_busy_by_others": _round(max(0.0, busy - sum(spent.values()) / seconds)),
            "worker_peak_mb": _round(peaks[0]),
            "worker_peaks_mb": [_round(value) for value in peaks],
        }

    def _read(self) -> dict[str, float]:
        return {name: sum(cpu_seconds(pid) for pid in pids) for name, pids in self._groups.items()}


def settle(pids: Sequence[int], *, least: float = 3.0, most: float = 60.0) -> None:
    """Wait until processes have started up: at least `least` seconds, then until they take next to no CPU."""
    end = time.monotonic() + most
    time.sleep(least)
    calm = 0
    while calm < 2 and time.monotonic() < end:
        before = sum(cpu_seconds(pid) for pid in pids)
        time.sleep(0.5)
        calm = calm + 1 if sum(cpu_seconds(pid) for pid in pids) - before < 0.1 else 0


def checked(result: Any, count: int) -> None:
    """Raises AssertionError unless each mail was sent once and is recorded so."""
    found = (result["sent"], result["attempts"], result["all_attempts"])
    if found != (count, count, count):
        raise AssertionError(f"sent, successful attempts, attempts: {found} instead of {count} each")


def _round(value: float) -> float:
    return round(value, 3)
