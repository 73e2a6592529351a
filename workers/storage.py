"""A database that takes nothing more (its disk is full, or it is read-only): known at once, said once.

Whoever wants something stored gets an error, and the other side tries again; nothing is lost by it. Here it
is only noted that it is so, for the log, readiness, figures and whoever looks at what is to be done.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

FULL, READ_ONLY = "disk_full", "read_only"
SQLSTATES = {"53100": FULL, "25006": READ_ONLY}
"""postgresql.org/docs/current/errcodes-appendix.html: disk_full, read_only_sql_transaction."""
WORDS = {"database or disk is full": FULL, "attempt to write a readonly database": READ_ONLY}
"""sqlite.org/rescode.html: SQLITE_FULL, SQLITE_READONLY."""
HINTS = {
    FULL: "make room on the disk of the database: what waits goes on by itself",
    READ_ONLY: "the database takes no changes: is it a standby, or its file not writable?",
}
DEEP = 8


def trouble_of(error: BaseException | None) -> str | None:
    """`disk_full` or `read_only` when this error, or what it came from, says so; else None."""
    for _ in range(DEEP):
        if error is None:
            return None
        state = str(getattr(error, "sqlstate", "") or "")
        if state in SQLSTATES:
            return SQLSTATES[state]
        if type(error).__module__ == "sqlite3":
            return next((code for words, code in WORDS.items() if words in str(error)), None)
        error = getattr(error, "orig", None) or error.__cause__
    return None


class Level(Protocol):
    """What shows a number, such as a gauge of Prometheus."""

    def set(self, value: float) -> None:
        """Show this number."""
        ...


class Storage:
    """Whether the database takes changes, as this process has last seen. One per process, for all threads."""

    def __init__(self, level: Level | None = None) -> None:
        self._lock = threading.Lock()
        self._level = level
        self.trouble: str | None = None
        self.since: datetime | None = None

    def failed(self, error: BaseException) -> None:
        """A transaction failed; said once when it is because nothing can be stored."""
        code = trouble_of(error)
        if code is None:
            return
        with self._lock:
            new = self.trouble != code
            self.trouble, self.since = code, self.since or datetime.now(UTC)
        if new:
            log.critical("nothing_can_be_stored", trouble=code, hint=HINTS[code])
            if self._level is not None:
                self._level.set(1)

    def stored(self) -> None:
        """A transaction was committed that may have changed something."""
        if self.trouble is None:
            return
        with self._lock:
            was, self.trouble, self.since = self.trouble, None, None
        log.warning("stored_again", trouble=was)
        if self._level is not None:
            self._level.set(0)


class Once:
    """A processor of the log: what cannot be stored is told once a minute, not by all whom it hinders."""

    def __init__(self, every: float = 60.0) -> None:
        self._every = every
        self._said: dict[str, datetime] = {}

    def hinders(self, error: BaseException | None) -> bool:
        """Whether this error is one of those, and was told a moment ago."""
        code = trouble_of(error)
        if code is None:
            return False
        now = datetime.now(UTC)
        said = self._said.get(code)
        if said is not None and (now - said).total_seconds() < self._every:
            return True
        self._said[code] = now
        return False
