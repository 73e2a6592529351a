"""The full story of a message: why it was made, each attempt, each receipt, what people did about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select

from models.base import Base
from models.crypto import Erased, UnknownKey
from models.deadlines import Deadline
from models.notifications import DeliveryAttempt, Notification, Receipt
from models.people import Staff
from models.surveys import Survey
from models.tickets import Ticket, TicketEntry
from models.vocabulary import Medium
from workers.text import ERASED, mask_contact, mask_free_text
from workers.unit_of_work import UnitOfWork

Row = TypeVar("Row", bound=Base)


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a message: `what` is made, attempt, receipt or noted; `at` is promise time.

    `facts` are codes, numbers and moments; what the other side said is masked.
    """

    at: datetime
    what: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """A message, whom it is for (staff number and name, or masked), why it was made, what happened then."""

    row: Notification
    to: str
    why: dict[str, Any]
    moments: tuple[Moment, ...]

    @property
    def ticket(self) -> str | None:
        """The number of the ticket it is about."""
        number: str | None = self.why["ticket"]
        return number


async def stories(uow: UnitOfWork, rows: Sequence[Notification]) -> list[Story]:
    """The stories of `rows`, in their order, by a handful of queries however many they are."""
    ids = [row.id for row in rows]
    happened: defaultdict[UUID, list[Moment]] = defaultdict(list)
    for attempt in await uow.session.scalars(
        select(DeliveryAttempt).where(DeliveryAttempt.notification_id.in_(ids)).order_by(DeliveryAttempt.id)
    ):
        happened[attempt.notification_id].append(_attempt(attempt))
    for receipt in await uow.session.scalars(
        select(Receipt).where(Receipt.notification_id.in_(ids)).order_by(Receipt.id)
    ):
        if receipt.notification_id is not None:
            happened[receipt.notification_id].append(_receipt(receipt))
    people = await _by_id(uow, Staff, None)
    tickets = {row.ticket_id for row in rows}
    for entry in await uow.session.scalars(
        select(TicketEntry)
        .where(TicketEntry.ticket_id.in_(tickets), TicketEntry.notification_id.in_(ids))
        .order_by(TicketEntry.id)
    ):
        if entry.notification_id is not None:
            happened[entry.notification_id].append(_entry(entry, people))
    reasons = await _reasons(uow, rows)
    await uow.vault.warm(uow.session, [row.data_key_id for row in rows if row.staff_id is None])
    return [
        Story(
            row,
            await _recipient(uow, row, people),
            reasons[row.id],
            tuple(sorted([_made(row, reasons[row.id]), *happened[row.id]], key=_when)),
        )
        for row in rows
    ]


def _when(moment: Moment) -> datetime:
    return moment.at


async def _by_id(uow: UnitOfWork, model: type[Row], ids: Collection[UUID | None] | None) -> dict[Any, Row]:
    """Rows by their ids; all there are for None."""
    query = select(model)
    if ids is not None:
        query = query.where(model.__table__.c.id.in_({ident for ident in ids if ident}))
    return {row.__dict__["id"]: row for row in await uow.session.scalars(query)}


async def _reasons(uow: UnitOfWork, rows: Sequence[Notification]) -> dict[UUID, dict[str, Any]]:
    """Why each was made: ticket, deadline, survey, and what in its key tells this reason from the next."""
    tickets = await _by_id(uow, Ticket, [row.ticket_id for row in rows])
    deadlines = await _by_id(uow, Deadline, [row.deadline_id for row in rows])
    surveys = await _by_id(uow, Survey, [row.survey_id for row in rows])
    reasons: dict[UUID, dict[str, Any]] = {}
    for row in rows:
        reason, generation, rung, _, _ = row.key.rsplit(":", 4)  # the fact may hold colons itself
        ticket, clock = tickets.get(row.ticket_id), deadlines.get(row.deadline_id)
        survey = surveys.get(row.survey_id)
        reasons[row.id] = {
            "ticket": ticket.number if ticket else None,
            "fact": reason.partition(":")[2],
            "generation": int(generation),
            "rung": int(rung),
            "deadline": clock.kind.value if clock else None,
            "limit_at": clock.limit_at if clock else None,
            "survey": survey.number if survey else None,
            "meets": row.meets,
        }
    return reasons


def _made(row: Notification, why: dict[str, Any]) -> Moment:
    told = {
        name: why[name] for name in ("fact", "generation", "rung", "deadline", "limit_at", "survey", "meets")
    }
    facts = {"kind": row.kind, "channel": row.channel.value, "lane": row.lane.value, **told}
    return Moment(row.created_at, "made", {**facts, "expires_at": row.expires_at})


def _attempt(row: DeliveryAttempt) -> Moment:
    facts = {
        "outcome": row.outcome or "under_way",
        "reason": row.reason,
        "code": row.code,
        "text": mask_free_text(row.text) if row.text else None,
        "host": row.host,
        "tls": row.tls,
        "seconds": row.seconds,
        "finished_at": row.finished_at,
        "provider_id": row.provider_id,
        "claim": row.lease_token.hex,
    }
    return Moment(row.started_at, "attempt", facts)


def _receipt(row: Receipt) -> Moment:
    return Moment(row.at, "receipt", {"kind": row.kind, "reason": row.reason, "source": row.source})


def _entry(row: TicketEntry, people: dict[Any, Staff]) -> Moment:
    by = people.get(row.staff_id)
    return Moment(row.at, "noted", {"entry": row.kind, "by": by.number if by else row.actor, **row.facts})


async def _recipient(uow: UnitOfWork, row: Notification, people: dict[Any, Staff]) -> str:
    person = people.get(row.staff_id)
    if person is not None:
        return f"{person.number} {person.name}"
    try:
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
        address = sealer.text(row.recipient_sealed, "notifications.recipient")
        return address if row.channel is Medium.CHAT else mask_contact(address)
    except Erased:
        return ERASED
    except UnknownKey:
        return "(key missing)"
