"""One thing to look at, and what a look around gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, true

from models.people import Staff
from models.vocabulary import TicketState
from workers.access import seen_by, seen_rows
from workers.unit_of_work import UnitOfWork

OPEN = tuple(state for state in TicketState if state is not TicketState.CLOSED)


class What(StrEnum):
    """Kinds of things to look at."""

    BREACHED = "breached"
    UNASSIGNED = "unassigned"
    NEEDS_TRIAGE = "needs_triage"
    BROKEN_RUNG = "broken_rung"
    NOBODY_TO_TELL = "nobody_to_tell"
    CHAT_LATE = "chat_late"
    POISON_EVENT = "poison_event"
    FORWARD_CONFIRMATION = "forward_confirmation"
    UNKNOWN_SMS = "unknown_sms"
    DELAYED_MESSAGE = "delayed_message"
    HELD_MESSAGE = "held_message"
    MAILBOX = "mailbox"
    KEY_MISSING = "key_missing"
    STUCK_DEADLINE = "stuck_deadline"
    STUCK_ERRAND = "stuck_errand"
    WEBHOOK = "webhook"
    BACKUP = "backup"
    STORAGE = "storage"


OF_THE_HOUSE = frozenset(
    {
        What.POISON_EVENT,
        What.FORWARD_CONFIRMATION,
        What.MAILBOX,
        What.STUCK_ERRAND,
        What.WEBHOOK,
        What.BACKUP,
        What.STORAGE,
    }
)
"""Kinds that belong to no ticket: no agent is shown them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to look at; `since` is promise time, but for mailboxes. `id` is that of the notification,
    event, deadline, errand, mailbox, endpoint or ticket; `version` that of a ticket.
    """

    what: What
    since: datetime
    id: UUID
    ticket: str | None = None
    reason: str | None = None
    kind: str | None = None
    staff: str | None = None
    passed_on_to: list[str] = field(default_factory=list)


Looked = tuple[int, list[Item]]
"""How many there are, and the newest of them."""


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks (None: a system, which sees all), in which transaction, and how many items at most."""

    uow: UnitOfWork
    person: Staff | None
    limit: int

    def seen(self, table: type) -> ColumnElement[bool]:
        """The condition that rows of a table which belong to tickets are for this person to see."""
        return seen_rows(self.person, table)

    def seen_tickets(self) -> ColumnElement[bool]:
        """The same on the tickets themselves."""
        return true() if self.person is None else seen_by(self.person)
