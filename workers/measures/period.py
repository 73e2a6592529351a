"""A stretch of time that figures tell of: whole local days of one time zone, as moments in UTC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from workers.errors import InvalidInput

DAY = timedelta(days=1)
LONGEST_YEARS = 20
MOST_PARTS = 370
"""Into so many parts a period may be cut: the days of a year."""


class Named(StrEnum):
    """Periods that have a name. Those without `last` go on: they end with the week, month or quarter."""

    WEEK = "week"
    LAST_WEEK = "last-week"
    MONTH = "month"
    LAST_MONTH = "last-month"
    QUARTER = "quarter"
    LAST_QUARTER = "last-quarter"
    LAST_3_MONTHS = "last-3-months"


USUAL = Named.LAST_3_MONTHS


class Step(StrEnum):
    """What a period can be cut into for a trend."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


@dataclass(frozen=True, slots=True)
class Period:
    """Local days from `first_day` to `last_day`, both included, by the wall clock of `zone`.

    `name` is empty for one that was given by its days. `first` (included) and `last` (excluded) are its ends
    in UTC: local midnights, so that a day with a change of the clock has 23 or 25 hours.
    """

    first_day: date
    last_day: date
    zone: ZoneInfo
    name: str = ""

    @property
    def first(self) -> datetime:
        """The moment it begins, in UTC."""
        return midnight(self.first_day, self.zone)

    @property
    def last(self) -> datetime:
        """The moment after it, in UTC."""
        return midnight(self.last_day + DAY, self.zone)

    def before(self) -> Period:
        """The one just before it, to compare with: the week before a week, else the same number of days."""
        if self.name in _STARTS:
            start, months = _STARTS[Named(self.name)]
            first = start(self.first_day - DAY) if start else months_later(self.first_day, -months)
            return Period(first, self.first_day - DAY, self.zone)
        days = self.last_day - self.first_day + DAY
        return Period(self.first_day - days, self.first_day - DAY, self.zone)

    def cut(self, step: Step) -> tuple[Period, ...]:
        """Its days, weeks (from Monday), months or quarters in order; those at its ends may be cut.

        Raises InvalidInput when there would be too many.
        """
        parts: list[Period] = []
        day = self.first_day
        while day <= self.last_day:
            if len(parts) == MOST_PARTS:
                raise InvalidInput(
                    f"the period has more than {MOST_PARTS} of these parts",
                    hint="ask for a shorter period, or for longer parts",
                )
            following = _FOLLOWING[step](day)
            parts.append(Period(day, min(following - DAY, self.last_day), self.zone))
            day = following
        return tuple(parts)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a local day begins, in UTC; where the clock is put forward at midnight, that moment."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def named_period(name: str, now: datetime, zone: ZoneInfo) -> Period:
    """The period of this name that `now` lies in, or that was over last. Raises InvalidInput."""
    try:
        which = Named(name)
    except ValueError:
        names = ", ".join(each.value for each in Named)
        raise InvalidInput("there is no such period", hint=f"one of {names}") from None
    today = now.astimezone(zone).date()
    if which is Named.LAST_3_MONTHS:
        return Period(months_later(today, -3) + DAY, today, zone, which.value)
    kind, is_last = (Step(which.value.removeprefix("last-")), which.value.startswith("last-"))
    first = _START[kind](today)
    if is_last:
        return Period(_START[kind](first - DAY), first - DAY, zone, which.value)
    return Period(first, _FOLLOWING[kind](first) - DAY, zone, which.value)


def asked_period(
    now: datetime, zone: ZoneInfo, *, name: str = "", first: date | None = None, last: date | None = None
) -> Period:
    """What somebody asks for by a name, or by days (both included; until today, as long as the usual one); by
    neither, the usual one. Raises InvalidInput for both, and for what is none.
    """
    if name and (first or last):
        raise InvalidInput("a period has a name or days, not both")
    if not first and not last:
        return named_period(name or USUAL, now, zone)
    until = last or now.astimezone(zone).date()
    return days_between(first or months_later(until, -3) + DAY, until, zone)


def days_between(first_day: date, last_day: date, zone: ZoneInfo) -> Period:
    """The period of these local days, both included. Raises InvalidInput when it is none, or too long."""
    if first_day > last_day:
        raise InvalidInput("the first day lies after the last one")
    if not 1970 <= first_day.year <= last_day.year <= 2099 or last_day.year - first_day.year > LONGEST_YEARS:
        raise InvalidInput(
            f"a period lies between 1970 and 2099, and is no longer than {LONGEST_YEARS} years"
        )
    return Period(first_day, last_day, zone)


def months_later(day: date, months: int) -> date:
    """The same day of another month; its last one where it is shorter."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + (day.day - 1) * DAY, following - DAY)


def _week_of(day: date) -> date:
    return day - day.weekday() * DAY


def _month_of(day: date) -> date:
    return day.replace(day=1)


def _quarter_of(day: date) -> date:
    return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)


_START: dict[Step, Callable[[date], date]] = {
    Step.WEEK: _week_of,
    Step.MONTH: _month_of,
    Step.QUARTER: _quarter_of,
}
_FOLLOWING: dict[Step, Callable[[date], date]] = {
    Step.DAY: lambda day: day + DAY,
    Step.WEEK: lambda day: _week_of(day) + 7 * DAY,
    Step.MONTH: lambda day: months_later(_month_of(day), 1),
    Step.QUARTER: lambda day: months_later(_quarter_of(day), 3),
}
_STARTS: dict[str, tuple[Callable[[date], date] | None, int]] = {
    Named.WEEK: (_week_of, 0),
    Named.LAST_WEEK: (_week_of, 0),
    Named.MONTH: (_month_of, 0),
    Named.LAST_MONTH: (_month_of, 0),
    Named.QUARTER: (_quarter_of, 0),
    Named.LAST_QUARTER: (_quarter_of, 0),
    Named.LAST_3_MONTHS: (None, 3),
}
