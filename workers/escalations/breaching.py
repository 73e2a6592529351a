"""The limit has passed: attention item 关注项, supervisor told, ladder begun."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select

from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, EventState, NotificationState
from workers.directory import policy_for
from workers.escalations.facts import breach_telling
from workers.escalations.ladder import start_ladder
from workers.escalations.on_call import on_call, roles_beside
from workers.escalations.owning import owners
from workers.escalations.telling import iso, tell
from workers.history import record
from workers.policy import Alarm
from workers.unit_of_work import UnitOfWork

PATIENCE = timedelta(seconds=1)
REPLACED = ("replanned", "bounced")


async def breach(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """The limit has passed unmet: attention item 关注项, supervisor told, ladder begun.

    Outside opening hours whoever is on duty hears it in place of those above the handler. Waits while a
    message that would meet the limit is on the wire or its acceptance not yet judged: it may have been
    accepted in time.
    """
    ticket = await uow.the(Ticket, row.ticket_id)
    if await _answer_under_way(uow, ticket, row.kind):
        return PATIENCE
    if row.breached_at is None:  # else noted when the ticket was merged, which was undone
        await _note_breach(uow, ticket, row)
    ladder = await start_ladder(uow, ticket, row)
    policy = await policy_for(uow, ticket)
    telling = await breach_telling(uow, ticket, row, level=0)
    due_at = policy.tell_at(ticket.priority, uow.clock.now())
    duty = await on_call(uow, ticket, policy, due_at)
    also = [*duty, *await owners(uow, ticket)]
    roles = roles_beside(duty, alarm.roles)
    await tell(uow, ticket, ladder or row, roles, replace(telling, due_at=due_at), also=also)
    return None


async def judge_passed(uow: UnitOfWork, ticket: Ticket, row: Deadline, now: datetime) -> None:
    """Before another clock takes its place: one that runs and whose limit has passed is breached, although
    its check has not come round to it. Nobody is told: what takes its place will tell them, if it is missed.
    """
    if row.state is not DeadlineState.RUNNING or row.limit_at is None or row.limit_at > now:
        return
    if any(alarm["step"] == "breach" for alarm in row.alarms):
        await _note_breach(uow, ticket, row)


async def _note_breach(uow: UnitOfWork, ticket: Ticket, row: Deadline) -> None:
    row.state = DeadlineState.BREACHED
    row.breached_at = row.limit_at
    ticket.attention = True
    if not await _counted_before(uow, row):
        ticket.overdue_count += 1
    await record(uow, ticket, "breached", facts={"clock": row.kind.value, "limit_at": iso(row.limit_at)})


async def _counted_before(uow: UnitOfWork, row: Deadline) -> bool:
    """Whether this very clock was overdue already before it was re-planned, or an answer to it bounced."""
    if uow.ahead is not None and uow.ahead.of_tickets is not None and uow.ahead.holds(row.ticket_id):
        known = uow.ahead.of_tickets.replaced
        return any((row.ticket_id, f"{row.kind.value}:{why}", row.started_at) in known for why in REPLACED)
    replaced = select(Deadline.id).where(
        Deadline.ticket_id == row.ticket_id,
        Deadline.kind == row.kind,
        Deadline.started_at == row.started_at,
        Deadline.state == DeadlineState.BREACHED,
        Deadline.ended_reason.in_(REPLACED),
    )
    return await uow.session.scalar(replaced.limit(1)) is not None


async def _answer_under_way(uow: UnitOfWork, ticket: Ticket, kind: DeadlineKind) -> bool:
    """Whether a message that would meet this deadline is being sent, or was sent and is not yet judged."""
    if uow.ahead is not None and uow.ahead.of_tickets is not None and uow.ahead.holds(ticket.id):
        known = uow.ahead.of_tickets.under_way
        return (ticket.id, kind.value) in known or (ticket.id, "") in known
    sending = await uow.session.scalar(
        select(func.count()).where(
            Notification.ticket_id == ticket.id,
            Notification.meets == kind.value,
            Notification.state == NotificationState.SENDING,
        )
    )
    unjudged = await uow.session.scalar(
        select(func.count()).where(
            IntakeEvent.ticket_id == ticket.id,
            IntakeEvent.source == "delivery",
            IntakeEvent.state == EventState.RECEIVED,
        )
    )
    return bool(sending or unjudged)
