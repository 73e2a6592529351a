"""Record a talk with a customer 沟通记录."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from models.base import new_id
from models.communications import Communication
from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import CommunicationState, Medium
from workers import history, tickets
from workers.communications import reminding
from workers.communications.entries import facts_of, note
from workers.communications.times import time_in
from workers.communications.words import PARTS, PLACE
from workers.errors import Conflict, InvalidInput
from workers.unit_of_work import UnitOfWork

CHANNELS = (Medium.PHONE, Medium.EMAIL, Medium.CHAT, Medium.SMS)
SPOKEN = (Medium.PHONE, Medium.CHAT)
USUAL_LENGTH = 200
PROMPT = timedelta(minutes=5)
"""What is entered later than that after the talk is a late entry 补录."""
VAGUE = frozenset(
    {"", "-", "无", "暂无", "待定", "未定", "再说", "none", "n/a", "na", "nothing", "tbd", "pending"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What was said, and what follows. `happened_at` (aware) is now if None; `next_at` as people write it.

    `reached`: the customer was on the line, so that on a ticket it may be the first response.
    """

    channel: Medium
    description: str
    summary: str = ""
    solution: str = ""
    next_action: str = ""
    next_at: str = ""
    happened_at: datetime | None = None
    closed: bool = False
    reached: bool = False
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The record, what its writer should know (codes), and whether it is new."""

    row: Communication
    warnings: tuple[str, ...]
    new: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """A talk that can be recorded: when it was, and when the next action is due (UTC)."""

    happened_at: datetime
    next_at: datetime | None
    late: bool
    warnings: tuple[str, ...]


def check(uow: UnitOfWork, talk: Talk) -> Checked:
    """Whether a talk can be recorded as it is. Raises InvalidInput that says what is lacking."""
    now = uow.clock.now()
    happened_at = talk.happened_at.astimezone(UTC) if talk.happened_at else now
    if happened_at > now + PROMPT:
        raise InvalidInput(
            "a talk cannot have happened in the future", hint="give the time when it took place"
        )
    if talk.channel not in CHANNELS:
        raise InvalidInput("this is no channel of a talk", hint=f"use one of {', '.join(CHANNELS)}")
    if not talk.description.strip():
        raise InvalidInput("the description is missing", hint="say what was talked about")
    late = happened_at < now - PROMPT
    if talk.closed:
        must_be_definite(talk.solution)
        next_at = None
    else:
        next_at = due_time(uow, talk.next_action, talk.next_at, happened_at)
        if next_at <= now and not late:
            raise InvalidInput("the next action lies in the past", hint="give a time that is still to come")
    warnings = ["late_entry"] if late else []
    if len(talk.description) > USUAL_LENGTH:
        warnings.append("description_long")
    if late and talk.reached:
        warnings.append("late_entry_meets_no_limit")
    return Checked(happened_at, next_at, late, tuple(warnings))


def must_be_definite(solution: str) -> None:
    """Raises InvalidInput unless the solution says what was done (row C1)."""
    if solution.strip().strip("。.!！").lower() in VAGUE:
        raise InvalidInput(
            "closing needs a definite action: what was done", hint="give the solution, or keep it open"
        )


def due_time(uow: UnitOfWork, action: str, when: str, since: datetime) -> datetime:
    """When the next action is due: as `when` says, else as the action itself does. Raises InvalidInput."""
    if action.strip().lower() in VAGUE:
        raise InvalidInput("an open record needs a next action", hint="say what is done next, or close it")
    found = time_in(when or action, since, uow.settings.timezone)
    if found is None:
        raise InvalidInput(
            "the next action has no time", hint="write 24小时内回访, within 2 days, or 2026-05-20 15:00"
        )
    return found.astimezone(UTC)


async def record_talk(
    uow: UnitOfWork,
    talk: Talk,
    *,
    by: Staff,
    handler: Staff,
    customer: Customer,
    ticket: Ticket | None = None,
    row_key: bytes | None = None,
    in_bulk: bool = False,
) -> Recorded:
    """Record a talk, once for each `row_key`; on a ticket (held by the caller) it is logged there, too.

    `in_bulk`: what lies in the past asks for no reminders. Raises InvalidInput.
    """
    checked = check(uow, talk)
    if row_key is not None and (known := await by_row_key(uow, row_key)) is not None:
        return Recorded(known, (), new=False)
    sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    words = {part: getattr(talk, part).strip() for part in PARTS}
    row = Communication(
        id=new_id(),
        number=await uow.draw_number("CR", 3),
        version=1,
        state=CommunicationState.CLOSED if talk.closed else CommunicationState.OPEN,
        channel=talk.channel,
        happened_at=checked.happened_at,
        recorded_at=uow.clock.now(),
        late_entry=checked.late,
        customer_id=customer.id,
        data_key_id=customer.data_key_id,
        ticket_id=ticket.id if ticket else None,
        handler_id=handler.id,
        words_sealed=sealer.seal_json(words, PLACE),
        next_at=checked.next_at,
        next_round=0,
        closed_at=checked.happened_at if talk.closed else None,
        row_key=row_key,
    )
    if not await uow.insert_new(row):
        known = await by_row_key(uow, row_key) if row_key is not None else None
        if known is None:
            raise Conflict("this record was being made by somebody else", hint="try again")
        return Recorded(known, (), new=False)
    uow.words_changed("communication", row.id)
    await note(uow, row, "recorded", by, facts=facts_of(row), words=words)
    if not talk.closed:
        await reminding.arm(uow, row, past=not in_bulk)
    if not (in_bulk and checked.late):
        await reminding.ask_to_share(uow, row)
    if ticket is not None:
        await _on_ticket(uow, row, ticket, by, talk)
    return Recorded(row, checked.warnings, new=True)


async def by_row_key(uow: UnitOfWork, row_key: bytes) -> Communication | None:
    """The record that was made from this row or request, if there is one."""
    return await uow.session.scalar(select(Communication).where(Communication.row_key == row_key))


async def _on_ticket(uow: UnitOfWork, row: Communication, ticket: Ticket, by: Staff, talk: Talk) -> None:
    """The ticket's log tells of it (row B7). Somebody reached just now may be the first response, never
    dated back; a late entry is none.
    """
    facts = {"record": row.number, "channel": row.channel.value, "late_entry": row.late_entry}
    await history.record(uow, ticket, "communication", by=by, facts=facts)
    if talk.reached and not row.late_entry and row.channel in SPOKEN:
        try:
            await tickets.record_first_response(
                uow, ticket, by, row.channel, evidence=talk.evidence or row.number
            )
        except Conflict:
            return  # it has been responded to before
