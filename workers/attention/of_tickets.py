"""What to look at among tickets that are not closed, and their clocks."""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, literal_column, select

from models.deadlines import Deadline
from models.keys import DataKey
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, DeadlineState, TicketState
from workers.attention.item import OPEN, Item, Look, Looked, What
from workers.backlog import OFTEN
from workers.core_fields import lacks_core


async def breached(look: Look) -> Looked:
    """关注项: requests that missed a limit, until they are answered, or dismissed."""
    which = (Ticket.attention.is_(True), Ticket.state.in_(OPEN))
    return await _tickets(look, What.BREACHED, which)


async def unassigned(look: Look) -> Looked:
    """Requests that nobody has in hand."""
    which = (Ticket.state == TicketState.TO_ASSIGN, Ticket.handler_id.is_(None))
    return await _tickets(look, What.UNASSIGNED, which)


async def needs_triage(look: Look) -> Looked:
    """Requests that somebody has answered, and whose core fields nobody has completed."""
    which = (lacks_core(look.uow.policy), Ticket.first_response_at.is_not(None))
    return await _tickets(look, What.NEEDS_TRIAGE, which)


async def _tickets(look: Look, what: What, which: tuple[ColumnElement[bool], ...]) -> Looked:
    mine = look.seen_tickets()
    count = await look.uow.session.scalar(select(func.count(Ticket.id)).where(*which, mine))
    rows = await look.uow.session.scalars(
        select(Ticket).where(*which, mine).order_by(Ticket.received_at.desc()).limit(look.limit)
    )
    return count or 0, [
        Item(what=what, since=row.received_at, id=row.id, ticket=row.number, kind=row.priority.value)
        for row in rows
    ]


async def broken_rungs(look: Look) -> Looked:
    """Escalations that did not reach somebody, and were passed on."""
    return await _entries(look, What.BROKEN_RUNG, "rung_broken")


async def nobody_to_tell(look: Look) -> Looked:
    """Escalations that reach nobody at all."""
    return await _entries(look, What.NOBODY_TO_TELL, "nobody_to_tell")


async def _entries(look: Look, what: What, kind: str) -> Looked:
    """Lines of this kind in the logs of tickets that are not closed.

    The word stands in the statement, so that the partial index on it is used.
    """
    of_kind = TicketEntry.kind == literal_column(f"'{kind}'")
    which = (of_kind, Ticket.state != TicketState.CLOSED, look.seen(TicketEntry))
    both = Ticket.id == TicketEntry.ticket_id
    count = await look.uow.session.scalar(
        select(func.count()).select_from(TicketEntry).join(Ticket, both).where(*which)
    )
    rows = await look.uow.session.execute(
        select(TicketEntry, Ticket.number)
        .join(Ticket, both)
        .where(*which)
        .order_by(TicketEntry.at.desc(), TicketEntry.id.desc())
        .limit(look.limit)
    )
    return count or 0, [
        Item(
            what=what,
            since=entry.at,
            id=entry.notification_id or entry.id,
            ticket=number,
            reason=entry.facts.get("reason"),
            kind=entry.facts.get("notification"),
            staff=entry.facts.get("staff"),
            passed_on_to=entry.facts.get("passed_on_to") or [],
        )
        for entry, number in rows
    ]


async def chat_late(look: Look) -> Looked:
    """Requests whose post to the team's chat group was not there in time."""
    late = (Deadline.kind == DeadlineKind.CHAT_POST, Deadline.state == DeadlineState.BREACHED)
    which = (*late, Deadline.met_at.is_(None), Ticket.state.in_(OPEN), look.seen_tickets())
    both = Ticket.id == Deadline.ticket_id
    count = await look.uow.session.scalar(
        select(func.count()).select_from(Deadline).join(Ticket, both).where(*which)
    )
    rows = await look.uow.session.execute(
        select(Deadline, Ticket.number)
        .join(Ticket, both)
        .where(*which)
        .order_by(Deadline.id.desc())
        .limit(look.limit)
    )
    return count or 0, [
        Item(what=What.CHAT_LATE, since=row.breached_at or row.started_at, id=row.id, ticket=number)
        for row, number in rows
    ]


async def stuck(look: Look) -> Looked:
    """Alarms that were due and failed again and again."""
    which = (Deadline.due_at <= look.uow.clock.now(), Deadline.tries >= OFTEN, look.seen(Deadline))
    count = await look.uow.session.scalar(select(func.count(Deadline.id)).where(*which))
    rows = await look.uow.session.execute(
        select(Deadline, Ticket.number, DataKey.ring_key)
        .join(Ticket, Ticket.id == Deadline.ticket_id)
        .join(DataKey, DataKey.id == Ticket.data_key_id)
        .where(*which)
        .order_by(Deadline.due_at.desc())
        .limit(look.limit)
    )
    known = look.uow.settings.secret_keys.ids
    return count or 0, [
        Item(
            what=What.STUCK_DEADLINE,
            since=row.due_at or row.started_at,
            id=row.id,
            ticket=number,
            reason="alarm_failed" if ring_key in known else "key_missing",
            kind=row.kind.value,
        )
        for row, number, ring_key in rows
    ]
