"""What a policy would have made of a request whose story is known: limits met or missed, and who is told.

Everything is planned by the policy itself, as for requests that come in now; here is only counted. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from models.vocabulary import Medium
from workers.policy.limit_parts import Case
from workers.policy.plan import Alarm, SlaClock
from workers.policy.policy import Policy

MOST_REPEATS = 60
"""Daily repetitions that are counted of one breach; a request that nobody ever looked at has no end."""

MET, BREACHED, RUNNING, NONE = "met", "breached", "running", "none"
CLOCKS = (SlaClock.FIRST_RESPONSE, SlaClock.ACCEPTANCE, SlaClock.PLAN, SlaClock.RESOLUTION)


@dataclass(frozen=True, slots=True)
class Story:
    """One opening of a request as it went; moments are UTC, None: it has not happened up to `known_until`.

    `acknowledged` are the moments at which somebody stopped a ladder, `pauses` the waits for the customer.
    """

    case: Case
    opened_at: datetime
    known_until: datetime
    first_response_at: datetime | None = None
    accepted_at: datetime | None = None
    planned_at: datetime | None = None
    resolved_at: datetime | None = None
    acknowledged: tuple[datetime, ...] = ()
    pauses: tuple[tuple[datetime, datetime], ...] = ()

    def met_at(self, clock: SlaClock) -> datetime | None:
        """When what the clock waits for had happened."""
        ends = {
            SlaClock.FIRST_RESPONSE: (self.first_response_at,),
            SlaClock.ACCEPTANCE: (self.accepted_at, self.first_response_at, self.resolved_at),
            SlaClock.PLAN: (self.planned_at, self.resolved_at),
            SlaClock.RESOLUTION: (self.resolved_at,),
        }
        return min((end for end in ends[clock] if end is not None), default=None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one clock: `verdict` is met, breached, or running (not known to the end).

    `told` are the alarms that people heard: warnings, reminders, the breach and the rungs after it.
    """

    clock: SlaClock
    limit: datetime
    verdict: str
    told: tuple[Alarm, ...] = ()


@dataclass(slots=True)
class Tally:
    """Counts over many requests, of a size that does not grow with them.

    `clocks` counts (clock, priority, what): met, breached, running and warned. `levels` counts how often each
    level of the ladder was reached (0: told at the breach). `messages` counts (medium, role).
    """

    tickets: int = 0
    clocks: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)
    messages: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, policy: Policy, story: Story) -> None:
        """Count what `policy` would have made of one more opening."""
        self.tickets += not story.case.reopened
        priority = story.case.priority.value
        for outcome in replay(policy, story):
            name = outcome.clock.value
            self.clocks[name, priority, outcome.verdict] += 1
            self.clocks[name, priority, "warned"] += any(_is_warning(alarm) for alarm in outcome.told)
            for alarm in outcome.told:
                self.messages.update((Medium.EMAIL.value, role) for role in alarm.roles)
                if not _is_warning(alarm):
                    self.levels[alarm.level] += 1
        medium = Medium.SMS if story.case.channel is Medium.SMS else Medium.EMAIL
        if story.case.channel is not Medium.PHONE:
            # The receipt, and the invitation to rate; who was asked lately is left out of account.
            invited = story.resolved_at is not None
            self.messages[medium.value, "customer"] += (not story.case.reopened) + invited


def replay(policy: Policy, story: Story) -> Iterator[Outcome]:
    """What becomes of each clock that `policy` starts for this opening."""
    started = policy.reopening_clocks if story.case.reopened else tuple(clock.value for clock in CLOCKS)
    for clock in CLOCKS:
        if clock.value not in started:
            continue
        start, limit = _limit(policy, story, clock)
        if limit is None:
            continue
        limit = policy.after_pauses(clock, story.case, start, limit, story.pauses)
        alarms = policy.alarms(clock, story.case, start, limit=limit)
        end = story.met_at(clock)
        until = end or story.known_until
        if until > limit and any(alarm.step == "breach" for alarm in alarms):
            told = (*(alarm for alarm in alarms if alarm.at <= limit), *_rungs(policy, story, limit, until))
            yield Outcome(clock, limit, BREACHED, told)
            continue
        told = tuple(alarm for alarm in alarms if alarm.at < min(until, limit))
        over = end is not None or until > limit
        yield Outcome(clock, limit, (MET if end is not None else NONE) if over else RUNNING, told)


def _limit(policy: Policy, story: Story, clock: SlaClock) -> tuple[datetime, datetime | None]:
    """From when to when a clock runs; a resolution without a limit of its own from its acceptance on."""
    limit = policy.limit_at(clock, story.case, story.opened_at)
    if limit is not None or clock is not SlaClock.RESOLUTION:
        return story.opened_at, limit
    start = story.opened_at if story.case.reopened else story.accepted_at
    return (start, policy.expected_resolution(story.case, start)) if start else (story.opened_at, None)


def _rungs(policy: Policy, story: Story, breached_at: datetime, until: datetime) -> Iterator[Alarm]:
    """The levels of the ladder that were reached before it was met, acknowledged, or is not known further."""
    stops = [moment for moment in story.acknowledged if moment >= breached_at]
    until = min(until, *stops) if stops else until
    policy, last = policy.for_case(story.case), breached_at
    for alarm in policy.ladder(story.case.priority, breached_at):
        if alarm.at >= until:
            return
        yield alarm
        last = alarm.at
    for _ in range(MOST_REPEATS):
        alarm = policy.ladder_repeat(story.case.priority, last)
        if alarm.at >= until:
            return
        yield alarm
        last = alarm.at


def _is_warning(alarm: Alarm) -> bool:
    return alarm.step in ("warning", "acceptance_reminder")
