"""What two policies say differently, in the words of a support lead, and what a valid one hardly means."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.policy import (
    READY_MADE,
    Policy,
    advice,
    differences,
    load_policy,
    parse_policy,
    section,
    sentence,
)

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
TEXT = load_policy("support-response").version_text

# Each is one change that a support lead could make: what stands in the file, and what is put in its place.
CHANGES = (
    ('high = "4h"', 'high = "2h"'),
    ('resolution = "1h"', 'resolution = "90m"'),
    ('roles = ["head"]', 'roles = ["head", "administrator"]'),
    ('monday    = ["09:00-18:00"]', 'monday    = ["09:00-12:00", "13:30-18:00"]'),
    ("first_contact_owns = false", "first_contact_owns = true"),
    ('dimensions = ["overall", "solved",', 'dimensions = ["overall",'),
    ('zh_CN = "客服" }', 'zh_CN = "客服中心" }'),
    ("# [[category_limits]]\n# category", "[[category_limits]]\ncategory"),
    ('[[assignment.rules]]\ncategory = "complaint"\nteam = "customer_relations"', ""),
)


def policy(*changes: tuple[str, str]) -> Policy:
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse_policy(text)


def said(before: Policy, after: Policy, locale: str = "en") -> list[str]:
    return [f"{section(each, locale)}: {sentence(each, locale)}" for each in differences(before, after)]


@pytest.mark.parametrize("name", READY_MADE)
def test_a_policy_does_not_differ_from_itself(name: str) -> None:
    assert differences(load_policy(name), parse_policy(load_policy(name).version_text + "\n# a remark")) == ()


@given(st.sets(st.sampled_from(CHANGES)), st.sets(st.sampled_from(CHANGES)))
@settings(max_examples=40, deadline=None)
def test_two_policies_differ_in_words_exactly_when_they_differ(
    first: set[tuple[str, str]], second: set[tuple[str, str]]
) -> None:
    before, after = policy(*sorted(first)), policy(*sorted(second))
    there, back = differences(before, after), differences(after, before)
    assert bool(there) == (before != after)
    assert {each.place for each in there} == {each.place for each in back}
    assert {(repr(each.before), repr(each.after)) for each in there} == {
        (repr(each.after), repr(each.before)) for each in back
    }


def test_any_two_ready_made_policies_can_be_compared_in_both_languages() -> None:
    for first, second in itertools.permutations(READY_MADE, 2):
        for locale in ("en", "zh_CN"):
            assert all(said(load_policy(first), load_policy(second), locale))


@pytest.mark.parametrize(
    ("number", "english", "chinese"),
    [
        (0, "Limits: first response, high: 4h → 2h", "时限: 首次响应,高: 4h → 2h"),
        (1, "Warnings: resolution: 1h → 90m", "预警: 解决: 1h → 90m"),
        (
            2,
            "Escalation: level, 2, who is told: head of department → head of department, administrator",
            "升级: 级别,2,通知对象: 部门负责人 → 部门负责人, 管理员",
        ),
        (
            3,
            "Hours: opening hours, Monday: 09:00-18:00 → 09:00-12:00, 13:30-18:00",
            "工作时间: 营业时间,周一: 09:00-18:00 → 09:00-12:00, 13:30-18:00",
        ),
        (
            4,
            "Teams and assignment: first contact stays responsible: no → yes",
            "团队与分配: 首问负责制: 否 → 是",
        ),
        (
            8,
            "Teams and assignment: rule, 4: team customer_relations; category complaint → left out",
            "团队与分配: 规则,4: 团队 customer_relations; 类别 投诉建议 → 取消",
        ),
    ],
)
def test_a_change_is_said_as_a_lead_says_it(number: int, english: str, chinese: str) -> None:
    after = policy(CHANGES[number])
    assert said(policy(), after) == [english]
    assert said(policy(), after, "zh_CN") == [chinese]


def test_the_order_of_special_periods_counts() -> None:
    period = '\n[[special_periods]]\nlabel = "{}"\nfirst_day = 2026-11-01\nlast_day = 2026-11-12\n'
    both = [parse_policy(TEXT + period.format(a) + period.format(b)) for a, b in ("xy", "yx")]
    assert said(both[0], both[1]) == ["Special periods: period: x, y → y, x"]


def test_what_is_hardly_meant_is_said_with_its_line() -> None:
    odd = policy(
        ('first_response = "30m"', 'first_response = "5h"'),
        ('after = "2h"', 'after = "20m"'),
        ("# standards_on = 2026-12-31", "standards_on = 2025-12-31"),
        (
            '[[assignment.rules]]\ncategory = "pre_sales"',
            '[[assignment.rules]]\nteam = "support"\n\n[[assignment.rules]]\ncategory = "pre_sales"',
        ),
    )
    told = {each.message: each for each in advice(odd, NOW)}
    warned = told["the warning of first_response is not shorter than the limit of urgent, high"]
    lines = odd.version_text.splitlines()
    assert warned.line is not None
    assert lines[warned.line - 1] == 'first_response = "5h"'
    assert "half-way" in warned.hint
    ladder = told["level 2 is told no later than level 1 (after)"]
    assert ladder.line is not None
    assert lines[ladder.line - 1] == 'after = "20m"'
    assert "the standards were to be reviewed on 2025-12-31" in told
    assert "assignment rule 2 is never reached: rule 1 fits first" in told
    assert any("2027 are not published" in words for words in told)


def test_periods_that_are_over_or_overlap_are_said() -> None:
    period = '\n[[special_periods]]\nlabel = "{}"\nfirst_day = {}\nlast_day = {}\n'
    text = (
        TEXT
        + period.format("old", "2025-11-01", "2025-11-12")
        + period.format("a", "2026-11-01", "2026-11-12")
    )
    text += period.format("b", "2026-11-12", "2026-11-14")
    told = [each.message for each in advice(parse_policy(text), NOW)]
    assert "the special period old is over" in told
    assert "the special periods a and b overlap" in told


@pytest.mark.parametrize("name", READY_MADE)
def test_the_ready_made_policies_need_no_advice_but_for_unpublished_years(name: str) -> None:
    told = [each.message for each in advice(load_policy(name), NOW)]
    assert [words for words in told if "not published" not in words] == []
