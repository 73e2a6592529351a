"""Limits for some requests only, warnings in a row, limits of acceptance and after a re-opening."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from models.vocabulary import Category, Medium, Priority
from workers.policy import (
    Case,
    Policy,
    PolicyFileError,
    SlaClock,
    advice,
    differences,
    load_policy,
    parse_policy,
    sentence,
)

FIRST, PLAN, RESOLUTION, ACCEPTANCE = (
    SlaClock.FIRST_RESPONSE,
    SlaClock.PLAN,
    SlaClock.RESOLUTION,
    SlaClock.ACCEPTANCE,
)
HIGH, LOW = Priority.HIGH, Priority.LOW
WHOLE = load_policy("support-response").version_text
# Without the tables that these tests write themselves.
TEXT = WHOLE[: WHOLE.index("[first_response]")] + WHOLE[WHOLE.index("# ---- Warnings") :]


def at(text: str) -> datetime:
    moment = datetime.fromisoformat(f"2026-05-{text}")
    return moment.replace(tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)


def policy(added: str = "", *changes: tuple[str, str]) -> Policy:
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse_policy(f"{text}\n{added}")


def mistakes(added: str) -> list[tuple[str, str]]:
    """Each mistake as the line of the file it points to, and its words."""
    text = f"{TEXT}\n{added}"
    with pytest.raises(PolicyFileError) as told:
        parse_policy(text)
    lines = text.split("\n")
    return [(lines[(each.line or 1) - 1], each.message) for each in told.value.mistakes]


TABLES = """
[[category_limits]]
category = "complaint"
first_response = { high = "3h" }

[[limits_for]]
customer_level = "vip"
in_special_periods = true
first_response = { high = "1h", low = "2h" }
plan = { high = "5h" }
expected_resolution = { high = "elapsed:6h" }

[[limits_for]]
category = "complaint"
customer_level = "vip"
first_response = { high = "30m" }

[[limits_for]]
team = "hardware"
channel = "sms"
resolution = { high = "elapsed:9h" }

[[special_periods]]
label = "festival"
first_day = 2026-05-18
last_day = 2026-05-18
first_response = { high = "8h", low = "8h" }
"""


@pytest.mark.parametrize(
    ("case", "first_response"),
    [
        (Case(HIGH), "4h"),
        (Case(HIGH, Category.COMPLAINT), "3h"),
        (Case(HIGH, customer_level="vip"), "1h"),
        (Case(HIGH, Category.COMPLAINT, "vip"), "30m"),
        (Case(LOW, Category.COMPLAINT, "vip"), "2h"),  # the more exact table says nothing about low
        (Case(HIGH, Category.COMPLAINT, "vip", "hardware", Medium.SMS), "30m"),
        (Case(HIGH, customer_level="gold"), "4h"),
    ],
)
def test_the_table_that_asks_for_most_wins(case: Case, first_response: str) -> None:
    assert str(policy(TABLES).limit_for(FIRST, case, at("20 10:00"))) == first_response


def test_each_clock_of_a_table_is_used_and_a_special_period_gives_way_only_where_asked() -> None:
    mine = policy(TABLES)
    vip, sms = Case(HIGH, customer_level="vip"), Case(HIGH, team="hardware", channel=Medium.SMS)
    assert str(mine.limit_for(PLAN, vip, at("20 10:00"))) == "5h"
    assert mine.expected_resolution(vip, at("20 10:00")) == at("20 16:00")
    assert mine.limit_at(RESOLUTION, sms, at("20 10:00")) == at("20 19:00")
    assert mine.limit_at(RESOLUTION, Case(HIGH, team="hardware"), at("20 10:00")) is None
    assert str(mine.limit_for(FIRST, vip, at("18 10:00"))) == "1h"
    assert str(mine.limit_for(FIRST, Case(HIGH, Category.COMPLAINT), at("18 10:00"))) == "8h"
    assert str(mine.limit_for(FIRST, Case(HIGH, Category.COMPLAINT, "vip"), at("18 10:00"))) == "1h"


def test_two_tables_with_equal_right_are_a_mistake_on_the_line_of_the_later() -> None:
    tied = """
[[limits_for]]
customer_level = "vip"
first_response = { high = "1h" }

[[limits_for]] # the later
channel = "sms"
first_response = { high = "2h", low = "2h" }
"""
    (found,) = mistakes(tied)
    assert found[0] == "[[limits_for]] # the later"
    assert found[1].startswith("first_response, high: this table and that of line ")
    settled = f'{tied}\n[[limits_for]]\nchannel = "sms"\ncustomer_level = "vip"\n'
    both = Case(HIGH, customer_level="vip", channel=Medium.SMS)
    made = policy(settled + 'first_response = { high = "15m" }')
    assert str(made.limit_for(FIRST, both, at("20 10:00"))) == "15m"
    assert len(mistakes(settled + 'first_response = { low = "15m" }')) == 1
    # Different customers, different clocks or different priorities never meet.
    policy(tied.replace('channel = "sms"', 'customer_level = "gold"'))
    policy(tied.replace('high = "2h", ', ""))
    again = '[[category_limits]]\ncategory = "complaint"\nplan = { low = "1wd" }\n'
    policy(again + again)  # always allowed: the first counts
    (found,) = mistakes(f'{again}\n[[limits_for]]\ncategory = "complaint"\nplan = {{ low = "2wd" }}')
    assert found[0] == "[[limits_for]]"


def test_what_such_a_table_lacks_is_said_with_its_line() -> None:
    (empty,) = mistakes('[[limits_for]] # one\nplan = { low = "2wd" }')
    assert empty[0] == "[[limits_for]] # one"
    assert "name what it is for: category, customer_level, customer_group, team, channel" in empty[1]
    (idle,) = mistakes('[[limits_for]]\nteam = "hardware"')
    assert "it sets no limit" in idle[1]
    (team,) = mistakes('[[limits_for]]\nteam = "moon"\nplan = { low = "2wd" }')
    assert "limits_for names teams that [teams] does not list: moon" in team[1]
    (word,) = mistakes('[[limits_for]]\nchanel = "sms"\nplan = { low = "2wd" }')
    assert word[0] == 'chanel = "sms"'
    (clock,) = mistakes('[reopening]\nclocks = ["plan"]\nresolution = { high = "2h" }')
    assert "resolution has limits here, but does not stand in clocks" in clock[1]


def test_several_warnings_come_in_order_and_those_that_do_not_fit_are_left_out() -> None:
    mine = policy("", ('first_response = "30m"', 'first_response = ["30m", "2h", "3h"]'))
    start = at("20 10:00")
    assert [alarm.at for alarm in mine.alarms(FIRST, HIGH, start)] == [
        at("20 11:00"),
        at("20 12:00"),
        at("20 13:30"),
        at("20 14:00"),
    ]
    urgent = mine.alarms(FIRST, Priority.URGENT, start)  # 2h: only the half hour is shorter
    assert [(alarm.at, alarm.step) for alarm in urgent] == [
        (at("20 11:30"), "warning"),
        (at("20 12:00"), "breach"),
    ]
    told = [each for each in advice(mine, start) if "is not shorter than the limit of urgent" in each.message]
    assert ["left out" in each.hint for each in told] == [True, True]
    (change,) = differences(parse_policy(TEXT), mine)
    assert sentence(change, "en") == "first response: 30m → 3h, 2h, 30m"
    with pytest.raises(PolicyFileError, match="a list of different ones"):
        policy("", ('first_response = "30m"', 'first_response = ["30m", "30m"]'))


def test_a_limit_of_acceptance_can_be_missed_a_borrowed_one_only_reminds() -> None:
    start = at("20 10:00")
    assert {alarm.step for alarm in policy().alarms(ACCEPTANCE, HIGH, start)} == {"acceptance_reminder"}
    limits = '[limits.acceptance]\nurgent = "15m"\nhigh = "1h"\nmedium = "2h"\nlow = "4h"'
    own = policy(limits).alarms(ACCEPTANCE, HIGH, start)
    assert [(alarm.at, alarm.step) for alarm in own] == [
        (at("20 10:30"), "acceptance_reminder"),
        (at("20 10:45"), "acceptance_reminder"),
        (at("20 11:00"), "breach"),
    ]
    assert own[-1].roles == ("handler", "supervisor")


def test_a_reopening_has_clocks_and_limits_of_its_own() -> None:
    mine = policy(
        '[reopening]\nclocks = ["first_response", "resolution"]\n'
        'first_response = { high = "1h" }\nresolution = { high = "2h" }'
    )
    again, start = Case(HIGH, reopened=True), at("20 10:00")
    assert policy().reopening_clocks == ("plan", "resolution")
    assert mine.reopening_clocks == ("first_response", "resolution")
    assert str(mine.limit_for(FIRST, again, start)) == "1h"
    assert str(mine.limit_for(FIRST, Case(LOW, reopened=True), start)) == "24h"
    assert (mine.limit_at(RESOLUTION, again, start), mine.limit_at(RESOLUTION, HIGH, start)) == (
        at("20 12:00"),
        None,
    )


def test_a_policy_says_which_messages_are_a_first_response() -> None:
    assert policy().counts_as_first_response("progress_notice")
    mine = policy('[first_response]\ncounts = ["answer"]')
    kinds = ("reply_to_customer", "progress_notice", "result_feedback", "receipt")
    assert [mine.counts_as_first_response(kind) for kind in kinds] == [True, False, False, False]
