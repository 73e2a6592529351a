"""The installation's database, looked at from outside, read-only: what the story shows and proves."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a ticket's log. `facts` are codes and times; `by`: staff number, `customer`, `system`."""

    ident: str
    at: datetime
    ticket: str
    kind: str
    by: str
    facts: dict[str, Any] = field(default_factory=dict)


class Ledger:
    """Queries over an SQLite file that another process writes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None
        self._seen: set[str] = set()
        self._kinds: dict[str, str] = {}

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """The rows of a SELECT."""
        if self._connection is None:
            # Autocommit: each query sees what is committed by then.
            where = f"file:{self._file}?mode=ro"
            self._connection = sqlite3.connect(where, uri=True, isolation_level=None, timeout=5)
            self._connection.row_factory = sqlite3.Row
        return self._connection.execute(query, values).fetchall()

    def value(self, query: str, *values: object) -> Any:
        """The first column of the first row, None when there is no row."""
        found = self.rows(query, *values)
        return found[0][0] if found else None

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def new_entries(self) -> Iterator[Entry]:
        """Log lines of all tickets that have not been given before, in their order of time."""
        found = self.rows(
            "SELECT e.id, e.at, e.kind, e.actor, e.facts, t.number, s.number AS staff FROM ticket_entries e"
            " JOIN tickets t ON t.id = e.ticket_id LEFT JOIN staff s ON s.id = e.staff_id ORDER BY e.at, e.id"
        )
        for row in found:
            if row["id"] not in self._seen:
                self._seen.add(row["id"])
                by, facts = row["staff"] or row["actor"], json.loads(row["facts"])
                yield Entry(row["id"], moment(row["at"]), row["number"], row["kind"], by, facts)

    def events(self) -> list[sqlite3.Row]:
        """All that came in from outside, oldest first."""
        return self.rows(
            "SELECT e.id, e.source, e.external_id, e.kind, e.state, e.received_at, t.number AS ticket"
            " FROM intake_events e LEFT JOIN tickets t ON t.id = e.ticket_id WHERE e.source != 'delivery'"
            " ORDER BY e.received_at, e.id"
        )

    def kind_of(self, notification: str) -> str:
        """What kind of message a caught mail is, by the id in its header ('' for a foreign one)."""
        if notification not in self._kinds:
            found = self.value("SELECT kind FROM notifications WHERE id = ?", notification)
            if found is None:
                return ""
            self._kinds[notification] = str(found)
        return self._kinds[notification]

    def ticket_of(self, notification: str) -> str:
        """The number of the ticket that a caught mail is about."""
        query = "SELECT t.number FROM notifications n JOIN tickets t ON t.id = n.ticket_id WHERE n.id = ?"
        return str(self.value(query, notification) or "")

    def purpose_of(self, token: str) -> str:
        """What a link allows; the database knows only the hash of its token."""
        digest = hashlib.sha256(token.encode()).digest()
        return str(self.value("SELECT purpose FROM links WHERE token_hash = ?", digest) or "")

    def messages_by_kind(self) -> list[tuple[str, str, str, int]]:
        """(kind, channel, state, how many) of all messages."""
        found = self.rows(
            "SELECT kind, channel, state || coalesce(' (' || reason || ')', '') AS state, count(*) AS number"
            " FROM notifications GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        )
        return [(row["kind"], row["channel"], row["state"], row["number"]) for row in found]


def moment(text: str) -> datetime:
    """A stored moment (UTC without its zone, as SQLite keeps it)."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
