"""Which messages are meant: by recipient (keyed hash), ticket, kind, state, channel and time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, literal_column, select

from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import Medium, NotificationState
from workers.directory import normal_email, normal_phone, region_of
from workers.unit_of_work import UnitOfWork

UNSETTLED = frozenset(
    {
        NotificationState.QUEUED,
        NotificationState.CLAIMED,
        NotificationState.SENDING,
        NotificationState.RETRYING,
    }
)
"""States of messages that still promise something: they have a `due_at`."""
RARE = frozenset(
    {
        NotificationState.BOUNCED,
        NotificationState.COMPLAINED,
        NotificationState.EXPIRED,
        NotificationState.FAILED,
        NotificationState.HELD,
        NotificationState.UNKNOWN,
    }
)
"""States that have an index of their own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What all of the wanted messages have; what is left out does not matter.

    `ticket` is a number, `recipient` a full mail address or phone number, the moments are aware and those of
    making: from `made_from` on, before `made_before`.
    """

    kind: str | None = None
    states: tuple[NotificationState, ...] = ()
    ticket: str | None = None
    channel: Medium | None = None
    recipient: str | None = None
    made_from: datetime | None = None
    made_before: datetime | None = None
    reason: str | None = None


def is_walked(wanted: Wanted) -> bool:
    """Whether no index leads to the wanted messages: they are looked for among all there are."""
    states = set(wanted.states)
    few = bool(states) and (states <= RARE or states <= UNSETTLED)
    led_to = few or wanted.made_from or wanted.made_before or wanted.ticket or wanted.recipient
    asked = wanted.kind or wanted.channel or wanted.reason or states
    return bool(asked) and not led_to


def matching(uow: UnitOfWork, wanted: Wanted) -> Select[Notification]:
    """The query for the wanted messages, unordered. Raises InvalidInput for a recipient without address."""
    query = select(Notification)
    if wanted.kind is not None:
        query = query.where(Notification.kind == wanted.kind)
    if wanted.states:
        query = query.where(_in_state(wanted.states))
    if wanted.reason is not None:
        query = query.where(Notification.reason == wanted.reason)
    if wanted.channel is not None:
        query = query.where(Notification.channel == wanted.channel)
    if wanted.ticket is not None:
        number = wanted.ticket.strip().upper()
        ticket = select(Ticket.id).where(Ticket.number == number).scalar_subquery()
        query = query.where(Notification.ticket_id == ticket)
    if wanted.recipient is not None:
        query = query.where(Notification.recipient_hash == _hash(uow, wanted.recipient))
    if wanted.made_from is not None:
        query = query.where(Notification.created_at >= wanted.made_from)
    if wanted.made_before is not None:
        query = query.where(Notification.created_at < wanted.made_before)
    return query


def _in_state(states: tuple[NotificationState, ...]) -> ColumnElement[bool]:
    """The condition with its words in the statement, so that the partial indexes on rare states are used;
    what waits or is under way is found among the rows that are still due.
    """
    words = Notification.state.in_([literal_column(f"'{state.value}'") for state in states])
    return and_(words, Notification.due_at.is_not(None)) if set(states) <= UNSETTLED else words


def _hash(uow: UnitOfWork, recipient: str) -> bytes:
    if "@" in recipient:
        return uow.vault.lookup("email", normal_email(recipient))
    return uow.vault.lookup("phone", normal_phone(recipient, region_of(uow.settings.timezone)))
