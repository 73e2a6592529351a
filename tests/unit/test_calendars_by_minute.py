"""Working time against a second implementation that knows nothing but minutes.

The oracle walks through UTC minute by minute and keeps the latest time the wall clock has shown so far; a
minute is open when that time lies in an interval. So it agrees with the calendar about skipped and repeated
hours without sharing a line with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from workers.calendars import Calendar

MINUTE = timedelta(minutes=1)
DAYS = 12
# Each window of twelve days has a change of the clock near its middle, or is a plain one.
WINDOWS = [
    ("Asia/Shanghai", datetime(2026, 5, 1, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 5, 1, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 3, 24, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 20, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 27, tzinfo=UTC)),
    ("America/Santiago", datetime(2026, 4, 1, tzinfo=UTC)),  # 24:00 becomes 23:00
    ("America/Santiago", datetime(2026, 9, 1, tzinfo=UTC)),  # 00:00 does not exist
    ("Australia/Lord_Howe", datetime(2026, 4, 1, tzinfo=UTC)),  # half an hour
    ("America/New_York", datetime(2026, 3, 3, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 4, 18, tzinfo=UTC)),  # 00:00 does not exist
    ("Africa/Cairo", datetime(2026, 10, 24, tzinfo=UTC)),  # 24:00 becomes 23:00
    ("America/Sao_Paulo", datetime(2018, 10, 30, tzinfo=UTC)),  # 00:00 does not exist
    ("America/Sao_Paulo", datetime(2019, 2, 11, tzinfo=UTC)),  # 24:00 becomes 23:00
    ("Pacific/Apia", datetime(2011, 12, 24, tzinfo=UTC)),  # there is no 30 December
]

Hours = tuple[tuple[time, time], ...]


@cache
def latest_wall_times(zone: str, start: datetime) -> list[datetime]:
    local = ZoneInfo(zone)
    latest = start.astimezone(local).replace(tzinfo=None)
    found = []
    for minute in range(DAYS * 1440):
        shown = (start + minute * MINUTE).astimezone(local).replace(tzinfo=None)
        latest = max(latest, shown)
        found.append(latest)
    return found


@cache
def minutes_shown(zone: str, start: datetime) -> list[tuple[date, int]]:
    return [(each.date(), each.hour * 60 + each.minute) for each in latest_wall_times(zone, start)]


@dataclass
class Oracle:
    start: datetime
    wall: list[datetime]
    is_open: list[bool]
    owner: list[date]
    """The day to which each minute belongs: that on which its shift began, if it is one of a night shift."""

    @classmethod
    def of(cls, zone: str, start: datetime, week: dict[int, Hours], exceptions: dict[date, Hours]) -> Oracle:
        days: dict[date, list[date | None]] = {}

        def minutes_of(day: date) -> list[date | None]:
            found: list[date | None] = [None] * 1440
            evening = day - timedelta(days=1)
            for whose, of in ((evening, hours_of(evening)), (day, hours_of(day))):
                for a, b in of:
                    first, last = a.hour * 60 + a.minute, b.hour * 60 + b.minute
                    tail = time(0) < b < a
                    if whose == evening and not tail:
                        continue
                    begin, end = (0, last) if whose == evening else (first, 1440 if tail else last or 1440)
                    found[begin:end] = [whose] * (end - begin)
            return found

        def hours_of(day: date) -> Hours:
            return exceptions.get(day, week.get(day.weekday(), ()))

        is_open, owner = [], []
        for day, minute in minutes_shown(zone, start):
            if day not in days:
                days[day] = minutes_of(day)
            whose = days[day][minute]
            is_open.append(whose is not None)
            owner.append(whose or day)
        return cls(start, latest_wall_times(zone, start), is_open, owner)

    def at(self, minute: int) -> datetime:
        return self.start + minute * MINUTE

    def between(self, a: int, b: int) -> int:
        return sum(self.is_open[a:b]) if a <= b else -sum(self.is_open[b:a])

    def add(self, a: int, minutes: int) -> int | None:
        step = 1 if minutes > 0 else -1
        left = abs(minutes)
        while left:
            passed = a if step > 0 else a - 1
            if not 0 <= passed < len(self.is_open):
                return None
            left -= self.is_open[passed]
            a += step
        return a

    def close_of_day(self, a: int, n: int) -> int | None:
        closes: dict[date, int] = {}
        for minute in range(len(self.wall)):
            if self.is_open[minute]:
                closes[self.owner[minute]] = minute + 1
        last_seen = self.wall[-1].date()
        today = self.owner[a - 1] if self.owner[a - 1] < self.owner[a] and self._ends(a) else self.owner[a]
        if n == 0:
            later = [c for day, c in closes.items() if c >= a and today <= day < last_seen]
        else:
            later = [c for day, c in closes.items() if today < day < last_seen][n - 1 :]
        return later[0] if later else None

    def _ends(self, a: int) -> bool:
        """Whether a night shift ends at this very minute: the closing moment belongs to it."""
        return self.is_open[a - 1] and not self.is_open[a] and self.owner[a - 1] != self.wall[a - 1].date()

    def seconds_between(self, a: int, b: int) -> int:
        """Open seconds between two moments given in seconds after the start."""
        first, last = a // 60, b // 60
        if first == last:
            return self.is_open[first] * (b - a)
        whole = sum(self.is_open[first + 1 : last]) * 60
        return whole + self.is_open[first] * (60 - a % 60) + self.is_open[last] * (b % 60)


def hours() -> st.SearchStrategy[Hours]:
    """Up to three intervals on quarter hours, sometimes touching, sometimes up to midnight."""

    def build(quarters: list[int]) -> Hours:
        marks = sorted(quarters)
        pairs = list(zip(marks[::2], marks[1::2], strict=False))
        return tuple((clock(a), clock(b)) for a, b in pairs if a < b)

    def clock(quarter: int) -> time:
        return time(quarter // 4 % 24, quarter % 4 * 15)

    return st.lists(st.integers(0, 96), min_size=2, max_size=6).map(build)


weeks = st.dictionaries(st.integers(0, 6), hours(), min_size=2).filter(lambda week: any(week.values()))


@st.composite
def places(draw: st.DrawFn) -> tuple[Calendar, Oracle]:
    zone, start = draw(st.sampled_from(WINDOWS))
    week = draw(weeks)
    first = start.date()
    days = st.integers(0, DAYS).map(lambda n: first + timedelta(days=n))
    exceptions = draw(st.dictionaries(days, st.one_of(st.just(()), hours()), max_size=3))
    return Calendar(ZoneInfo(zone), week, None, exceptions), Oracle.of(zone, start, week, exceptions)


@st.composite
def places_with_nights(draw: st.DrawFn) -> tuple[Calendar, Oracle]:
    """Shifts over midnight, before them perhaps one in the afternoon, never into another day's hours."""
    zone, start = draw(st.sampled_from(WINDOWS))

    def shift(quarters: tuple[int, int, bool]) -> Hours:
        evening, morning, early = quarters
        night = (time(20 + evening // 4, evening % 4 * 15), time((1 + morning) // 4, (1 + morning) % 4 * 15))
        return ((time(13), time(17, 30)), night) if early else (night,)

    shifts = st.one_of(
        st.tuples(st.integers(0, 15), st.integers(0, 46), st.booleans()).map(shift), st.just(())
    )
    week = draw(
        st.dictionaries(st.integers(0, 6), shifts, min_size=3).filter(lambda week: any(week.values()))
    )
    days = st.integers(0, DAYS).map(lambda n: start.date() + timedelta(days=n))
    exceptions = draw(st.dictionaries(days, shifts, max_size=3))
    return Calendar(ZoneInfo(zone), week, None, exceptions), Oracle.of(zone, start, week, exceptions)


minutes_inside = st.integers(2 * 1440, (DAYS - 2) * 1440)


any_place = st.one_of(places(), places_with_nights())


@settings(max_examples=120, deadline=None)
@given(any_place, minutes_inside, minutes_inside)
def test_time_between_two_moments_is_the_open_minutes_between_them(
    place: tuple[Calendar, Oracle], a: int, b: int
) -> None:
    calendar, oracle = place
    assert calendar.between(oracle.at(a), oracle.at(b)) == oracle.between(a, b) * MINUTE


@settings(max_examples=120, deadline=None)
@given(any_place, minutes_inside, minutes_inside, st.integers(0, 59), st.integers(0, 59))
def test_seconds_are_counted_as_exactly_as_minutes_in_both_directions(
    place: tuple[Calendar, Oracle], a: int, b: int, second: int, other: int
) -> None:
    calendar, oracle = place
    first, last = sorted((a * 60 + second, b * 60 + other))
    start, end = (oracle.start + timedelta(seconds=each) for each in (first, last))
    length = timedelta(seconds=oracle.seconds_between(first, last))
    assert calendar.between(start, end) == length
    assert calendar.between(end, start) == -length
    forth, back = calendar.add(start, length), calendar.add(end, -length)
    assert forth <= end or not length
    assert back >= start or not length
    assert calendar.between(start, forth) == length == calendar.between(back, end)


@settings(max_examples=120, deadline=None)
@given(any_place, minutes_inside, st.integers(-1500, 1500))
def test_adding_working_time_lands_where_counting_minutes_lands(
    place: tuple[Calendar, Oracle], a: int, amount: int
) -> None:
    calendar, oracle = place
    expected = oracle.add(a, amount)
    assume(expected is not None)
    assert expected is not None
    assert calendar.add(oracle.at(a), amount * MINUTE) == oracle.at(expected)


@settings(max_examples=100, deadline=None)
@given(any_place, minutes_inside)
def test_open_and_next_opening_and_closing_agree_with_the_minutes(
    place: tuple[Calendar, Oracle], a: int
) -> None:
    calendar, oracle = place
    assert calendar.is_open(oracle.at(a)) == oracle.is_open[a]
    ahead = [minute for minute in range(a, DAYS * 1440) if oracle.is_open[minute]]
    assume(ahead)
    assert calendar.next_opening(oracle.at(a)) == oracle.at(ahead[0])
    closing = calendar.next_closing(oracle.at(a))
    assert oracle.at(ahead[0]) < closing
    # Touching intervals close where they touch: all minutes up to the closing are open, whatever follows.
    count = min((closing - oracle.at(ahead[0])) // MINUTE, len(ahead))
    assert ahead[:count] == list(range(ahead[0], ahead[0] + count))


@settings(max_examples=100, deadline=None)
@given(any_place, minutes_inside, st.integers(0, 4))
def test_close_of_the_nth_working_day_is_its_last_open_minute(
    place: tuple[Calendar, Oracle], a: int, n: int
) -> None:
    calendar, oracle = place
    # In the hour that comes twice around midnight "today" is a matter of taste: leave it out.
    assume(oracle.at(a).astimezone(calendar.zone).replace(tzinfo=None) == oracle.wall[a])
    expected = oracle.close_of_day(a, n)
    assume(expected is not None)
    assert expected is not None
    assert calendar.close_of_working_day(oracle.at(a), n) == oracle.at(expected)


@settings(max_examples=200, deadline=None)
@given(
    any_place,
    st.integers(0, 10 * 365 * 86400),
    st.timedeltas(timedelta(days=-20), timedelta(days=20)),
)
def test_between_undoes_add(place: tuple[Calendar, Oracle], after: int, length: timedelta) -> None:
    calendar, _ = place
    moment = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=after)
    assert calendar.between(moment, calendar.add(moment, length)) == length


@settings(max_examples=100, deadline=None)
@given(any_place, minutes_inside, st.integers(0, 800), st.integers(0, 800))
def test_adding_twice_is_adding_the_sum(
    place: tuple[Calendar, Oracle], a: int, first: int, second: int
) -> None:
    calendar, oracle = place
    start = oracle.at(a)
    together = calendar.add(start, (first + second) * MINUTE)
    if second:
        assert calendar.add(calendar.add(start, first * MINUTE), second * MINUTE) == together


@pytest.mark.parametrize(("zone", "start"), WINDOWS)
def test_open_around_the_clock_every_minute_counts_once_in_any_zone(zone: str, start: datetime) -> None:
    calendar = Calendar.always(ZoneInfo(zone))
    end = start + timedelta(days=DAYS)
    assert calendar.between(start, end) == end - start
    assert calendar.add(start, timedelta(days=DAYS)) == end
