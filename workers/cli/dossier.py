"""Everything the database knows of one ticket, message or event, masked, with times in the team's zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from models.crypto import Erased, UnknownKey
from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.notifications import Notification
from models.people import Customer, Staff, Team
from models.surveys import Followup, Survey
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineState
from workers.directory import known_names
from workers.errors import NotFound
from workers.ledger import Story, stories
from workers.text import ERASED, mask_free_text
from workers.unit_of_work import UnitOfWork

TICKET_MOMENTS = (
    "received_at", "opened_at", "assigned_at", "accepted_at", "first_response_at", "planned_at",
    "expected_resolution_at", "transferred_at", "resolved_at", "feedback_at", "confirmed_at", "rated_at",
    "closed_at",
)  # fmt: skip # packed, to be read at a glance


def local(uow: UnitOfWork, moment: datetime | None) -> str | None:
    """A moment as ISO 8601 with the offset of the team's zone, to the second."""
    if moment is None:
        return None
    return moment.astimezone(ZoneInfo(uow.settings.timezone)).isoformat(sep=" ", timespec="seconds")


async def event_facts(uow: UnitOfWork, row: IntakeEvent) -> dict[str, Any]:
    """What may be shown of an event: codes, times in the team's zone, its ticket's number; no words."""
    from sqlalchemy import select

    from models.tickets import Ticket
    from workers.cli.dossier import local

    number = await uow.session.scalar(select(Ticket.number).where(Ticket.id == row.ticket_id))
    return {
        "id": str(row.id),
        "received_at": local(uow, row.received_at),
        "source": row.source,
        "kind": row.kind,
        "state": row.state.value,
        "reason": row.reason,
        "tries": row.tries,
        "ticket": number,
    }


async def find_dossier(uow: UnitOfWork, wanted: str) -> dict[str, Any]:
    """What is known of `wanted`: a ticket's or survey's number, or the id of a ticket, notification or event.

    Raises NotFound.
    """
    text = wanted.strip()
    ticket = await uow.session.scalar(select(Ticket).where(Ticket.number == text.upper()))
    if ticket is None:
        of_survey = select(Survey.ticket_id).where(Survey.number == text.upper())
        ticket = await uow.session.scalar(select(Ticket).where(Ticket.id == of_survey.scalar_subquery()))
    if ticket is not None:
        return await _of_ticket(uow, ticket)
    try:
        ident = UUID(text)
    except ValueError:
        ident = None
    if ident is not None:
        if (ticket := await uow.session.get(Ticket, ident)) is not None:
            return await _of_ticket(uow, ticket)
        if (message := await uow.session.get(Notification, ident)) is not None:
            return {
                "notification": (await _messages(uow, [message]))[0],
                "ticket": await _number(uow, message),
            }
        if (event := await uow.session.get(IntakeEvent, ident)) is not None:
            return {"event": await event_facts(uow, event)}
    raise NotFound(
        f"nothing is known of {text[:40]}",
        hint="give a ticket number (CS202405200001), a survey number (CSAT…), or a message's or event's id",
    )


async def _number(uow: UnitOfWork, message: Notification) -> str | None:
    return await uow.session.scalar(select(Ticket.number).where(Ticket.id == message.ticket_id))


async def _of_ticket(uow: UnitOfWork, ticket: Ticket) -> dict[str, Any]:
    session = uow.session
    staff = {row.id: row for row in await session.scalars(select(Staff))}
    customer = await session.get_one(Customer, ticket.customer_id)
    entries = await session.scalars(
        select(TicketEntry).where(TicketEntry.ticket_id == ticket.id).order_by(TicketEntry.at, TicketEntry.id)
    )
    deadlines = await session.scalars(
        select(Deadline).where(Deadline.ticket_id == ticket.id).order_by(Deadline.started_at, Deadline.id)
    )
    messages = await session.scalars(
        select(Notification).where(Notification.ticket_id == ticket.id).order_by(Notification.id)
    )
    events = await session.scalars(
        select(IntakeEvent).where(IntakeEvent.ticket_id == ticket.id).order_by(IntakeEvent.id)
    )
    handler = staff.get(ticket.handler_id) if ticket.handler_id else None
    teams = {row.id: row.name for row in await session.scalars(select(Team))}
    return {
        "ticket": {
            "number": ticket.number,
            "state": ticket.state.value,
            "priority": ticket.priority.value,
            "category": ticket.category.value,
            "customer": customer.masked or customer.code,
            "subject": await _words(uow, ticket, ticket.subject_sealed, "tickets.subject"),
            "handler": f"{handler.number} {handler.name}" if handler else None,
            "team": teams.get(ticket.team_id) if ticket.team_id else None,
            "first_team": teams.get(ticket.first_team_id) if ticket.first_team_id else None,
            "attention": ticket.attention,
            "overdue_count": ticket.overdue_count,
            "opening": ticket.opening,
            **{name: local(uow, getattr(ticket, name)) for name in TICKET_MOMENTS if getattr(ticket, name)},
        },
        "entries": [await _entry(uow, ticket, entry, staff) for entry in entries],
        "deadlines": [_deadline(uow, row, staff) for row in deadlines],
        "notifications": await _messages(uow, list(messages)),
        "events": [await event_facts(uow, event) for event in events if event.source != "delivery"],
        "surveys": [_survey(uow, row) for row in await _all(uow, Survey, ticket)],
        "followups": [_followup(uow, row, staff) for row in await _all(uow, Followup, ticket)],
    }


async def _all(uow: UnitOfWork, model: Any, ticket: Ticket) -> list[Any]:
    return list(
        await uow.session.scalars(select(model).where(model.ticket_id == ticket.id).order_by(model.id))
    )


async def _words(uow: UnitOfWork, ticket: Ticket, sealed: bytes | None, place: str) -> str:
    try:
        sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
        names = await known_names(uow, ticket.customer_id)
        return mask_free_text(sealer.text(sealed, place), names=names)
    except Erased:
        return ERASED
    except UnknownKey:
        return "(key missing)"


async def _entry(
    uow: UnitOfWork, ticket: Ticket, entry: TicketEntry, staff: dict[UUID, Staff]
) -> dict[str, Any]:
    by = staff.get(entry.staff_id) if entry.staff_id else None
    words: dict[str, str] = {}
    if entry.words_sealed is not None:
        try:
            sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
            said = sealer.json(entry.words_sealed, "ticket_entries.words")
            names = await known_names(uow, ticket.customer_id)
            words = {part: mask_free_text(str(text), names=names) for part, text in said.items() if text}
        except Erased:
            words = {"words": ERASED}
        except UnknownKey:
            words = {"words": "(key missing)"}
    return {
        "at": local(uow, entry.at),
        "kind": entry.kind,
        "by": by.number if by else entry.actor,
        "facts": entry.facts,
        "words": words,
        "evidence": entry.evidence,
        "notification": str(entry.notification_id) if entry.notification_id else None,
        "corrects": str(entry.corrects_id) if entry.corrects_id else None,
    }


def _deadline(uow: UnitOfWork, row: Deadline, staff: dict[UUID, Staff]) -> dict[str, Any]:
    by = staff.get(row.acknowledged_by) if row.acknowledged_by else None
    return {
        "kind": row.kind.value,
        "generation": row.generation,
        "state": row.state.value,
        "verdict": _verdict(row),
        "started_at": local(uow, row.started_at),
        "limit_at": local(uow, row.limit_at),
        "paused_at": local(uow, row.paused_at),
        "met_at": local(uow, row.met_at),
        "breached_at": local(uow, row.breached_at),
        "next_alarm_at": local(uow, row.due_at),
        "ended_reason": row.ended_reason,
        "acknowledged_at": local(uow, row.acknowledged_at),
        "acknowledged_by": by.number if by else None,
    }


def _verdict(row: Deadline) -> str:
    """met, met_late, breached (not met yet), running, paused, or withdrawn."""
    if row.met_at is not None and row.limit_at is not None:
        return "met" if row.met_at <= row.limit_at else "met_late"
    return "met" if row.state is DeadlineState.MET else row.state.value


async def _messages(uow: UnitOfWork, rows: Sequence[Notification]) -> list[dict[str, Any]]:
    """Messages with their stories; recipients as staff number or masked."""
    return [_message(uow, story) for story in await stories(uow, rows)]


def _message(uow: UnitOfWork, story: Story) -> dict[str, Any]:
    row = story.row
    timeline: list[dict[str, Any]] = [
        {"at": local(uow, each.at), "what": each.what, "facts": _local_facts(uow, each.facts)}
        for each in story.moments
    ]
    return {
        "id": str(row.id),
        "kind": row.kind,
        "channel": row.channel.value,
        "lane": row.lane.value,
        "to": story.to,
        "state": row.state.value,
        "reason": row.reason,
        "created_at": local(uow, row.created_at),
        "due_at": local(uow, row.due_at),
        "sent_at": local(uow, row.sent_at),
        "message_id": row.message_id,
        "why": _local_facts(uow, story.why),
        "attempts": [
            {"started_at": each["at"], **each["facts"]} for each in timeline if each["what"] == "attempt"
        ],
        "receipts": [{"at": each["at"], **each["facts"]} for each in timeline if each["what"] == "receipt"],
        "timeline": timeline,
    }


def _local_facts(uow: UnitOfWork, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: local(uow, value) if isinstance(value, datetime) else value for name, value in facts.items()
    }


def _survey(uow: UnitOfWork, row: Survey) -> dict[str, Any]:
    moments = {name: local(uow, getattr(row, name)) for name in ("invited_at", "expires_at", "answered_at")}
    return {"number": row.number, "state": row.state, "channel": row.channel.value, **moments}


def _followup(uow: UnitOfWork, row: Followup, staff: dict[UUID, Staff]) -> dict[str, Any]:
    owner = staff.get(row.owner_id) if row.owner_id else None
    answers = staff.get(row.measure_owner_id) if row.measure_owner_id else None
    names = ("opened_at", "start_by", "started_at", "measured_at", "due_at", "evaluated_at")
    moments = {name: local(uow, getattr(row, name)) for name in names}
    return {
        "state": row.state.value,
        "round": row.round,
        "owner": owner.number if owner else None,
        "tries": row.tries,
        "cause": row.cause,
        "measure_owner": answers.number if answers else None,
        **moments,
    }
