"""What other libraries of business time say they compute, and we must too.

The cases are the examples of the pages of businesstimedelta 1.0.1, business-duration 0.68 (PyPI) and
moment-business-time 2.0.0 (npm), in this order; all of them are asked in both directions. Where these
disagree with us it is said here: moment counts the closing moment as open, we do not; the page of
businesstimedelta has 80 hours for day and night shifts, the library itself gives the 72 that stand here.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from workers.calendars import Calendar, Interval, PublicHolidays


def hours(*intervals: str) -> tuple[Interval, ...]:
    """`09:00-18:00` as a calendar has it."""
    pairs = (each.split("-") for each in intervals)
    return tuple((time.fromisoformat(a), time.fromisoformat(b)) for a, b in pairs)


def weekdays(*intervals: str) -> dict[int, tuple[Interval, ...]]:
    return dict.fromkeys(range(5), hours(*intervals))


LUNCH = weekdays("09:00-12:00", "13:00-18:00")
BREAKS = {
    **weekdays("09:00-17:00"),
    3: hours("09:00-12:00", "13:00-18:00"),
    4: hours("09:00-12:00", "12:30-17:00"),
}
SECOND = timedelta(seconds=1)
CALENDARS = {
    "lunch": Calendar(ZoneInfo("UTC"), LUNCH),
    "california": Calendar(ZoneInfo("UTC"), LUNCH, PublicHolidays("US", "CA")),
    "santiago": Calendar(ZoneInfo("America/Santiago"), LUNCH),
    "day and night": Calendar(ZoneInfo("UTC"), weekdays("09:00-17:00", "23:00-07:00")),
    "seven to five": Calendar(ZoneInfo("UTC"), weekdays("07:00-17:00"), PublicHolidays("US", "CA")),
    "nine to five": Calendar(ZoneInfo("UTC"), weekdays("09:00-17:00")),
    "breaks": Calendar(ZoneInfo("UTC"), BREAKS),
}
BETWEEN = [
    ("lunch", "2016-01-18T09:00", "2016-01-22T18:00", 40),
    ("california", "2015-12-21T09:00", "2015-12-28T09:00", 32),
    ("santiago", "2016-01-18T17:00", "2016-01-19T02:00", 4),  # 9 to 18 h in San Francisco
    ("day and night", "2016-01-18T09:00", "2016-01-22T18:00", 72),
    ("seven to five", "2017-07-01T02:02", "2017-07-07T04:48", 30),
    ("nine to five", "2015-02-26T12:00", "2015-02-27T16:30", 12.5),
    ("nine to five", "2015-02-27T10:00", "2015-02-27T15:30", 5.5),
    ("nine to five", "2015-02-28T10:00", "2015-03-02T14:00", 5),
    ("nine to five", "2015-02-26T10:12:34", "2015-02-27T11:12:34", 9),
    ("nine to five", "2015-02-26T10:12:34", "2015-03-02T13:12:34", 19),
    ("nine to five", "2015-02-26T10:12:34", "2015-03-17T14:12:34", 108),
    ("nine to five", "2016-03-21T15:30", "2016-03-23T16:30", 17),
    ("nine to five", "2016-03-21T15:30", "2016-03-24T09:30", 18),
    ("breaks", "2020-01-02T10:00", "2020-01-02T15:00", 4),
    ("breaks", "2020-01-03T11:00", "2020-01-03T13:30", 2),
    ("breaks", "2020-01-02T10:00", "2020-01-06T10:30", 16),
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("name", "start", "end", "length"), BETWEEN)
def test_working_time_is_what_others_say_it_is(name: str, start: str, end: str, length: float) -> None:
    calendar, worked = CALENDARS[name], timedelta(hours=length)
    assert calendar.between(at(start), at(end)) == worked
    assert calendar.between(at(end), at(start)) == -worked
    assert calendar.between(at(start), calendar.add(at(start), worked)) == worked
    assert calendar.between(calendar.add(at(end), -worked), at(end)) == worked
    if calendar.is_open(at(end) - SECOND):
        assert calendar.add(at(start), worked) == at(end)
    if calendar.is_open(at(start)):
        assert calendar.add(at(end), -worked) == at(start)


@pytest.mark.parametrize(
    ("start", "days", "day"),
    [
        ("2015-02-26T10:12:34", 1, "2015-02-27"),
        ("2015-02-26T10:12:34", 2, "2015-03-02"),
        ("2015-02-26T10:12:34", 10, "2015-03-12"),
        ("2015-02-26T10:12:34", 100, "2015-07-16"),
        ("2015-02-28T10:13:00", 1, "2015-03-02"),
    ],
)
def test_the_nth_working_day_is_the_day_that_others_count(start: str, days: int, day: str) -> None:
    closing = CALENDARS["nine to five"].close_of_working_day(at(start), days)
    assert closing == at(f"{day}T17:00")


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2015-02-28T10:13:00", "2015-03-02T09:00"),
        ("2015-02-26T17:30:00", "2015-02-27T09:00"),
        ("2015-02-26T07:30:00", "2015-02-26T09:00"),
        ("2015-02-26T10:12:34", "2015-02-26T10:12:34"),
    ],
)
def test_the_doors_open_when_others_open_them(moment: str, opening: str) -> None:
    assert CALENDARS["nine to five"].next_opening(at(moment)) == at(opening)
