"""Open tickets come under another version of the policy: their clocks are planned anew from the same facts.

What has been judged stays judged by its own version. A limit never moves to before the moment of the change:
where the new version would put it there, it stays where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import DBAPIError

from models.deadlines import Deadline
from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, TicketState
from workers import deadlines
from workers.alarms import change_plan, plan_of
from workers.directory import case_of, policy_for
from workers.history import record
from workers.in_force import not_tried
from workers.locks import held
from workers.notifications import CANCELLABLE
from workers.policy import Alarm, Case, Policy, SlaClock
from workers.tickets.clocks import OPENING, judged_by, pauses_of
from workers.tickets.pauses import Pause
from workers.tickets.retiming import move_ladder
from workers.tickets.served import ask_at, confirmation_plan
from workers.tickets.shifts import ADDED, ALARMS, KEPT, MOVED, WITHDRAWN, Shift
from workers.tickets.waiting import clocks_running
from workers.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

REASON = "policy_changed"
BATCH = 50
MAY_BE_ADDED = (DeadlineKind.PLAN, DeadlineKind.RESOLUTION)
AFTER_RESULT = (DeadlineKind.CONFIRMATION, DeadlineKind.SURVEY_INVITATION)


@dataclass(frozen=True, slots=True)
class Replanned:
    """One ticket that has come under another version, and what became of its clocks; or that `failed`."""

    ticket_id: UUID
    number: str
    shifts: tuple[Shift, ...] = ()
    failed: bool = False


async def replan_batch(
    uow: UnitOfWork,
    version_id: UUID,
    change: int,
    *,
    after: UUID | None = None,
    limit: int = BATCH,
    which: ColumnElement[bool] | None = None,
) -> list[Replanned]:
    """Bring the next tickets that are not closed under a version, in order of their ids.

    `which` are meant: all but those of teams that try another version, unless it is said.

    `after` is the last id of the batch before; an empty list means that there is no further one. The
    tickets' rows are locked in the order in which alarms lock them, so neither an alarm nor an answer is
    overtaken. What has come under the version is not looked at again: it can be broken off and begun anew.
    """
    query = (
        held(select(Ticket))
        .where(Ticket.state != TicketState.CLOSED, Ticket.policy_version_id != version_id)
        .where(not_tried(uow.pilots) if which is None else which)
        .order_by(Ticket.id)
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    tickets = await uow.session.scalars(query.where(Ticket.id > after) if after else query)
    return [await _alone(uow, ticket, version_id, change) for ticket in tickets.all()]


async def _alone(uow: UnitOfWork, ticket: Ticket, version_id: UUID, change: int) -> Replanned:
    """One ticket in a savepoint of its own: what fails there is taken back and costs no other ticket."""
    ident, number = ticket.id, ticket.number
    try:
        async with uow.session.begin_nested():
            return Replanned(ident, number, await replan(uow, ticket, version_id, change))
    except DBAPIError:
        raise
    except Exception:
        log.exception("ticket_not_replanned", ticket=number)
        return Replanned(ident, number, failed=True)


async def replan(uow: UnitOfWork, ticket: Ticket, version_id: UUID, change: int) -> tuple[Shift, ...]:
    """Bring one ticket, whose row the caller holds, under a version; its log says what was moved and why.

    `change` is the number of the change of policy. Nothing happens when it is judged by it already.
    """
    if ticket.policy_version_id == version_id:
        return ()
    async with clocks_running(uow, ticket):
        return await _bring_under(uow, ticket, version_id, change)


async def _bring_under(uow: UnitOfWork, ticket: Ticket, version_id: UUID, change: int) -> tuple[Shift, ...]:
    now = uow.clock.now()
    old, new = await uow.policy_of(ticket.policy_version_id), await uow.policy_of(version_id)
    ticket.policy_version_id = version_id
    ticket.special_period = new.special_period(ticket.received_at)
    known = await uow.session.scalars(
        select(Deadline)
        .where(Deadline.ticket_id == ticket.id)
        .order_by(Deadline.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    work = _Work(uow, ticket, old, new, list(known), now, await pauses_of(uow, ticket))
    shifts = await work.do()
    facts = {
        "change": change,
        "from": _named(old),
        "to": _named(new),
        "clocks": [shift.facts() for shift in shifts],
        **await judged_by(uow, ticket, await case_of(uow, ticket, ticket.opened_at)),
    }
    await record(uow, ticket, REASON, at=now, facts=facts)
    return tuple(shifts)


def _named(policy: Policy) -> dict[str, str]:
    return {"name": policy.name, "digest": policy.digest[:12]}


@dataclass
class _Work:
    """Planning one ticket anew."""

    uow: UnitOfWork
    ticket: Ticket
    old: Policy
    new: Policy
    rows: list[Deadline]
    now: datetime
    pauses: tuple[Pause, ...]

    async def do(self) -> list[Shift]:
        now = self.now
        awaited = {row.kind for row in self.rows if row.met_at is None and row.ended_reason is None}
        shifts: list[Shift | None] = []
        for row in [row for row in self.rows if row.state is DeadlineState.RUNNING]:
            if row.limit_at is not None and row.limit_at <= now:
                continue  # Over under the version it was judged by: its alarm is only late.
            if row.kind in OPENING:
                shifts.append(await self._clock(row, now))
            elif row.kind is DeadlineKind.ESCALATION:
                shifts.append(await self._ladder(row))
            elif row.kind in AFTER_RESULT and row.alarm_no == 0:
                shifts.append(await self._after_result(row, now))
        for kind in (kind for kind in MAY_BE_ADDED if kind not in awaited):
            shifts.append(await self._added(kind, now))
        return [shift for shift in shifts if shift is not None]

    async def _clock(self, row: Deadline, now: datetime) -> Shift | None:
        """One of the clocks that run from the opening: the next generation where it differs."""
        clock, name, before = SlaClock(row.kind.value), row.kind.value, row.limit_at
        facts = (clock, await case_of(self.uow, self.ticket, row.started_at), row.started_at)
        promised = row.kind is DeadlineKind.RESOLUTION and before == self.ticket.expected_resolution_at
        limit = before if promised else self._limit(*facts)
        if limit is None:
            await deadlines.withdraw_rows(self.uow, [row], REASON)
            return Shift(name, WITHDRAWN, before, None)
        if limit <= now:
            return Shift(name, KEPT, before, before)
        alarms = self.new.alarms(*facts, limit=limit)
        if limit == before and list(alarms) == plan_of(row):
            return None
        heard = await self._heard(row)
        await deadlines.withdraw_rows(self.uow, [row], REASON)
        await self._arm(row.kind, row.started_at, limit, alarms, _skipped(alarms, heard, now))
        return Shift(name, ALARMS if limit == before else MOVED, before, limit)

    def _limit(self, clock: SlaClock, case: Case, start: datetime) -> datetime | None:
        limit = self.new.limit_at(clock, case, start)
        return self.new.after_pauses(clock, case, start, limit, self.pauses) if limit else None

    async def _added(self, kind: DeadlineKind, now: datetime) -> Shift | None:
        """A clock that only the new version knows, if what it times has not happened yet; of a re-opened
        ticket if that version starts it anew.
        """
        ticket, clock, start = self.ticket, SlaClock(kind.value), self.ticket.opened_at
        if ticket.opening > 1 and clock.value not in self.new.reopening_clocks:
            return None
        facts = (clock, await case_of(self.uow, ticket, start), start)
        limit = self._limit(*facts)
        planned = kind is DeadlineKind.PLAN and ticket.planned_at is not None and ticket.planned_at >= start
        known_before = self.old.limit_for(*facts) is not None
        if limit is None or limit <= now or known_before or planned or ticket.resolved_at:
            return None
        alarms = self.new.alarms(*facts, limit=limit)
        heard = self._heard_before(kind, start)
        await self._arm(kind, start, limit, alarms, _skipped(alarms, heard, now))
        return Shift(kind.value, ADDED, None, limit)

    async def _arm(
        self,
        kind: DeadlineKind,
        start: datetime,
        limit: datetime,
        alarms: Sequence[Alarm],
        heard: int,
    ) -> None:
        generation = max((row.generation for row in self.rows if row.kind is kind), default=0) + 1
        await deadlines.arm(
            self.uow,
            self.ticket,
            kind,
            fact=self.ticket.id,
            generation=generation,
            started_at=start,
            limit_at=limit,
            alarms=alarms,
            heard=heard,
        )

    async def _ladder(self, row: Deadline) -> Shift | None:
        """The rungs nobody has heard of yet; those that were told are not told again."""
        if not await move_ladder(self.uow, self.ticket, row):
            return None
        row.policy_version_id = self.ticket.policy_version_id
        return Shift(row.kind.value, ALARMS, None, None)

    async def _after_result(self, row: Deadline, now: datetime) -> Shift | None:
        """When the customer is asked for a rating, and how long a confirmation is waited for."""
        start, before = row.started_at, row.limit_at
        asked = row.kind is DeadlineKind.SURVEY_INVITATION
        new = await policy_for(self.uow, self.ticket)
        at = await ask_at(self.uow, self.ticket, new) if asked else new.confirm_by(start)
        if at <= now and at != before:
            return Shift(row.kind.value, KEPT, before, before)
        if at == before:
            return None
        plan = [Alarm(at, "invite", ())] if asked else confirmation_plan(new, start)
        left = len(plan_of(row)) - row.alarm_no
        change_plan(self.uow, row, plan[-left:])
        row.limit_at, row.policy_version_id = at, self.ticket.policy_version_id
        return Shift(row.kind.value, MOVED, before, at)

    async def _heard(self, row: Deadline) -> dict[str, int]:
        """How many alarms of each step of this clock were heard, in all its generations.

        One whose messages are all still waiting counts as not heard: they are dropped with the row.
        """
        heard = self._heard_before(row.kind, row.started_at)
        if row.alarm_no == 0:
            return heard
        last = plan_of(row)[row.alarm_no - 1]
        messages = await self.uow.session.execute(
            select(Notification.key, Notification.state).where(Notification.deadline_id == row.id)
        )
        rung = str(row.alarm_no - 1)
        waiting = [state in CANCELLABLE for key, state in messages if key.split(":")[3] == rung]
        if waiting and all(waiting):
            heard[last.step] -= 1
        return heard

    def _heard_before(self, kind: DeadlineKind, start: datetime) -> dict[str, int]:
        most: dict[str, int] = {}
        for row in self.rows:
            if row.kind is not kind or row.started_at != start:
                continue
            steps = [alarm.step for alarm in plan_of(row)[: row.alarm_no]]
            for step in set(steps):
                most[step] = max(most.get(step, 0), steps.count(step))
        return most


def _skipped(alarms: Sequence[Alarm], heard: dict[str, int], now: datetime) -> int:
    """How many of the first alarms are not to be heard again: their time is over and their like was heard.

    An alarm whose time is still to come is a new one, whatever was said before.
    """
    left = dict(heard)
    for position, alarm in enumerate(alarms):
        if alarm.at > now or left.get(alarm.step, 0) <= 0:
            return position
        left[alarm.step] -= 1
    return len(alarms)
