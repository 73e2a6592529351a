"""The working calendar of a team. Moments go in and come out as aware datetimes in UTC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from types import MappingProxyType
from zoneinfo import ZoneInfo

from workers.calendars.public_holidays import HolidaySource
from workers.calendars.wall_clock import (
    MIDNIGHT,
    Interval,
    Span,
    over_midnight,
    problem_between,
    problem_in,
    spans,
)
from workers.calendars.wording import hours_text
from workers.errors import InvalidInput

_NONE = timedelta(0)
_DAY = timedelta(days=1)
# A calendar closed for longer than this is a mistake (every day excepted), not a long holiday.
_LONGEST_CLOSURE = 400
_CACHED_DAYS = 4000


@dataclass(frozen=True)
class Calendar:
    """Opening hours by the wall clock of a zone.

    `week` maps 0 (Monday) … 6 (Sunday) to the intervals of that day, `exceptions` single dates to theirs
    (empty: closed); exceptions win over holidays and make-up days. A make-up day has the hours of the first
    open weekday. A night shift (22:00-06:00) is worked or off as a whole, by the day on which it begins.
    Raises InvalidInput when intervals overlap or the week has none at all.
    """

    zone: ZoneInfo
    week: Mapping[int, tuple[Interval, ...]]
    holidays: HolidaySource | None = None
    exceptions: Mapping[date, tuple[Interval, ...]] = field(default_factory=dict)
    _cache: dict[date, tuple[Span, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _texts: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _nights: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "week", MappingProxyType(dict(self.week)))
        object.__setattr__(self, "exceptions", MappingProxyType(dict(self.exceptions)))
        for day, intervals in (*self.week.items(), *self.exceptions.items()):
            if problem := problem_in(intervals):
                raise InvalidInput(f"opening hours of {day}: {problem}")
        for day in range(7):
            if problem := problem_between(self.week.get(day, ()), self.week.get((day + 1) % 7, ())):
                raise InvalidInput(f"opening hours of {(day + 1) % 7}: {problem}")
        nights = any(map(over_midnight, chain(*self.week.values(), *self.exceptions.values())))
        object.__setattr__(self, "_nights", nights)
        if not any(self.week.get(day) for day in range(7)):
            raise InvalidInput("the week has no opening hours at all", "open at least one weekday")

    def __hash__(self) -> int:
        return hash((self.zone.key, tuple(sorted(self.week.items())), tuple(sorted(self.exceptions.items()))))

    @classmethod
    def always(cls, zone: ZoneInfo) -> Calendar:
        """Open around the clock, every day; dates are those of `zone`."""
        return cls(zone, dict.fromkeys(range(7), ((MIDNIGHT, MIDNIGHT),)))

    # -- moments -------------------------------------------------------------------------------------------

    def is_open(self, at: datetime) -> bool:
        """Whether `at` is working time; the closing moment itself is not."""
        return any(opens <= at < closes for opens, closes in self._around(at))

    def next_opening(self, at: datetime) -> datetime:
        """`at` itself when it is working time, else the next moment the doors open."""
        opens, _ = next(self._spans_from(at))
        return max(at, opens)

    def next_closing(self, at: datetime) -> datetime:
        """The end of the interval that `at` lies in, or of the next one; around the clock it is midnight."""
        return next(self._spans_from(at))[1]

    def add(self, start: datetime, duration: timedelta) -> datetime:
        """The moment after `duration` of working time (before, when negative).

        Time that fits exactly ends at the closing (or opening) moment, not on the next day. A duration of
        zero gives `start` back, even outside working time.
        """
        if duration < _NONE:
            return self._subtract(start, -duration)
        if duration == _NONE:
            return start
        for opens, closes in self._spans_from(start):
            begin = max(start, opens)
            if closes - begin >= duration:
                return begin + duration
            duration -= closes - begin
        raise AssertionError("spans never end")

    def _subtract(self, start: datetime, duration: timedelta) -> datetime:
        for opens, closes in self._spans_before(start):
            end = min(start, closes)
            if end - opens >= duration:
                return end - duration
            duration -= end - opens
        raise AssertionError("spans never end")

    def between(self, a: datetime, b: datetime) -> timedelta:
        """Working time from `a` to `b`, negative when `b` is first; `between(a, add(a, d)) == d` always."""
        if b < a:
            return -self.between(b, a)
        total, last = _NONE, self.local_date(b) + _DAY
        day = self.local_date(a) - _DAY
        while day <= last:
            for opens, closes in self._day(day):
                total += max(_NONE, min(b, closes) - max(a, opens))
            day += _DAY
        return total

    # -- days ----------------------------------------------------------------------------------------------

    def local_date(self, at: datetime) -> date:
        """The date on the team's wall at that moment."""
        return at.astimezone(self.zone).date()

    def is_working_day(self, day: date) -> bool:
        """Whether the team works at all on that local date."""
        return bool(self._day(day))

    def close_of_working_day(self, at: datetime, n: int = 0) -> datetime:
        """Close of business. In a night shift the day of `at` is the one on which the shift began.

        With n = 0 that of the day of `at`, or of the next working day when that day is none or has closed
        already; with n >= 1 that of the n-th working day after the day of `at`.
        """
        if n == 0:
            day = self._working_date(at)
            while not (hours := self._day(day)) or hours[-1][1] < at:
                day = self._following(day, 1)
            return hours[-1][1]
        return self._day(self._following(self._working_date(at), n))[-1][1]

    def opening_of_working_day(self, at: datetime, n: int) -> datetime:
        """When the doors open on the n-th (n >= 1) working day after the day of `at`."""
        return self._day(self._following(self._working_date(at), n))[0][0]

    def years_without_data(self, from_year: int, to_year: int) -> list[int]:
        """The years (both ends included) whose holidays nobody has published yet; warn, never guess."""
        source = self.holidays
        if source is None:
            return []
        return [year for year in range(from_year, to_year + 1) if not source.has_data(year)]

    def hours_text(self, locale: str) -> str:
        """The weekly hours in words: "周一至周五 09:00–18:00", "Mon–Fri 09:00–18:00"."""
        if locale not in self._texts:
            self._texts[locale] = hours_text(self.week, locale)
        return self._texts[locale]

    # -- inside --------------------------------------------------------------------------------------------

    def _intervals(self, day: date) -> tuple[Interval, ...]:
        if day in self.exceptions:
            return self.exceptions[day]
        if self.holidays is not None:
            if self.holidays.is_make_up_day(day):
                return next(self.week[weekday] for weekday in range(7) if self.week.get(weekday))
            if self.holidays.is_day_off(day):
                return ()
        return self.week.get(day.weekday(), ())

    def _day(self, day: date) -> tuple[Span, ...]:
        known = self._cache.get(day)
        if known is None:
            if len(self._cache) >= _CACHED_DAYS:
                self._cache.clear()
            known = spans(day, self._intervals(day), self.zone)
            if self._nights:
                known = self._after_the_night(day, known)
            self._cache[day] = known
        return known

    def _after_the_night(self, day: date, hours: tuple[Span, ...]) -> tuple[Span, ...]:
        """The hours of a day without what the night shift of the day before has taken (a single day's own
        hours may overlap with it), so that no minute counts twice.
        """
        before = spans(day - _DAY, self._intervals(day - _DAY), self.zone)
        if not before or not hours or before[-1][1] <= hours[0][0]:
            return hours
        end = before[-1][1]
        return tuple((max(opens, end), closes) for opens, closes in hours if closes > end)

    def _working_date(self, at: datetime) -> date:
        """The local date; inside a night shift that has begun the evening before, that evening's."""
        today = self.local_date(at)
        if self._nights:
            evening = today - _DAY
            hours = self._intervals(evening)
            if hours and over_midnight(hours[-1]) and any(a <= at <= b for a, b in self._day(evening)[-1:]):
                return evening
        return today

    def _following(self, day: date, n: int) -> date:
        closed = 0
        while n > 0:
            day += _DAY
            if self._day(day):
                n, closed = n - 1, 0
            else:
                closed = self._count_closed(closed)
        return day

    def _around(self, at: datetime) -> Iterator[Span]:
        # A day whose clock is put back over midnight reaches into its neighbour: look at three.
        today = self.local_date(at)
        for day in (today - _DAY, today, today + _DAY):
            yield from self._day(day)

    def _spans_from(self, at: datetime) -> Iterator[Span]:
        """All intervals that end after `at`, in order, without end."""
        day, closed = self.local_date(at) - _DAY, 0
        while True:
            hours = self._day(day)
            closed = 0 if hours else self._count_closed(closed)
            yield from (span for span in hours if span[1] > at)
            day += _DAY

    def _spans_before(self, at: datetime) -> Iterator[Span]:
        """All intervals that begin before `at`, last one first, without end."""
        day, closed = self.local_date(at) + _DAY, 0
        while True:
            hours = self._day(day)
            closed = 0 if hours else self._count_closed(closed)
            yield from (span for span in reversed(hours) if span[0] < at)
            day -= _DAY

    @staticmethod
    def _count_closed(closed: int) -> int:
        if closed >= _LONGEST_CLOSURE:
            raise InvalidInput(
                f"no working time within {_LONGEST_CLOSURE} days", "look at the calendar's exceptions"
            )
        return closed + 1


ALWAYS = Calendar.always(ZoneInfo("UTC"))
"""Around the clock, by UTC dates."""
