"""Where a limit ends and who hears of it when: warnings, acceptance reminders, breach, escalation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from models.vocabulary import Priority
from workers.calendars import Calendar
from workers.policy.document import AcceptanceReminder, EscalationPart, WarningsPart
from workers.policy.limits import Limit


class SlaClock(StrEnum):
    """What is being timed. Without a limit of its own `acceptance` borrows that of the first response and
    only reminds.
    """

    FIRST_RESPONSE = "first_response"
    PLAN = "plan"
    RESOLUTION = "resolution"
    ACCEPTANCE = "acceptance"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something to be said at a moment (UTC).

    `step`: warning, acceptance_reminder, breach or escalation. `roles`: handler, supervisor, substitute,
    head, administrator. `level`: 0 at the breach, 1… for the rungs of the ladder, one more than the last for
    the daily repetition.
    """

    at: datetime
    step: str
    roles: tuple[str, ...]
    level: int = 0


@dataclass(frozen=True, slots=True)
class Ruler:
    """Measures elapsed or working time, so that a warning comes in the kind of time its limit runs in."""

    calendar: Calendar
    elapsed: bool

    def between(self, a: datetime, b: datetime) -> timedelta:
        return b - a if self.elapsed else self.calendar.between(a, b)

    def add(self, start: datetime, length: timedelta) -> datetime:
        return start + length if self.elapsed else self.calendar.add(start, length)

    def part(self, start: datetime, limit: datetime, part: float) -> datetime:
        """The moment at which `part` (0…1) of the time from start to limit is used up, to the second."""
        whole = self.between(start, limit)
        return self.add(start, timedelta(seconds=round(whole.total_seconds() * part)))


def ruler(calendar: Calendar, limit: Limit | None, around_the_clock: bool) -> Ruler:
    """The ruler for a limit; for a promised moment without one, by the priority alone."""
    return Ruler(calendar, around_the_clock if limit is None else limit.runs_elapsed(around_the_clock))


def moved(measure: Ruler, limit: datetime, begun_at: datetime, ended_at: datetime) -> datetime:
    """Where a limit lies after a pause: what was left of the time at its beginning is left at its end.

    A limit that was over when the pause began stays: waiting excuses nothing that came before it.
    """
    if limit <= begun_at:
        return limit
    left = measure.between(begun_at, limit)
    if left <= timedelta(0):
        # A moment promised outside working time: there only the clock on the wall is left to measure by.
        measure, left = Ruler(measure.calendar, elapsed=True), limit - begun_at
    return max(limit, measure.add(ended_at, left))


def warnings(
    rules: WarningsPart,
    leads: Sequence[timedelta],
    priority: Priority,
    measure: Ruler,
    start: datetime,
    limit: datetime,
) -> tuple[Alarm, ...]:
    """The warnings before a limit, in time order: each lead ahead, one half-way when none of them fits.

    Empty when there is nothing to warn of, or the limit is over already.
    """
    if limit <= start or not leads:
        return ()
    if measure.between(start, limit) <= timedelta(0):
        # A moment promised outside working time: there only the clock on the wall is left to measure by.
        measure = Ruler(measure.calendar, elapsed=True)
    length = measure.between(start, limit)
    fitting = [] if length <= rules.half_way_up_to else [lead for lead in leads if lead < length]
    moments = [measure.add(limit, -lead) for lead in sorted(fitting, reverse=True)]
    roles = (*rules.roles, "supervisor") if priority in rules.supervisor_too else rules.roles
    told = tuple(dict.fromkeys(roles))
    return tuple(Alarm(at, "warning", told) for at in moments or [measure.part(start, limit, 0.5)])


def acceptance(
    rules: tuple[AcceptanceReminder, ...], measure: Ruler, start: datetime, limit: datetime
) -> tuple[Alarm, ...]:
    """The reminders that nobody has accepted yet, at parts of the time to the response limit."""
    alarms = [
        Alarm(measure.part(start, limit, rule.at_part_of_response_limit), "acceptance_reminder", rule.roles)
        for rule in rules
    ]
    return tuple(sorted(alarms, key=lambda alarm: alarm.at))


def ladder(
    rules: EscalationPart, calendar: Calendar, around_the_clock: bool, breached_at: datetime
) -> tuple[Alarm, ...]:
    """The rungs after a breach, in time order, without the breach itself and without the daily repetition."""
    alarms = []
    for level, rung in enumerate(rules.levels, start=1):
        after = rung.urgent_after if around_the_clock else rung.after
        at = after.end(calendar, breached_at, around_the_clock=around_the_clock)
        alarms.append(Alarm(at, "escalation", rung.roles, level))
    return tuple(sorted(alarms, key=lambda alarm: (alarm.at, alarm.level)))


def next_daily(rules: EscalationPart, calendar: Calendar, around_the_clock: bool, last_at: datetime) -> Alarm:
    """The repetition on the next day: after 24 hours, or at the same local time of the next working day."""
    level = len(rules.levels) + 1
    if around_the_clock:
        return Alarm(last_at + timedelta(hours=24), "escalation", rules.daily, level)
    tomorrow = same_time_tomorrow(last_at, calendar.zone)
    return Alarm(calendar.next_opening(tomorrow), "escalation", rules.daily, level)


def same_time_tomorrow(at: datetime, zone: ZoneInfo) -> datetime:
    """A day later by the wall clock, also when summer time begins or ends in between."""
    return (at.astimezone(zone) + timedelta(days=1)).astimezone(at.tzinfo)
