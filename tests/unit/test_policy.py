"""Limits as they are written, policies of one's own, and mistakes that are said with file and line."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vocabulary import Category, Priority
from workers.errors import PolicyError
from workers.policy import READY_MADE, Case, Limit, PolicyFileError, SlaClock, load_policy, parse_policy
from workers.policy.load import ready_made_folder
from workers.policy.toml_lines import Lines

SHANGHAI = ZoneInfo("Asia/Shanghai")
FIRST = SlaClock.FIRST_RESPONSE


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


@pytest.fixture(scope="module")
def text() -> str:
    return load_policy("support-response").version_text


def changed(text: str, old: str, new: str) -> tuple[str, int]:
    """The text with one thing replaced, and the line on which it stood."""
    assert old in text
    return text.replace(old, new, 1), text[: text.index(old)].count("\n") + 1 + old.count("\n")


# -- limits as written ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "urgent_end", "other_end"),
    [
        ("30m", "2026-05-22 18:15", "2026-05-25 09:15"),
        ("8h", "2026-05-23 01:45", "2026-05-25 16:45"),
        ("9h", "2026-05-23 02:45", "2026-05-25 18:00"),
        ("24h", "2026-05-23 17:45", "2026-05-25 18:00"),
        ("48h", "2026-05-24 17:45", "2026-05-25 18:00"),
        ("1wd", "2026-05-25 18:00", "2026-05-25 18:00"),
        ("elapsed:2h", "2026-05-22 19:45", "2026-05-22 19:45"),
        ("elapsed:24h", "2026-05-23 17:45", "2026-05-23 17:45"),
        ("working:2h", "2026-05-25 10:45", "2026-05-25 10:45"),
        ("working:18h", "2026-05-26 17:45", "2026-05-26 17:45"),
    ],
)
def test_a_limit_from_friday_1745_ends(written: str, urgent_end: str, other_end: str) -> None:
    calendar, start = load_policy("support-response").calendar, at("2026-05-22 17:45")
    limit = Limit.parse(written)
    assert limit.end(calendar, start, around_the_clock=True) == at(urgent_end)
    assert limit.end(calendar, start) == at(other_end)


@pytest.mark.parametrize(
    "written", ["", "0m", "-1h", "1d", "2 h", "h", "1.5h", "elapsed:3wd", "fast:2h", 30, None, "٣h"]
)
def test_what_is_no_limit_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"limit|working days"):
        Limit.parse(written)


@given(st.text(max_size=12))
def test_any_text_is_a_limit_or_a_value_error(written: str) -> None:
    try:
        limit = Limit.parse(written)
    except ValueError:
        return
    assert Limit.parse(str(limit)) == limit


# -- a policy of one's own -----------------------------------------------------------------------------------


def test_comments_and_order_do_not_change_the_digest_but_numbers_do(text: str) -> None:
    policy = parse_policy(text)
    assert parse_policy("# by Alice\n" + text).digest == policy.digest
    other = parse_policy(changed(text, 'medium = "8h"', 'medium = "7h"')[0])
    assert other != policy
    assert other.digest != policy.digest
    assert len(policy.digest) == 64
    assert {policy: 1}[parse_policy(text)] == 1


def test_zone_and_locale_of_the_team_stand_in_the_stored_source() -> None:
    policy = load_policy("support-response", zone="Europe/Berlin", locale="en")
    assert (policy.zone, policy.locale) == ("Europe/Berlin", "en")
    assert parse_policy(policy.version_text) == policy
    # "auto" took the holidays of the country the zone lies in.
    assert not policy.calendar.is_working_day(date(2026, 10, 3))
    assert policy.calendar.is_working_day(date(2026, 10, 1))
    assert not policy.calendar.is_working_day(date(2026, 12, 25))


def test_a_zone_without_a_country_is_said_and_not_guessed() -> None:
    policy = load_policy("support-response", zone="UTC")
    assert policy.calendar.holidays is None
    assert "UTC" in policy.notices(2026, 2026)[0]


def test_a_zone_that_the_file_does_not_name_is_put_in_front(tmp_path: Path, text: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text.replace('zone = "Asia/Shanghai"\n', ""), encoding="utf-8")
    assert load_policy(file, zone="Asia/Tokyo").zone == "Asia/Tokyo"


def test_a_file_saved_on_windows_reads_the_same(tmp_path: Path, text: str) -> None:
    file = tmp_path / "windows.toml"
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_policy(str(file)) == parse_policy(text)
    assert load_policy(str(file)).version_text == text


def test_a_special_period_relaxes_what_it_names_and_says_its_label(text: str) -> None:
    festival = """
[[special_periods]]
label = "双十一"
first_day = 2026-11-01
last_day = 2026-11-12
first_response = { medium = "24h" }
"""
    policy = parse_policy(text + festival)
    inside, outside = at("2026-11-12 23:59"), at("2026-11-13 00:00")
    assert (policy.special_period(inside), policy.special_period(outside)) == ("双十一", None)
    limits = [policy.limit_for(FIRST, priority, inside) for priority in (Priority.MEDIUM, Priority.HIGH)]
    assert [str(limit) for limit in limits] == ["24h", "4h"]
    assert str(policy.limit_for(FIRST, Priority.MEDIUM, outside)) == "8h"


def test_a_category_may_have_stricter_limits(text: str) -> None:
    policy = parse_policy(text + '\n[[category_limits]]\ncategory = "complaint"\nplan = { low = "1wd" }\n')
    start = at("2026-05-20 10:00")
    assert str(policy.limit_for(SlaClock.PLAN, Case(Priority.LOW, Category.COMPLAINT), start)) == "1wd"
    assert str(policy.limit_for(SlaClock.PLAN, Case(Priority.LOW, Category.OTHER), start)) == "3wd"
    assert str(policy.limit_for(SlaClock.PLAN, Priority.LOW, start)) == "3wd"
    assert policy.alarms(SlaClock.PLAN, Case(Priority.LOW, Category.COMPLAINT), start)[-1].at == at(
        "2026-05-21 18:00"
    )


def test_opening_hours_with_lunch_and_single_days_are_read(text: str) -> None:
    text, _ = changed(text, "saturday  = []", 'saturday  = ["10:00-12:00", "13:00–24:00"]')
    text, _ = changed(
        text, "\n[calendar.days]", '\n[calendar.days]\n2026-05-20 = []\n"2026-10-01" = ["09:00-10:00"]'
    )
    calendar = parse_policy(text).calendar
    assert not calendar.is_working_day(date(2026, 5, 20))
    assert calendar.is_open(at("2026-10-01 09:30"))
    assert calendar.is_open(at("2026-05-23 23:59"))
    assert not calendar.is_open(at("2026-05-23 12:30"))


def test_a_limit_of_three_quarters_of_an_hour_is_warned_of_half_way(text: str) -> None:
    policy = parse_policy(changed(text, 'high = "4h"', 'high = "44m"')[0])
    start = at("2026-05-20 10:00")
    assert policy.alarms(FIRST, Priority.HIGH, start)[0].at == at("2026-05-20 10:22")


# -- mistakes ------------------------------------------------------------------------------------------------

MISTAKES = [
    ("half_way_up_to =", "halfway_up_to =", "unknown key warnings.halfway_up_to", "half_way_up_to"),
    ('urgent = "2h"', 'urgnt = "2h"', "unknown key limits.first_response.urgnt", "urgent"),
    ('urgent = "2h"', 'urgent = "2 hours"', "limits.first_response.urgent: '2 hours' is no limit", ""),
    ('roles = ["head"]', 'roles = ["hed"]', "escalation.levels.1.roles.0", "head"),
    ('supervisor_too = ["urgent",', 'supervisor_too = ["urgnt",', "warnings.supervisor_too.0", "urgent"),
    ('default_priority = "medium"', 'default_priority = "midium"', "default_priority", "medium"),
    ('zone = "Asia/Shanghai"', 'zone = "Asia/Beijing"', "no time zone 'Asia/Beijing'", ""),
    ('zone = "Asia/Shanghai"', 'zone = "../../etc/passwd"', "no time zone", ""),
    ('zone = "Asia/Shanghai"', 'zone = "Asia"', "no time zone", ""),
    ('holidays = "auto"', 'holidays = "XX"', "no public holidays are known for XX", "auto"),
    ("saturday  = []", 'saturday  = ["09:00-09:00"]', "ends where it starts", ""),
    ("saturday  = []", 'saturday  = ["22:00-06:00", "07:00-08:00"]', "a night shift last", ""),
    ("sunday    = []", 'sunday    = ["22:00-10:00"]', "before the night shift of the day before", ""),
    ("saturday  = []", 'saturday  = ["9-12"]', "are no opening hours", ""),
    ('delay = "1h"', 'delay = "25h"', "24h at most", ""),
    ("low_dimension = 2", "low_dimension = 7", "followup.low_dimension", ""),
    ('{ en = "Hardware", zh_CN = "硬件" }', '{ en = "Hardware" }', "hardware.zh_CN is missing", ""),
    ('reminders = ["24h", "44h"]', 'reminders = ["50h"]', "before start_within", ""),
    ('dimensions = ["overall", "solved",', 'dimensions = ["solved", "overall",', "comes first", ""),
    ('dimensions = ["overall", "solved",', 'dimensions = ["overall", "overall",', "asked twice", ""),
]


@pytest.mark.parametrize(("old", "new", "message", "hint"), MISTAKES)
def test_a_mistake_is_said_with_file_line_and_hint(
    text: str, old: str, new: str, message: str, hint: str
) -> None:
    wrong, line = changed(text, old, new)
    with pytest.raises(PolicyFileError) as caught:
        parse_policy(wrong, source="ours.toml")
    about = [mistake for mistake in caught.value.mistakes if message in mistake.message]
    assert about, caught.value.message
    assert caught.value.file == "ours.toml"
    # A rule between several keys points to the table they stand in.
    assert about[0].line is not None
    assert about[0].line == line or wrong.splitlines()[about[0].line - 1].startswith("[")
    assert hint in about[0].hint
    assert f"ours.toml, line {about[0].line}: " in caught.value.message


def test_a_list_that_is_wrong_because_of_one_entry_is_said_once(text: str) -> None:
    with pytest.raises(PolicyFileError) as caught:
        parse_policy(changed(text, 'roles = ["head"]', 'roles = ["hed"]')[0])
    assert len(caught.value.mistakes) == 1


def test_every_mistake_is_listed_at_once_in_the_order_of_the_file(text: str) -> None:
    wrong, first = changed(text, "saturday  = []", 'saturday = ["x"]')
    wrong, second = changed(wrong, "low_overall = 3", "low_overall = 9")
    with pytest.raises(PolicyError) as caught:
        parse_policy(wrong, source="ours.toml")
    assert isinstance(caught.value, PolicyFileError)
    assert [mistake.line for mistake in caught.value.mistakes] == [first, second]
    assert caught.value.line == first


def test_text_that_is_no_toml_is_said_with_its_line(text: str) -> None:
    wrong, line = changed(text, 'locale = "zh_CN"', "locale = zh_CN")
    with pytest.raises(PolicyFileError) as caught:
        parse_policy(wrong)
    assert caught.value.line == line
    with pytest.raises(PolicyFileError) as caught:
        parse_policy("a = [")
    assert caught.value.line is not None


def test_missing_tables_and_categories_are_named(text: str) -> None:
    with pytest.raises(PolicyFileError, match="followup is missing"):
        parse_policy(text.replace("[followup]", "[survey_of_nobody]"))
    with pytest.raises(PolicyFileError, match="categories: other missing"):
        parse_policy(
            text.replace(
                '[categories.other]\nlabel = { en = "Other", zh_CN = "其他" }\naliases = ["其它"]\n', ""
            )
        )


def test_a_rule_for_a_team_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(PolicyFileError, match="does not list: hardwear"):
        parse_policy(text.replace('team = "hardware"', 'team = "hardwear"'))


def test_a_policy_that_is_not_there_names_the_ready_made_ones(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(tmp_path / "none.toml")
    assert "support-response" in caught.value.hint
    with pytest.raises(PolicyError):
        load_policy(tmp_path)


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "gbk.toml"
    file.write_bytes("# policy\ntitle = '客服'".encode("gbk"))
    with pytest.raises(PolicyFileError) as caught:
        load_policy(file)
    assert caught.value.line == 2


# -- where keys stand ----------------------------------------------------------------------------------------

TRICKY = '''\
a = 1
"b.c" = "[x]"
text = """
[not.a.table]
key = 1
"""
list = [
  "x", # a ] in a remark
  ["y"],
]
d.e.f = 2

[t . u]
k = { deep = [1, 2] }
[[rules]]
team = "one"
[[rules]]
team = "two"
[rules.more]
x = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 1),
        (("b.c",), 2),
        (("text",), 3),
        (("list", 1), 7),
        (("d", "e", "f"), 11),
        (("d", "e"), 11),
        (("t", "u", "k", "deep", 0), 14),
        (("rules", 0, "team"), 16),
        (("rules", 1, "team"), 18),
        (("rules", 1, "more", "x"), 20),
        (("rules", 1, "unknown"), 17),
        (("nowhere",), None),
        ((), None),
    ],
)
def test_the_line_of_a_key_is_found_through_strings_lists_and_tables(
    path: tuple[str | int, ...], line: int | None
) -> None:
    assert Lines(TRICKY).of(path) == line


@given(st.text(alphabet="ab=[]{}\".'# \n\\", max_size=60))
def test_looking_for_a_line_never_fails_whatever_the_text(broken: str) -> None:
    Lines(broken).of(("a", 0, "b"))


def test_the_ready_made_policies_are_found_in_this_checkout() -> None:
    assert sorted(path.stem for path in ready_made_folder().glob("*.toml")) == sorted(READY_MADE)
