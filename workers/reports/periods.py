"""Which week, month or quarter a report is about, and when it is due by a calendar. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from workers.calendars import Calendar
from workers.calendars.wall_clock import first_moment
from workers.errors import InvalidInput
from workers.measures import Period, named_period
from workers.measures.period import midnight
from workers.policy.report_parts import KINDS, ReportKind, ReportsPart

DAY = timedelta(days=1)
NAMES: dict[ReportKind, str] = {"weekly": "week", "monthly": "month", "quarterly": "quarter"}
LONGEST_SHIFT = 14
"""Days that a report waits at most for a working day: no holiday of a team is longer."""


@dataclass(frozen=True, slots=True)
class Due:
    """A report that is due at `at` (UTC), about `period`."""

    kind: ReportKind
    period: Period
    at: datetime


def kind_of(name: str) -> ReportKind:
    """The kind of this name. Raises InvalidInput."""
    for kind in KINDS:
        if kind == name:
            return kind
    raise InvalidInput("there is no such report", hint=f"one of {', '.join(KINDS)}")


def last_period(kind: ReportKind, now: datetime, zone: ZoneInfo) -> Period:
    """The last week, month or quarter that was over at `now` (UTC), by the wall clock of `zone`."""
    return named_period(f"last-{NAMES[kind]}", now, zone)


def period_with(kind: ReportKind, day: date, zone: ZoneInfo) -> Period:
    """The week, month or quarter that a local day lies in."""
    return named_period(NAMES[kind], midnight(day, zone), zone)


def dues(part: ReportsPart, calendar: Calendar, since: datetime, until: datetime) -> Iterator[Due]:
    """The reports that are due from `since` to before `until` (UTC), by the wall clock of a calendar.

    A day that does not work passes its report on to the next one that does, unless `part` says otherwise.
    """
    day, last = calendar.local_date(since) - LONGEST_SHIFT * DAY, calendar.local_date(until)
    while day <= last:
        for kind in KINDS:
            at = part.at(kind)
            if at is None or not part.falls_on(kind, day):
                continue
            due = _moment(part, calendar, day, at)
            if since <= due < until:
                yield Due(kind, last_period(kind, midnight(day, calendar.zone), calendar.zone), due)
        day += DAY


def _moment(part: ReportsPart, calendar: Calendar, day: date, at: time) -> datetime:
    """When a report of that day leaves; where the clock is put forward over it, the moment of the change."""
    shifted = 0
    while part.on_working_days and not calendar.is_working_day(day) and shifted < LONGEST_SHIFT:
        day, shifted = day + DAY, shifted + 1
    return first_moment(day, at, calendar.zone)
