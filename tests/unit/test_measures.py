"""Periods over changes of the clock, intervals, what is not told, and the words of each measure."""

from __future__ import annotations

import itertools
import json
import statistics
from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vocabulary import Priority
from tests.architecture.tree import ROOT
from workers.calendars import Calendar
from workers.errors import InvalidInput
from workers.measures import (
    CATALOGUE,
    SMALLEST_GROUP,
    Figure,
    Named,
    Silence,
    Step,
    days_between,
    named_period,
)
from workers.measures.discretion import hide_differences
from workers.measures.making import FEWEST_RANKED, low_share, mean_score, no_value, share
from workers.measures.period import Period, months_later
from workers.measures.worked import Sums
from workers.policy import load_policy

Day = tuple[int, int, int]
BERLIN, SHANGHAI, CHATHAM = (ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Shanghai", "Pacific/Chatham"))
NOW = datetime(2026, 5, 31, 23, 30, tzinfo=UTC)
"""A Sunday in London, and Monday the first of June already further east."""
_HOURS = st.integers(0, 24 * 300).map(lambda hours: datetime(2026, 2, 1, tzinfo=UTC) + timedelta(hours=hours))
_MOMENTS = st.builds(lambda at, seconds: at + timedelta(seconds=seconds), _HOURS, st.integers(0, 3599))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        (Named.WEEK, (2026, 6, 1), (2026, 6, 7)),
        (Named.LAST_WEEK, (2026, 5, 25), (2026, 5, 31)),
        (Named.MONTH, (2026, 6, 1), (2026, 6, 30)),
        (Named.LAST_MONTH, (2026, 5, 1), (2026, 5, 31)),
        (Named.QUARTER, (2026, 4, 1), (2026, 6, 30)),
        (Named.LAST_QUARTER, (2026, 1, 1), (2026, 3, 31)),
        (Named.LAST_3_MONTHS, (2026, 3, 2), (2026, 6, 1)),
    ],
)
def test_a_named_period_is_that_of_the_teams_wall(name: str, first: Day, last: Day) -> None:
    period = named_period(name, NOW, SHANGHAI)
    assert (period.first_day, period.last_day) == (date(*first), date(*last))
    assert period.first == datetime.combine(date(*first), time(), SHANGHAI)
    assert period.last == datetime.combine(date(*last), time(), SHANGHAI) + timedelta(days=1)


@given(
    st.sampled_from(list(Named)),
    _MOMENTS,
    st.sampled_from([BERLIN, SHANGHAI, CHATHAM]),
)
def test_the_period_before_ends_where_this_one_begins(name: Named, now: datetime, zone: ZoneInfo) -> None:
    period = named_period(name, now, zone)
    before = period.before()
    assert before.last == period.first
    assert before.first < before.last
    for step in Step:
        parts = period.cut(step)
        assert (parts[0].first, parts[-1].last) == (period.first, period.last)
        assert all(one.last == following.first for one, following in itertools.pairwise(parts))
    if name in (Named.LAST_MONTH, Named.LAST_QUARTER, Named.LAST_WEEK):
        assert period.last <= now


def test_a_day_with_a_change_of_the_clock_has_23_or_25_hours() -> None:
    spring = days_between(date(2026, 3, 29), date(2026, 3, 29), BERLIN)
    autumn = days_between(date(2026, 10, 25), date(2026, 10, 25), BERLIN)
    assert (spring.last - spring.first, autumn.last - autumn.first) == (
        timedelta(hours=23),
        timedelta(hours=25),
    )


def test_what_is_no_period_is_refused() -> None:
    with pytest.raises(InvalidInput):
        named_period("yesterday", NOW, BERLIN)
    with pytest.raises(InvalidInput):
        days_between(date(2026, 3, 2), date(2026, 3, 1), BERLIN)
    with pytest.raises(InvalidInput):
        days_between(date(1999, 3, 2), date(2026, 3, 1), BERLIN)


def test_months_are_counted_to_the_last_day_of_shorter_ones() -> None:
    assert months_later(date(2026, 5, 31), -3) == date(2026, 2, 28)
    assert months_later(date(2024, 11, 30), 3) == date(2025, 2, 28)
    assert months_later(date(2026, 12, 31), 2) == date(2027, 2, 28)


@given(st.lists(st.integers(1, 5), min_size=SMALLEST_GROUP, max_size=60))
def test_a_mean_lies_in_its_interval_which_is_students(scores: list[int]) -> None:
    figure = mean_score("csat_overall", len(scores), sum(scores), sum(each * each for each in scores))
    mean, deviation = statistics.fmean(scores), statistics.stdev(scores)
    assert figure.value == pytest.approx(mean)
    assert figure.low is not None
    assert figure.high is not None
    assert 1 <= figure.low <= mean + 1e-9
    assert mean - 1e-9 <= figure.high <= 5
    if len(scores) == 10 and figure.low > 1:  # t(9) = 2.2622
        assert figure.low == pytest.approx(mean - 2.2622 * deviation / 10**0.5, abs=0.002)
    assert figure.ranked == (len(scores) >= FEWEST_RANKED)


def test_shares_have_wilsons_interval_and_15_per_cent_is_much() -> None:
    figure = share("urged", 3, 20)  # by hand: 0.0524 … 0.3604
    assert (figure.value, figure.cases) == (0.15, 20)
    assert figure.low == pytest.approx(0.0524, abs=1e-4)
    assert figure.high == pytest.approx(0.3604, abs=1e-4)
    assert low_share("low_speed", 3, 20).highlighted
    assert not low_share("low_speed", 2, 20).highlighted
    assert low_share("low_speed", 1, 4).silence is Silence.TOO_FEW


def _column(cases: dict[str, int]) -> dict[str, dict[str, Figure]]:
    return {
        group: {"csat_overall": mean_score("csat_overall", number, 4 * number, 16 * number)}
        for group, number in cases.items()
    }


def test_a_single_group_that_is_too_small_cannot_be_reckoned_from_the_others() -> None:
    shown = hide_differences(_column({"a": 3, "b": 7, "c": 20}), ["csat_overall"])
    assert {group: mine["csat_overall"].too_few for group, mine in shown.items()} == {
        "a": True,
        "b": True,  # else all − b − c = a
        "c": False,
    }
    assert shown["a"]["csat_overall"].cases == 0
    two = hide_differences(_column({"a": 3, "b": 2, "c": 20, "d": 9}), ["csat_overall"])
    assert [group for group, mine in two.items() if mine["csat_overall"].too_few] == ["a", "b"]


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 30), min_size=2))
def test_what_is_hidden_together_is_never_fewer_than_may_be_told(cases: dict[str, int]) -> None:
    shown = hide_differences(_column(cases), ["csat_overall"])
    hidden = sum(cases[group] for group, mine in shown.items() if mine["csat_overall"].value is None)
    told = [group for group, mine in shown.items() if mine["csat_overall"].value is not None]
    assert hidden == 0 or hidden >= SMALLEST_GROUP or not told
    assert all(cases[group] >= SMALLEST_GROUP for group in told)
    assert no_value("csat_overall").silence is Silence.NO_CASES


@given(_MOMENTS, _MOMENTS, st.sampled_from(["Europe/Berlin", "Asia/Shanghai", "America/St_Johns"]))
def test_sums_of_working_time_say_what_the_calendar_says(a: datetime, b: datetime, zone: str) -> None:
    start, end = min(a, b), max(a, b)
    calendar = _calendars()[zone]
    sums = Sums(calendar, start, end)
    assert sums.between(start.timestamp(), end.timestamp()) == pytest.approx(
        calendar.between(start, end).total_seconds(), abs=1e-3
    )


_KNOWN: dict[str, Calendar] = {}


def _calendars() -> dict[str, Calendar]:
    if not _KNOWN:
        for zone in ("Europe/Berlin", "Asia/Shanghai", "America/St_Johns"):
            policy = load_policy("support-response", zone=zone)
            assert not policy.around_the_clock(Priority.LOW)
            _KNOWN[zone] = policy.calendar
    return _KNOWN


@pytest.mark.parametrize("locale", ["en", "zh_CN"])
def test_each_measure_has_its_words(locale: str) -> None:
    words = json.loads(resources.files("templates").joinpath(f"measures.{locale}.json").read_text("utf-8"))
    assert list(words) == list(CATALOGUE)
    said = [measure.words(locale) for measure in CATALOGUE.values()]
    assert len({each.name for each in said}) == len(said)
    assert all(each.name and each.meaning and each.formula for each in said)


def test_a_period_without_a_name_is_compared_with_as_many_days() -> None:
    period = Period(date(2026, 3, 10), date(2026, 3, 19), BERLIN)
    assert (period.before().first_day, period.before().last_day) == (date(2026, 2, 28), date(2026, 3, 9))


def test_the_page_of_measures_is_the_catalogue() -> None:
    page = (ROOT / "ops" / "docs" / "measures.md").read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in lines] == list(CATALOGUE)
    for line, measure in zip(lines, CATALOGUE.values(), strict=True):
        english, chinese = measure.words("en"), measure.words("zh_CN")
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1:5] == [english.name, chinese.name, english.meaning, english.formula]
        marks = {"lower": "↓", "higher": "↑", "neither": ""}
        assert cells[5].split()[1:] == [mark for mark in (marks[measure.better.value],) if mark]
