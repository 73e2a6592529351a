"""Several calendars in one policy: whose counts, for what, and what is said when they are written wrongly."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from models.vocabulary import Medium, Priority
from workers.policy import (
    Case,
    Policy,
    PolicyFileError,
    SlaClock,
    Story,
    advice,
    differences,
    load_policy,
    made_up_month,
    parse_policy,
    replay,
    section,
    sentence,
)

TEXT = load_policy("support-response").version_text
BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")
FIRST = SlaClock.FIRST_RESPONSE
MEDIUM, HIGH, URGENT = Priority.MEDIUM, Priority.HIGH, Priority.URGENT
WEEK = "\n".join(
    f'{day} = ["09:00-17:00"]' for day in ("monday", "tuesday", "wednesday", "thursday", "friday")
)
CALENDARS = f"""
[calendars.berlin]
zone = "Europe/Berlin"
holidays = "DE-BY"
[calendars.berlin.hours]
{WEEK}

[calendars.contract]
holidays = "none"
around_the_clock = ["urgent", "high"]
[calendars.contract.hours]
{WEEK}
saturday = ["09:00-17:00"]

[[calendar_for]]
team = "product"
calendar = "berlin"

[[calendar_for]]
customer_level = "vip"
customer_group = "banks"
calendar = "contract"
"""


def policy(added: str = CALENDARS) -> Policy:
    return parse_policy(f"{TEXT}\n{added}")


def mistakes(added: str) -> list[tuple[str, str]]:
    text = f"{TEXT}\n{added}"
    with pytest.raises(PolicyFileError) as told:
        parse_policy(text)
    lines = text.split("\n")
    return [(lines[(each.line or 1) - 1], each.message) for each in told.value.mistakes]


def at(zone: ZoneInfo, text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=zone).astimezone(UTC)


BANK = Case(MEDIUM, customer_level="vip", customer_group="banks", team="product")


@pytest.mark.parametrize(
    ("case", "name"),
    [
        (Case(MEDIUM), ""),
        (Case(MEDIUM, team="hardware"), ""),
        (Case(MEDIUM, team="product"), "berlin"),
        (Case(MEDIUM, customer_level="vip", team="product"), "berlin"),
        (BANK, "contract"),  # asks for two things
        (Case(MEDIUM, customer_level="vip", customer_group="banks", channel=Medium.SMS), "contract"),
    ],
)
def test_the_table_that_asks_for_most_names_the_calendar(case: Case, name: str) -> None:
    found = policy().for_case(case)
    assert (found.calendar_name, found) == (name, policy())
    # Whichever it goes by just now, a case finds its own.
    assert policy().for_team("product").for_case(case).calendar_name == name


def test_limits_warnings_ladders_waits_and_surveys_go_by_the_calendar_of_the_case() -> None:
    mine, case, start = policy(), Case(MEDIUM, team="product"), at(BERLIN, "04-02 15:00")
    # Good Friday and Easter Monday are holidays in Bavaria, and working days in Shanghai.
    assert mine.limit_at(FIRST, case, start) == at(BERLIN, "04-07 15:00")
    assert mine.limit_at(FIRST, Case(MEDIUM), start) == at(SHANGHAI, "04-03 17:00")
    warned, breach = mine.alarms(FIRST, case, start)
    assert (warned.at, breach.at) == (at(BERLIN, "04-07 14:30"), at(BERLIN, "04-07 15:00"))
    own = mine.for_case(case)
    late = at(BERLIN, "04-07 16:45")
    assert next(rung.at for rung in own.ladder(MEDIUM, late)) == at(BERLIN, "04-08 09:15")
    assert own.ladder_repeat(MEDIUM, late).at == at(BERLIN, "04-08 16:45")
    assert own.tell_at(MEDIUM, at(BERLIN, "04-02 20:00")) == at(BERLIN, "04-07 09:00")
    assert own.waiting.until(start, around_the_clock=False) == at(BERLIN, "04-13 17:00")
    assert own.survey.reminder_at(start).astimezone(BERLIN).date().isoformat() > "2026-04-06"
    assert own.confirm_by(start).astimezone(BERLIN).hour == 17
    pause = [(at(BERLIN, "04-07 10:00"), at(BERLIN, "04-07 12:00"))]
    solved = mine.expected_resolution(case, start)
    assert mine.after_pauses(SlaClock.RESOLUTION, case, start, solved, pause) > solved


def test_another_calendar_may_serve_other_priorities_day_and_night() -> None:
    mine, start = policy(), at(SHANGHAI, "05-15 16:30")  # a Friday
    assert mine.for_case(BANK).around_the_clock(HIGH)
    assert not mine.for_team("product").around_the_clock(HIGH)
    assert mine.for_team("product").around_the_clock(URGENT)
    high = Case(HIGH, customer_level="vip", customer_group="banks")
    assert mine.limit_at(FIRST, high, start) == at(SHANGHAI, "05-15 20:30")
    # It has no zone of its own: that of the policy, also when the installation sets another one.
    moved = load_policy("support-response", zone="Europe/Berlin").version_text
    assert parse_policy(moved + CALENDARS).for_case(BANK).calendar.zone == BERLIN


def test_a_request_that_was_is_simulated_by_its_calendar() -> None:
    start = at(BERLIN, "03-02 16:00")
    story = Story(Case(MEDIUM, team="product"), start, known_until=at(BERLIN, "03-04 16:00"))
    first = next(each for each in replay(policy(), story) if each.clock is FIRST)
    assert first.limit == at(BERLIN, "03-03 16:00")
    assert [alarm.at for alarm in first.told if alarm.level == 2] == [at(BERLIN, "03-04 10:00")]


def test_a_made_up_month_has_requests_of_each_team_and_so_of_each_calendar() -> None:
    month = list(made_up_month(policy(), 60, at(SHANGHAI, "03-01 00:00"), seed=1))
    assert {policy().for_case(story.case).calendar_name for story in month} == {"", "berlin"}


@pytest.mark.parametrize(
    ("added", "line", "words"),
    [
        ('[[calendar_for]] # x\nteam = "product"\ncalendar = "mars"', "name", "not there: mars"),
        ('[[calendar_for]]\nteam = "sales"\ncalendar = "berlin"', "name", "[teams] does not list: sales"),
        ('[[calendar_for]] # x\ncalendar = "berlin"', "[[calendar_for]] # x", "name what it is for"),
        ('[calendars.x]\nholidays = "ZZ"\nhours = { monday = ["08:00-09:00"] }', "holidays", "known for ZZ"),
        ('[calendars.x]\nholidays = "none"\nhours = {}', "hours", "at least one weekday"),
        ('[calendars.x]\nholidays = "none"\nzone = "Mars"\nhours.monday = []', "zone", "time zone 'Mars'"),
        (
            '[[calendar_for]] # x\nchannel = "sms"\ncalendar = "contract"',
            "[[calendar_for]] # x",
            "ask for as much and name different calendars",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(added: str, line: str, words: str) -> None:
    found = mistakes(f"{CALENDARS}\n{added}")
    assert any(words in message for _, message in found), found
    if line != "name":
        assert any(at_line.startswith(line) for at_line, _ in found), found


def test_a_third_table_settles_what_two_leave_open() -> None:
    tied = f'{CALENDARS}\n[[calendar_for]]\nchannel = "sms"\ncalendar = "contract"\n'
    tied = tied.replace('customer_group = "banks"\n', "")
    settled = f'{tied}\n[[calendar_for]]\nchannel = "sms"\nteam = "product"\ncalendar = "berlin"\n'
    assert (len(mistakes(tied)), len(mistakes(settled))) == (2, 1)
    settled += '\n[[calendar_for]]\nteam = "product"\ncustomer_level = "vip"\ncalendar = "contract"\n'
    assert len(mistakes(settled)) == 1  # an SMS of a VIP to that team: two tables ask for two things each
    settled += (
        '\n[[calendar_for]]\nteam = "product"\ncustomer_level = "vip"\nchannel = "sms"\ncalendar = "berlin"\n'
    )
    case = Case(MEDIUM, team="product", channel=Medium.SMS)
    assert policy(settled).for_case(case).calendar_name == "berlin"


def test_what_a_calendar_lacks_is_reported_by_its_name_and_line() -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    lacking = CALENDARS.replace('"DE-BY"', '"CN"').replace(
        '"banks"\ncalendar = "contract"', '"banks"\ncalendar = "berlin"'
    )
    mine = policy(lacking)
    told = {mine.version_text.split("\n")[(each.line or 1) - 1]: each for each in advice(mine, now)}
    assert told['holidays = "CN"'].message == (
        "calendar berlin: the public holidays and make-up days of 2027 are not published yet"
    )
    assert "[calendars.berlin.days]" in told['holidays = "CN"'].hint
    assert told["[calendars.contract]"].message == "no request goes by the calendar contract"
    assert any(notice.startswith("calendar berlin: ") for notice in mine.notices(2027, 2027))


def test_a_change_of_calendars_is_said_in_words() -> None:
    def said(before: str, after: str, locale: str = "en") -> list[str]:
        found = differences(policy(before), policy(after))
        return [f"{section(each, locale)}: {sentence(each, locale)}" for each in found]

    assert said(CALENDARS, CALENDARS) == []
    shorter = CALENDARS.replace('friday = ["09:00-17:00"]', 'friday = ["09:00-13:00"]', 1)
    assert said(CALENDARS, shorter) == [
        "Hours: calendar, berlin, opening hours, Friday: 09:00-17:00 → 09:00-13:00"
    ]
    assert said(CALENDARS, CALENDARS.replace('team = "product"', 'team = "hardware"'), "zh_CN") == [
        "工作时间: 其他日历,1: 团队 product; 日历 berlin → 取消",
        "工作时间: 其他日历,1: 新增 团队 hardware; 日历 berlin",
    ]
    assert "Hours: calendar, contract, served around the clock: urgent, high → urgent" in said(
        CALENDARS, CALENDARS.replace('["urgent", "high"]', '["urgent"]')
    )
    assert any("calendar, berlin, time zone: new Europe/Berlin" in each for each in said("", CALENDARS))
