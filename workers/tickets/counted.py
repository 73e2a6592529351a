"""The clocks of a ticket as its log tells them: begun, moved, met, stopped. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from models.vocabulary import Category, DeadlineState, Medium, Priority
from workers.policy import Case, Policy, SlaClock
from workers.tickets.pauses import pauses_in

FIRST, ACCEPTANCE, PLAN, RESOLUTION = (
    SlaClock.FIRST_RESPONSE,
    SlaClock.ACCEPTANCE,
    SlaClock.PLAN,
    SlaClock.RESOLUTION,
)
OPENING = (FIRST, ACCEPTANCE, PLAN, RESOLUTION)
RUNNING, PAUSED, MET, BREACHED, WITHDRAWN = (
    DeadlineState.RUNNING,
    DeadlineState.PAUSED,
    DeadlineState.MET,
    DeadlineState.BREACHED,
    DeadlineState.WITHDRAWN,
)
NOT_A_TICKET = "not_a_ticket"


class NotEnoughHistory(Exception):
    """The log was begun by a version that did not write down by what its clocks are judged."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a ticket's log, in the order in which they were written."""

    ident: UUID
    kind: str
    at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)
    corrects: UUID | None = None


@dataclass(slots=True)
class Counted:
    """One clock as the log tells it; `breaks`: missing it is a breach, not only a reminder."""

    clock: SlaClock
    generation: int
    started_at: datetime
    limit_at: datetime
    breaks: bool
    state: DeadlineState = RUNNING
    met_at: datetime | None = None
    ended_reason: str | None = None
    paused_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether what it times is still waited for."""
        return self.met_at is None and self.ended_reason is None


PolicyOf = Callable[[str], Policy]


class Clocks:
    """All clocks of one ticket, and what is known of it after the lines so far."""

    def __init__(self, lines: Sequence[Line], policy_of: PolicyOf) -> None:
        self.clocks: list[Counted] = []
        self._by_id = {line.ident: line for line in lines}
        self._policy_of = policy_of
        self._policy: Policy | None = None
        self._case = Case(Priority.MEDIUM)
        self._seen: list[tuple[str, datetime]] = []
        self._opening, self._opened_at = 1, datetime.min.replace(tzinfo=UTC)
        self._first_response: datetime | None = None
        self._expected: datetime | None = None
        self._planned: datetime | None = None
        self._resolved = self._closed = self._dismissed = self._waits = self._promised = False

    @property
    def policy(self) -> Policy:
        """The one in force for the ticket."""
        if self._policy is None:
            raise NotEnoughHistory
        return self._policy

    def _judge_by(self, line: Line) -> None:
        if "case" not in line.facts:
            raise NotEnoughHistory
        case = line.facts["case"]
        self._policy = self._policy_of(line.facts["policy"])
        self._case = Case(
            priority=Priority(case["priority"]),
            category=Category(case["category"]) if case["category"] else None,
            customer_level=case["customer_level"],
            customer_group=case.get("customer_group"),
            team=case["team"],
            channel=Medium(case["channel"]) if case["channel"] else None,
        )

    def _case_at(self, start: datetime) -> Case:
        return replace(self._case, reopened=self._opening > 1 and start >= self._opened_at)

    def _limit(self, clock: SlaClock, start: datetime, now: datetime) -> datetime | None:
        case = self._case_at(start)
        limit = self.policy.limit_at(clock, case, start)
        if limit is None:
            return None
        return self.policy.after_pauses(clock, case, start, limit, pauses_in(self._seen, now))

    def _start(self, clocks: Iterable[SlaClock], start: datetime) -> dict[SlaClock, datetime]:
        limits = {}
        for clock in clocks:
            limit = self._limit(clock, start, self._seen[-1][1])
            if limit is not None:
                limits[clock] = limit
                self._arm(clock, start, limit)
        return limits

    def _arm(self, clock: SlaClock, start: datetime, limit: datetime) -> None:
        generation = max((each.generation for each in self._of(clock)), default=0) + 1
        alarms = self.policy.alarms(clock, self._case_at(start), start, limit=limit)
        breaks = any(alarm.step == "breach" for alarm in alarms)
        self.clocks.append(Counted(clock, generation, start, limit, breaks))

    def _of(self, clock: SlaClock) -> list[Counted]:
        return [each for each in self.clocks if each.clock is clock]

    def _open_ones(self, clocks: Iterable[SlaClock]) -> list[Counted]:
        wanted = tuple(clocks)
        return [each for each in self.clocks if each.open and each.clock in wanted]

    def _still_running(self, now: datetime) -> list[Counted]:
        return [each for each in self.clocks if each.open and each.state is RUNNING and each.limit_at > now]

    def _is_promised(self, each: Counted) -> bool:
        return each.clock is RESOLUTION and each.limit_at == self._expected

    def _succeed(self, each: Counted, limit: datetime | None, reason: str) -> None:
        each.state, each.ended_reason = WITHDRAWN, reason
        if limit is not None:
            self._arm(each.clock, each.started_at, limit)

    def _replace(self, clocks: Iterable[SlaClock], now: datetime, reason: str) -> list[Counted]:
        replaced = self._open_ones(clocks)
        for each in replaced:
            passed = each.state is RUNNING and each.breaks and each.limit_at <= now
            if passed:
                each.state = BREACHED
            elif each.state is not BREACHED:
                each.state = WITHDRAWN
            each.ended_reason = reason
        return replaced

    def _promise(self, limit: datetime, now: datetime, reason: str) -> None:
        running = self._open_ones([RESOLUTION])
        if running and running[-1].limit_at == limit:
            return
        self._replace([RESOLUTION], now, reason)
        self._arm(RESOLUTION, now, limit)

    def _meet(self, clock: SlaClock, at: datetime) -> None:
        waiting = self._open_ones([clock])
        if not waiting:
            return
        self._judge(waiting[-1], at)
        for each in self._of(clock) if waiting[-1].state is MET else ():
            replaced = each.state is BREACHED and each.ended_reason == "replanned" and each.met_at is None
            if replaced and each.started_at == waiting[-1].started_at and each.limit_at >= at:
                each.state = WITHDRAWN

    def _meet_earlier(self, clock: SlaClock, at: datetime) -> None:
        newest = max(self._of(clock), key=lambda each: each.generation, default=None)
        if newest is not None and newest.met_at is not None and newest.met_at > at:
            self._judge(newest, at)

    @staticmethod
    def _judge(each: Counted, at: datetime) -> None:
        in_time = at <= each.limit_at
        each.met_at, each.state = at, MET if in_time else BREACHED
        each.ended_reason = "met" if in_time else "met_late"

    # -- waiting for the customer --------------------------------------------------------------------------

    def _awake(self, line: Line, step: Callable[[Line], None]) -> None:
        """Clocks that stand still run while they are planned anew, and stand still again afterwards."""
        if not self._waits:
            step(line)
            return
        stopped = [
            (each, each.limit_at, each.paused_at)
            for each in self.clocks
            if each.open and each.state is PAUSED
        ]
        self._run(line.at)
        ran_to = [each.limit_at for each, _, _ in stopped]
        step(line)
        for (each, limit, since), ran in zip(stopped, ran_to, strict=True):
            # What was not touched stands still as if nothing had been.
            if (
                each.state is RUNNING
                and each.limit_at == ran
                and each.clock.value in self.policy.waiting.pauses
            ):
                if self._is_promised(each):
                    self._expected = limit
                each.state, each.limit_at, each.paused_at = PAUSED, limit, since
        self._pause(line.at)

    def _pause(self, at: datetime) -> None:
        clocks = [SlaClock(name) for name in self.policy.waiting.pauses]
        for each in self._still_running(at):
            if each.clock in clocks:
                each.state, each.paused_at = PAUSED, at

    def _run(self, at: datetime) -> None:
        for each in self.clocks:
            if not each.open or each.state is not PAUSED or each.paused_at is None:
                continue
            case = self._case_at(each.started_at)
            facts = (each.clock, case, each.started_at, each.limit_at)
            limit = self.policy.after_pauses(*facts, [(each.paused_at, at)])
            if self._is_promised(each):
                self._expected = limit
            each.state, each.paused_at, each.limit_at = RUNNING, None, limit
