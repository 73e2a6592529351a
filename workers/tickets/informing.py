"""Customers are kept informed while a request stays open (row B15): after a time without a word, a notice.

Its handler is asked for news before. The notice says what the customer was told last and by when it is to be
resolved; it is a machine's word, so it never counts as a first response.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from models.deadlines import Deadline
from models.notifications import Notification
from models.tickets import Ticket, TicketEntry
from models.vocabulary import (
    HUMAN_MESSAGES,
    DeadlineKind,
    DeadlineState,
    Lane,
    NotificationState,
    TicketState,
)
from workers import deadlines
from workers.directory import policy_for
from workers.history import record
from workers.notifications import Notice, customer_recipient, notify, staff_ticket_facts, ticket_facts
from workers.policy import Alarm
from workers.tickets.responding import tell_handler
from workers.unit_of_work import UnitOfWork

KIND, WANTED = "progress_update", "progress_wanted"
ASK, TELL = "ask", "tell"
ARRIVED = (NotificationState.SENT, NotificationState.DELIVERED)


async def keep_informed(uow: UnitOfWork, ticket: Ticket) -> None:
    """Work on the ticket begins: promise the customer a word after the policy's time, if it has one."""
    now = uow.clock.now()
    alarms = await _alarms(uow, ticket, now)
    if not alarms or await deadlines.open_ones(uow, ticket, [DeadlineKind.PROGRESS]):
        return
    await deadlines.arm(
        uow,
        ticket,
        DeadlineKind.PROGRESS,
        fact=ticket.id,
        generation=await deadlines.next_generation(uow, ticket, DeadlineKind.PROGRESS),
        started_at=now,
        limit_at=None,
        alarms=alarms,
        lane=Lane.NORMAL,
    )


async def progress_alarm(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Ask the handler for news, or tell the customer; whoever has been told since is told later."""
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    if ticket.state is not TicketState.IN_PROGRESS or ticket.accepted_at is None:
        _end(row, "not_in_progress")
        return None
    now = uow.clock.now()
    last = now if ticket.waiting_since is not None else max(row.started_at, await _last_word(uow, ticket))
    due = await _due(uow, ticket, last)
    if due is None:
        _end(row, "policy_changed")
    elif alarm.step == ASK:
        if due <= _told_at(row):
            await _ask(uow, ticket, row, due)
    elif due > now:
        await _again(uow, ticket, row, last)
    elif await _tell(uow, ticket, row):
        await _again(uow, ticket, row, now)
    else:
        _end(row, "most")
    return None


def _told_at(row: Deadline) -> datetime:
    """When the notice is planned that the alarm being heard asks for."""
    return deadlines.loaded(row.alarms[-1]).at


async def _alarms(uow: UnitOfWork, ticket: Ticket, last: datetime) -> list[Alarm]:
    policy = await policy_for(uow, ticket)
    due = await _due(uow, ticket, last)
    if due is None:
        return []
    around = policy.around_the_clock(ticket.priority)
    ask = max(policy.informing.ask_at(due, around_the_clock=around), last)
    return [Alarm(ask, ASK, ("handler",)), Alarm(due, TELL, ())]


async def _again(uow: UnitOfWork, ticket: Ticket, row: Deadline, last: datetime) -> None:
    for alarm in await _alarms(uow, ticket, last):
        deadlines.add_alarm(row, alarm)


async def _due(uow: UnitOfWork, ticket: Ticket, last: datetime) -> datetime | None:
    policy = await policy_for(uow, ticket)
    around = policy.around_the_clock(ticket.priority)
    return policy.informing.next_at(last, around_the_clock=around)


async def _last_word(uow: UnitOfWork, ticket: Ticket) -> datetime:
    """When the customer heard of us last: a message in a person's words, a notice, a call."""
    sent = await uow.session.scalar(
        select(func.max(Notification.sent_at)).where(
            Notification.ticket_id == ticket.id,
            Notification.kind.in_((*HUMAN_MESSAGES, KIND)),
            Notification.state.in_(ARRIVED),
        )
    )
    answered = ticket.first_response_at
    return max(moment for moment in (sent, answered, ticket.opened_at) if moment is not None)


async def _ask(uow: UnitOfWork, ticket: Ticket, row: Deadline, due: datetime) -> None:
    facts = {**await staff_ticket_facts(uow, ticket), "due_at": due.isoformat()}
    notice = Notice(
        kind=WANTED,
        fact=row.id.hex,
        ticket=ticket,
        generation=row.generation,
        rung=row.alarm_no,
        facts=facts,
        deadline_id=row.id,
        expires_at=due,
    )
    await tell_handler(uow, ticket, notice)


async def _tell(uow: UnitOfWork, ticket: Ticket, row: Deadline) -> bool:
    """The notice; gives whether there may be another one."""
    policy = await uow.policy_of(ticket.policy_version_id)
    count = await uow.session.scalar(
        select(func.count()).where(Notification.ticket_id == ticket.id, Notification.kind == KIND)
    )
    to = await customer_recipient(uow, ticket, ticket.channel)
    if to is None or (count or 0) >= policy.document.progress.most:
        return False
    now, promised = uow.clock.now(), ticket.expected_resolution_at
    text, at = await _last_public(uow, ticket)
    facts = {
        **await ticket_facts(uow, ticket),
        "text": text,
        "text_at": at.isoformat() if at else None,
        "promised_at": promised.isoformat() if promised is not None and promised > now else None,
    }
    notice = Notice(
        kind=KIND,
        fact=row.id.hex,
        ticket=ticket,
        generation=row.generation,
        rung=row.alarm_no,
        facts=facts,
        deadline_id=row.id,
        silenced=await _silence(uow, ticket),
    )
    if await notify(uow, to, notice) is not None:
        await record(uow, ticket, "customer_informed")
    return True


async def _silence(uow: UnitOfWork, ticket: Ticket) -> str | None:
    """Whoever got no receipt because a machine may be behind it gets no notices either."""
    return await uow.session.scalar(
        select(Notification.reason)
        .where(Notification.ticket_id == ticket.id, Notification.kind == "receipt")
        .where(Notification.state == NotificationState.SUPPRESSED)
        .limit(1)
    )


async def _last_public(uow: UnitOfWork, ticket: Ticket) -> tuple[str, datetime | None]:
    """What the customer was told of progress or plan last, and when; nothing that stays inside."""
    rows = await uow.session.scalars(
        select(TicketEntry)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind.in_(("progress", "plan_given")))
        .order_by(TicketEntry.at.desc(), TicketEntry.id.desc())
    )
    entry = next((row for row in rows if row.facts.get("told")), None)
    if entry is None:
        return "", None
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    words: dict[str, str] = sealer.json(entry.words_sealed, "ticket_entries.words") or {}
    return words.get("text", ""), entry.at


def _end(row: Deadline, reason: str) -> None:
    row.state, row.ended_reason = DeadlineState.WITHDRAWN, reason
