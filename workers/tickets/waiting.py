"""Waiting for the customer 挂起: clocks that the policy names stand still until an answer comes.

The first response never waits. A limit that is over stays over: only what still ran stands still, and at the
end just as much of its time is left as at the beginning.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy import select

from models.deadlines import Deadline
from models.people import Staff
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, DeadlineState, TicketState
from workers import deadlines
from workers.alarms import change_plan, plan_of
from workers.directory import case_of, people_for, policy_for
from workers.errors import Conflict
from workers.history import record
from workers.notifications import (
    Notice,
    customer_recipient,
    notify,
    staff_recipient,
    staff_ticket_facts,
    ticket_facts,
)
from workers.policy import Alarm, SlaClock
from workers.promises import settle
from workers.text import mask_free_text
from workers.tickets.clocks import judged_by
from workers.tickets.loading import must_be_open
from workers.unit_of_work import UnitOfWork

REMIND, OVER = "remind", "over"
LONGEST = "longest"


async def wait(uow: UnitOfWork, ticket: Ticket, by: Staff, question: str = "") -> TicketEntry:
    """From now on the customer is waited for; gives the log's line.

    The clocks that the ticket's policy names stand still until the customer writes, somebody resumes, the
    result is given, or the longest wait of the policy is over. Where the policy says so the customer is
    reminded, and the reminder quotes `question`. Raises Conflict when it waits already or has its result.
    """
    must_be_open(ticket)
    if ticket.state is TicketState.AWAITING_FEEDBACK:
        raise Conflict(f"the result of {ticket.number} has been given", hint="it waits for its confirmation")
    await catch_up(uow, ticket)
    if ticket.waiting_since is not None:
        raise Conflict(f"ticket {ticket.number} waits for its customer already", hint="resume it first")
    now = uow.clock.now()
    ticket.waiting_since, ticket.waits = now, ticket.waits + 1
    paused = await _pause(uow, ticket, now)
    until = await _arm(uow, ticket, now)
    return await record(
        uow,
        ticket,
        "waiting",
        by=by,
        at=now,
        facts={"clocks": [row.kind.value for row in paused], "until": until.isoformat()},
        words={"question": question} if question.strip() else None,
    )


async def resume(uow: UnitOfWork, ticket: Ticket, by: Staff) -> None:
    """Somebody of the staff ends the waiting (the customer rang up, or is not needed any more).

    Raises Conflict when the ticket does not wait.
    """
    await catch_up(uow, ticket)
    if ticket.waiting_since is None:
        raise Conflict(f"ticket {ticket.number} does not wait for its customer")
    await _end(uow, ticket, "staff", uow.clock.now(), by)


async def end_wait(uow: UnitOfWork, ticket: Ticket, reason: str) -> None:
    """The clocks run on, with as much time left as when they stopped; nothing happens if it does not wait."""
    await catch_up(uow, ticket)
    if ticket.waiting_since is not None:
        await _end(uow, ticket, reason, uow.clock.now())


async def catch_up(uow: UnitOfWork, ticket: Ticket) -> None:
    """Before anything else: a wait whose longest time is over ended then, however late its check is."""
    if ticket.waiting_since is None:
        return
    (row,) = await deadlines.open_ones(uow, ticket, [DeadlineKind.WAITING])
    if row.limit_at is not None and row.limit_at <= uow.clock.now():
        await _end(uow, ticket, LONGEST, row.limit_at)
        await _tell_over(uow, ticket, row.limit_at)


@asynccontextmanager
async def clocks_running(uow: UnitOfWork, ticket: Ticket) -> AsyncIterator[None]:
    """While limits are looked at and planned anew the clocks run; those of a ticket that waits stand still
    again afterwards: what was not touched as if nothing had been, the others from now on.
    """
    await catch_up(uow, ticket)
    if ticket.waiting_since is None:
        yield
        return
    now = uow.clock.now()
    stopped = [
        (row, row.limit_at, row.paused_at)
        for row in await deadlines.open_ones(uow, ticket)
        if row.state is DeadlineState.PAUSED
    ]
    limits = await _run(uow, ticket, now)
    yield
    policy = await uow.policy_of(ticket.policy_version_id)
    for row, limit, since in stopped:
        same = row.limit_at == limits[row.kind.value] and row.state is DeadlineState.RUNNING
        if same and row.kind.value in policy.waiting.pauses:
            if ticket.expected_resolution_at == row.limit_at and row.kind is DeadlineKind.RESOLUTION:
                ticket.expected_resolution_at = limit
            row.state, row.limit_at, row.paused_at = DeadlineState.PAUSED, limit, since
            settle(row)
    await _pause(uow, ticket, now)


async def waiting_alarm(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Remind the customer that an answer is waited for, or end the longest wait."""
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    if alarm.step == OVER:
        await catch_up(uow, ticket)
    elif ticket.waiting_since is not None:
        await _remind(uow, ticket, row)
    return None


async def _end(uow: UnitOfWork, ticket: Ticket, reason: str, at: datetime, by: Staff | None = None) -> None:
    limits = await _run(uow, ticket, at)
    ticket.waiting_since = None
    await deadlines.withdraw(uow, ticket, [DeadlineKind.WAITING], "resumed")
    facts = {"reason": reason, "limits": {kind: limit.isoformat() for kind, limit in limits.items()}}
    facts |= await judged_by(uow, ticket, await case_of(uow, ticket, ticket.opened_at))
    await record(uow, ticket, "resumed", by=by, at=at, facts=facts)


async def _pause(uow: UnitOfWork, ticket: Ticket, now: datetime) -> list[Deadline]:
    """Stop what the policy names and what is not over yet; gives these clocks."""
    policy = await uow.policy_of(ticket.policy_version_id)
    kinds = [DeadlineKind(name) for name in policy.waiting.pauses]
    rows = [
        row
        for row in (await deadlines.open_ones(uow, ticket, kinds) if kinds else ())
        if row.state is DeadlineState.RUNNING and row.limit_at is not None and row.limit_at > now
    ]
    for row in rows:
        row.state, row.paused_at = DeadlineState.PAUSED, now
        settle(row)
    return rows


async def _run(uow: UnitOfWork, ticket: Ticket, at: datetime) -> dict[str, datetime]:
    """Let stopped clocks run on from `at`; gives their new limits. Whom they warned is not warned again."""
    policy = await uow.policy_of(ticket.policy_version_id)
    limits: dict[str, datetime] = {}
    for row in await deadlines.open_ones(uow, ticket):
        if row.state is not DeadlineState.PAUSED or row.limit_at is None or row.paused_at is None:
            continue
        clock, case = SlaClock(row.kind.value), await case_of(uow, ticket, row.started_at)
        limit = await limit_from(uow, ticket, row, at)
        if row.kind is DeadlineKind.RESOLUTION and row.limit_at == ticket.expected_resolution_at:
            ticket.expected_resolution_at = limit
        row.state, row.paused_at, row.limit_at = DeadlineState.RUNNING, None, limit
        change_plan(uow, row, not_heard(row, policy.alarms(clock, case, row.started_at, limit=limit)))
        limits[row.kind.value] = limit
    return limits


async def limit_from(uow: UnitOfWork, ticket: Ticket, row: Deadline, at: datetime) -> datetime:
    """The limit that a stopped clock has if it runs on from `at`; of any other its own."""
    assert row.limit_at is not None
    if row.state is not DeadlineState.PAUSED or row.paused_at is None:
        return row.limit_at
    policy = await uow.policy_of(ticket.policy_version_id)
    facts = (SlaClock(row.kind.value), await case_of(uow, ticket, row.started_at), row.started_at)
    return policy.after_pauses(*facts, row.limit_at, [(row.paused_at, at)])


def not_heard(row: Deadline, alarms: tuple[Alarm, ...]) -> list[Alarm]:
    """Of a new plan of a clock what is left beside the alarms that were heard by its old one."""
    heard = [alarm.step for alarm in plan_of(row)[: row.alarm_no]]
    left = []
    for alarm in alarms:
        if alarm.step in heard:
            heard.remove(alarm.step)
        else:
            left.append(alarm)
    return left


async def _arm(uow: UnitOfWork, ticket: Ticket, now: datetime) -> datetime:
    """The reminders to the customer, and the end of the longest wait, which is given back."""
    policy = await policy_for(uow, ticket)
    until = policy.waiting.until(now, around_the_clock=policy.around_the_clock(ticket.priority))
    reminders = [Alarm(at, REMIND, ()) for at in policy.waiting.reminders_at(now, until)]
    await deadlines.arm(
        uow,
        ticket,
        DeadlineKind.WAITING,
        fact=ticket.id,
        generation=ticket.waits,
        started_at=now,
        limit_at=until,
        alarms=[*reminders, Alarm(until, OVER, ())],
    )
    return until


async def _remind(uow: UnitOfWork, ticket: Ticket, row: Deadline) -> None:
    to = await customer_recipient(uow, ticket, ticket.channel)
    if to is None:
        return
    facts = {**await ticket_facts(uow, ticket), "question": await _question(uow, ticket)}
    notice = Notice(
        kind="waiting_reminder",
        fact=ticket.id.hex,
        ticket=ticket,
        generation=row.generation,
        rung=row.alarm_no,
        facts=facts,
        lane=deadlines.lane_of(ticket),
        deadline_id=row.id,
        expires_at=row.limit_at,
    )
    await notify(uow, to, notice)
    await record(uow, ticket, "customer_reminded", facts={"of": "waiting"})


async def _question(uow: UnitOfWork, ticket: Ticket) -> str:
    sealed = await uow.session.scalar(
        select(TicketEntry.words_sealed)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "waiting")
        .order_by(TicketEntry.id.desc())
        .limit(1)
    )
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    return str((sealer.json(sealed, "ticket_entries.words") or {}).get("question", ""))


async def _tell_over(uow: UnitOfWork, ticket: Ticket, at: datetime) -> None:
    """Whoever answers for the ticket hears that nobody answered and that the clocks run again."""
    facts = {**await staff_ticket_facts(uow, ticket), "over_at": at.isoformat()}
    facts["question"] = mask_free_text(await _question(uow, ticket))
    notice = Notice(
        kind="waiting_over",
        fact=ticket.id.hex,
        ticket=ticket,
        generation=ticket.waits,
        facts=facts,
        lane=deadlines.lane_of(ticket),
    )
    people = await people_for(uow, ticket, ["handler"])
    for person in people:
        await notify(uow, staff_recipient(uow, person), notice)
    if not people:
        await record(uow, ticket, "nobody_to_tell", facts={"notification": "waiting_over"})
