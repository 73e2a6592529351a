"""What a transaction for many mails or alarms has looked up beforehand, so that none of them asks again.

Each look-up of its own would first write what the one before has changed: asked for together, and with
nothing asked in between, all rows of all mails are written at the end, one statement per table.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from models.base import Base
from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Absence, Customer, Duty, Staff, Team
from models.tickets import Ticket

UNIQUE = {
    "customers": "email_hash",
    "deadlines": "key",
    "links": "token_hash",
    "notifications": "key",
    "ticket_messages": "message_hash",
}
HASHES = ("message_hash", "recipient_hash", "email_hash")


@dataclass(frozen=True, slots=True)
class OfTickets:
    """What was looked up about tickets that the transaction has locked.

    `rows` are kept, so that the session finds them by their ids without asking. `under_way`: (ticket, kind of
    deadline that its acceptance meets) of messages being sent; kind "" for one that was accepted and is not
    judged yet. `replaced`: (ticket, "kind:reason", beginning) of breached deadlines that ended with a reason.
    """

    ids: frozenset[UUID]
    rows: Sequence[Base]
    under_way: Set[tuple[UUID, str]]
    replaced: Set[tuple[UUID, str, datetime]]


@dataclass(frozen=True, slots=True)
class Heard:
    """A breach that somebody was told of by a notification of their own; `waits`: it has not left yet."""

    ident: UUID
    ticket_id: UUID | None
    waits: bool


@dataclass(slots=True)
class Ahead:
    """Read at the transaction's beginning: active staff by number, teams by id, customers by keyed hash of
    their address, (table, keyed hash) of what is not there. `note` keeps it true. `left` is how many mails
    have not been filed yet.

    `audience`: staff who may be told of these tickets. Kept here once asked for are absences and duties of
    now, who is present because of them (`directory.presence`), what each heard of breaches within a minute,
    and the digests that are being gathered by their keys (None: there is none). `alone`: whether nobody
    else may begin one; `joining`: what becomes a line of which digest at its end.
    """

    staff: Sequence[Staff]
    teams: Sequence[Team]
    customers: dict[bytes, Customer]
    absent: set[tuple[str, bytes]]
    absences: Sequence[Absence] | None = None
    duties: Sequence[Duty] | None = None
    presence: object = None
    audience: Set[UUID] = frozenset()
    breaches: dict[UUID, list[Heard]] = field(default_factory=dict)
    digests: dict[str, Notification | None] = field(default_factory=dict)
    alone: bool = False
    joining: dict[UUID, UUID] = field(default_factory=dict)
    of_tickets: OfTickets | None = None
    left: int = 1
    numbers: dict[str, deque[int]] = field(default_factory=lambda: defaultdict(deque))
    turns: dict[str, int] = field(default_factory=dict)
    _made: dict[UUID, Base] = field(default_factory=dict)
    _known: dict[UUID, Base] = field(default_factory=dict)
    _keys: set[tuple[str, Any]] = field(default_factory=set)
    _deadlines: dict[UUID, list[Deadline]] = field(default_factory=lambda: defaultdict(list))
    _told: dict[UUID, list[tuple[UUID | None, datetime]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known.update((row.id, row) for row in self.staff)
        self._known.update((row.id, row) for row in self.teams)
        self._known.update((row.id, row) for row in self.customers.values())
        rows = self.of_tickets.rows if self.of_tickets is not None else ()
        self._known.update((row.id, row) for row in rows if isinstance(row, Ticket | Customer | Deadline))

    def fits(self, row: Base) -> bool:
        """Whether `row` belongs to nothing older than this transaction, or to a ticket that it has locked and
        whose keys it knows: its keys are taken for new.
        """
        ticket_id = row.__dict__.get("ticket_id")
        return ticket_id is None or ticket_id in self._made or self.holds(ticket_id)

    def holds(self, ticket_id: UUID) -> bool:
        """Whether this ticket is locked, and `of_tickets` knows of it."""
        return self.of_tickets is not None and ticket_id in self.of_tickets.ids

    def take_keys(self, table: str, keys: Iterable[Any]) -> None:
        """These unique keys of a table (the column that UNIQUE names) are taken already."""
        self._keys.update((table, key) for key in keys)

    def take_told(
        self, deadline_ids: Iterable[UUID], told: Iterable[tuple[UUID | None, UUID | None, datetime]]
    ) -> None:
        """(deadline, staff, when) is all that anybody was told of these deadlines."""
        self._told.update((ident, []) for ident in deadline_ids)
        for deadline_id, staff_id, at in told:
            if deadline_id is not None:
                self._told[deadline_id].append((staff_id, at))

    def told(self, deadline_id: UUID, since: datetime) -> set[UUID | None] | None:
        """Whom of the staff something was told of a deadline at `since` or later; None: ask."""
        known = self._told.get(deadline_id)
        return None if known is None else {staff_id for staff_id, at in known if at >= since}

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
            if self.of_tickets is not None:
                self._told[row.id] = []
        if isinstance(row, Notification) and row.deadline_id in self._told:
            self._told[row.deadline_id].append((row.staff_id, row.created_at))
        for name in HASHES:
            if values.get(name) is not None:
                self.absent.discard((row.__tablename__, values[name]))

    def made(self, ident: UUID) -> Base | None:
        """The row with this id, if this transaction has made it."""
        return self._made.get(ident)

    def known(self, ident: UUID) -> Base | None:
        """The row with this id, if it was read at the beginning or made since."""
        return self._known.get(ident) or self._made.get(ident)

    def deadlines_of(self, ticket_id: UUID) -> list[Deadline]:
        """All deadlines of a ticket that this transaction has made, in the order of their ids."""
        return list(self._deadlines[ticket_id])

    def lacks(self, table: str, keys: Iterable[bytes]) -> bool:
        """Whether all of `keys` are known not to be in `table`."""
        return all((table, key) in self.absent for key in keys)
