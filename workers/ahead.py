"""What a transaction for many mails has looked up beforehand, so that none of them asks again.

Each look-up of its own would first write what the mail before has changed: asked for together, and with
nothing asked in between, all rows of all mails are written at the end, one statement per table.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from models.base import Base
from models.deadlines import Deadline
from models.people import Customer, Staff, Team

UNIQUE = {
    "customers": "email_hash",
    "deadlines": "key",
    "links": "token_hash",
    "notifications": "key",
    "ticket_messages": "message_hash",
}
HASHES = ("message_hash", "recipient_hash", "email_hash")


@dataclass(slots=True)
class Ahead:
    """Read at the transaction's beginning: active staff by number, teams by id, customers by keyed hash of
    their address, and (table, keyed hash) of what is not there. `note` keeps it true.
    """

    staff: Sequence[Staff]
    teams: Sequence[Team]
    customers: dict[bytes, Customer]
    absent: set[tuple[str, bytes]]
    numbers: dict[str, deque[int]] = field(default_factory=lambda: defaultdict(deque))
    _made: dict[UUID, Base] = field(default_factory=dict)
    _keys: set[tuple[str, Any]] = field(default_factory=set)
    _deadlines: dict[UUID, list[Deadline]] = field(default_factory=lambda: defaultdict(list))

    def fits(self, row: Base) -> bool:
        """Whether `row` belongs to nothing older than this transaction: its keys are taken for new."""
        ticket_id = row.__dict__.get("ticket_id")
        return ticket_id is None or ticket_id in self._made

    def knows(self, row: Base) -> bool:
        """Whether this transaction has made a row of the same unique key."""
        name = UNIQUE.get(row.__tablename__)
        return name is not None and (row.__tablename__, row.__dict__.get(name)) in self._keys

    def note(self, row: Base) -> None:
        """`row` is new in this transaction, and may not have been written yet."""
        values: dict[str, Any] = row.__dict__
        if (name := UNIQUE.get(row.__tablename__)) and values.get(name) is not None:
            self._keys.add((row.__tablename__, values[name]))
        if "id" in values:
            self._made[values["id"]] = row
        if isinstance(row, Customer) and row.email_hash is not None:
            self.customers[row.email_hash] = row
        if isinstance(row, Deadline):
            self._deadlines[row.ticket_id].append(row)
        for name in HASHES:
            if values.get(name) is not None:
                self.absent.discard((row.__tablename__, values[name]))

    def made(self, ident: UUID) -> Base | None:
        """The row with this id, if this transaction has made it."""
        return self._made.get(ident)

    def deadlines_of(self, ticket_id: UUID) -> list[Deadline]:
        """All deadlines of a ticket that this transaction has made, in the order of their ids."""
        return list(self._deadlines[ticket_id])

    def lacks(self, table: str, keys: Iterable[bytes]) -> bool:
        """Whether all of `keys` are known not to be in `table`."""
        return all((table, key) in self.absent for key in keys)
