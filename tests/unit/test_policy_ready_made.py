"""The three ready-made policies say the practices' own numbers."""

from __future__ import annotations

import time
import timeit
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from models.vocabulary import Category, Priority
from workers.policy import READY_MADE, Alarm, AskRule, Policy, SlaClock, load_policy, parse_policy

URGENT, HIGH, MEDIUM, LOW = Priority.URGENT, Priority.HIGH, Priority.MEDIUM, Priority.LOW
FIRST, PLAN, RESOLUTION, ACCEPTANCE = (
    SlaClock.FIRST_RESPONSE,
    SlaClock.PLAN,
    SlaClock.RESOLUTION,
    SlaClock.ACCEPTANCE,
)
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime:
    """Shanghai time, 2026: Wednesday is 05-20, Friday 05-22."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=SHANGHAI).astimezone(UTC)


@pytest.fixture(scope="module")
def support() -> Policy:
    return load_policy("support-response")


@pytest.fixture(scope="module")
def tracking() -> Policy:
    return load_policy("response-tracking")


@pytest.fixture(scope="module")
def after_sales() -> Policy:
    return load_policy("after-sales")


# As in the table of defaults: urgent, high, medium, low; None = no such limit.
NUMBERS: dict[str, dict[SlaClock, tuple[str, ...] | None]] = {
    "support-response": {
        FIRST: ("2h", "4h", "8h", "24h"),
        PLAN: ("4h", "8h", "24h", "3wd"),
        RESOLUTION: None,
    },
    "response-tracking": {FIRST: ("10m", "30m", "30m", "30m"), PLAN: None, RESOLUTION: None},
    "after-sales": {FIRST: ("15m", "30m", "2h", "2h"), PLAN: None, RESOLUTION: ("2h", "4h", "24h", "24h")},
}


@pytest.mark.parametrize("name", READY_MADE)
@pytest.mark.parametrize("clock", [FIRST, PLAN, RESOLUTION])
def test_limits_are_those_of_the_practice(name: str, clock: SlaClock) -> None:
    policy, start = load_policy(name), at("05-20 10:00")
    limits = [policy.limit_for(clock, priority, start) for priority in Priority]
    expected = NUMBERS[name][clock]
    assert [limit and limit.text for limit in limits] == list(expected or [None] * 4)


@pytest.mark.parametrize("name", READY_MADE)
def test_common_defaults_hold_in_every_ready_made_policy(name: str) -> None:
    policy = load_policy(name)
    assert (policy.name, policy.zone, policy.locale) == (name, "Asia/Shanghai", "zh_CN")
    assert policy.default_priority is MEDIUM
    assert [policy.urged(priority) for priority in Priority] == [URGENT, HIGH, HIGH, LOW]
    assert policy.reply_hold == timedelta(minutes=2)
    assert policy.calendar.hours_text("zh_CN") == "周一至周五 09:00–18:00"
    assert not policy.calendar.is_open(at("10-01 10:00"))
    assert policy.calendar.is_open(at("09-20 10:00"))
    assert [policy.around_the_clock(priority) for priority in Priority] == [True, False, False, False]
    assert parse_policy(policy.version_text) == policy


# start, priority, clock → end; Friday evening, the weekend and the make-up Sunday of 2026-09-20 among them.
ENDS = [
    ("05-20 23:00", URGENT, FIRST, "05-21 01:00"),
    ("05-20 10:00", HIGH, FIRST, "05-20 14:00"),
    ("05-22 16:00", HIGH, FIRST, "05-25 11:00"),
    ("05-20 10:00", MEDIUM, FIRST, "05-20 18:00"),
    ("05-20 11:00", MEDIUM, FIRST, "05-21 10:00"),
    ("05-20 10:00", LOW, FIRST, "05-21 18:00"),
    ("05-20 19:00", LOW, FIRST, "05-22 18:00"),
    ("05-22 10:00", LOW, FIRST, "05-25 18:00"),
    ("09-19 10:00", LOW, FIRST, "09-20 18:00"),
    ("05-20 10:00", LOW, PLAN, "05-25 18:00"),
    ("09-30 10:00", LOW, PLAN, "10-10 18:00"),
    ("05-20 10:00", MEDIUM, PLAN, "05-21 18:00"),
]


@pytest.mark.parametrize(("start", "priority", "clock", "end"), ENDS)
def test_limits_end_by_the_rule_of_units(
    support: Policy, start: str, priority: Priority, clock: SlaClock, end: str
) -> None:
    assert support.limit_at(clock, priority, at(start)) == at(end)


def test_expected_resolution_is_counted_from_acceptance(support: Policy, after_sales: Policy) -> None:
    accepted = at("05-22 10:00")
    ends = [support.expected_resolution(priority, accepted) for priority in Priority]
    assert ends == [at("05-23 10:00"), at("05-25 18:00"), at("05-27 18:00"), at("05-29 18:00")]
    assert after_sales.expected_resolution(URGENT, accepted) == at("05-22 12:00")


def alarm(moment: str, step: str, *roles: str, level: int = 0) -> Alarm:
    return Alarm(at(moment), step, roles, level)


def test_support_warns_half_an_hour_before_a_response_limit(support: Policy) -> None:
    assert support.alarms(FIRST, MEDIUM, at("05-20 11:00")) == (
        alarm("05-21 09:30", "warning", "handler"),
        alarm("05-21 10:00", "breach", "handler", "supervisor"),
    )


def test_the_supervisor_is_warned_too_when_it_is_urgent_or_high(support: Policy) -> None:
    for priority in (URGENT, HIGH):
        assert support.alarms(FIRST, priority, at("05-20 10:00"))[0].roles == ("handler", "supervisor")


def test_a_plan_is_warned_of_an_hour_ahead_in_working_time(support: Policy) -> None:
    # 8 working hours from 09:30 end at 09:30 of the next morning: the warning belongs to the evening before.
    assert support.alarms(PLAN, HIGH, at("05-20 10:30"))[0].at == at("05-20 17:30")


def test_tracking_warns_half_way(tracking: Policy) -> None:
    assert tracking.alarms(FIRST, URGENT, at("05-20 22:00"))[0].at == at("05-20 22:05")
    assert tracking.alarms(FIRST, LOW, at("05-20 17:50"))[0].at == at("05-21 09:05")
    assert tracking.limit_at(FIRST, LOW, at("05-20 17:50")) == at("05-21 09:20")
    assert tracking.alarms(PLAN, LOW, at("05-20 17:50")) == ()


def test_after_sales_always_warns_the_supervisor_too(after_sales: Policy) -> None:
    for priority in Priority:
        for clock in (FIRST, RESOLUTION):
            assert after_sales.alarms(clock, priority, at("05-20 10:00"))[0].roles == (
                "handler",
                "supervisor",
            )
    assert after_sales.alarms(RESOLUTION, URGENT, at("05-20 10:00"))[0].at == at("05-20 11:00")
    assert after_sales.chat_within == timedelta(minutes=10)
    assert after_sales.first_contact_owns
    assert after_sales.respond_by(URGENT) == ("phone",)


def test_a_promised_moment_replaces_the_limit(support: Policy) -> None:
    start = at("05-20 10:00")
    assert support.alarms(RESOLUTION, LOW, start) == ()
    promised = support.alarms(RESOLUTION, LOW, start, limit=at("05-22 09:30"))
    assert [each.at for each in promised] == [at("05-21 17:30"), at("05-22 09:30")]
    short = support.alarms(RESOLUTION, LOW, start, limit=at("05-20 10:40"))
    assert [each.at for each in short] == [at("05-20 10:20"), at("05-20 10:40")]
    night = support.alarms(RESOLUTION, LOW, at("05-20 19:00"), limit=at("05-20 22:00"))
    assert [each.at for each in night] == [at("05-20 21:00"), at("05-20 22:00")]
    over = support.alarms(RESOLUTION, LOW, start, limit=start)
    assert [each.step for each in over] == ["breach"]


def test_an_extended_limit_wins_over_the_policys_own(after_sales: Policy) -> None:
    extended = after_sales.alarms(RESOLUTION, HIGH, at("05-20 10:00"), limit=at("05-21 11:00"))
    assert [each.at for each in extended] == [at("05-21 10:00"), at("05-21 11:00")]


def test_nobody_accepted_handler_at_half_and_supervisor_at_three_quarters(support: Policy) -> None:
    assert support.alarms(ACCEPTANCE, HIGH, at("05-20 10:00")) == (
        alarm("05-20 12:00", "acceptance_reminder", "handler"),
        alarm("05-20 13:00", "acceptance_reminder", "supervisor"),
    )
    assert support.limit_at(ACCEPTANCE, HIGH, at("05-20 10:00")) == at("05-20 14:00")


def test_the_ladder_goes_up_in_working_time_and_around_the_clock_when_urgent(support: Policy) -> None:
    assert support.ladder(MEDIUM, at("05-22 17:45")) == (
        alarm("05-25 09:15", "escalation", "supervisor", "substitute", level=1),
        alarm("05-25 10:45", "escalation", "head", level=2),
        alarm("05-25 12:45", "escalation", "administrator", level=3),
    )
    assert support.ladder(URGENT, at("05-22 23:45")) == (
        alarm("05-23 00:00", "escalation", "supervisor", "substitute", level=1),
        alarm("05-23 00:15", "escalation", "head", level=2),
        alarm("05-23 00:45", "escalation", "administrator", level=3),
    )


def test_after_the_ladder_it_is_said_once_a_day(support: Policy) -> None:
    daily = alarm("05-25 12:45", "escalation", "administrator", "head", level=4)
    assert support.ladder_repeat(MEDIUM, at("05-24 12:45")) == daily
    assert support.ladder_repeat(MEDIUM, at("05-22 12:45")).at == at("05-25 09:00")
    urgent = alarm("05-23 12:45", "escalation", "administrator", "head", level=4)
    assert support.ladder_repeat(URGENT, at("05-22 12:45")) == urgent


def test_breaches_of_the_night_wait_for_the_opening_unless_urgent(support: Policy) -> None:
    assert support.tell_at(MEDIUM, at("05-22 23:00")) == at("05-25 09:00")
    assert support.tell_at(MEDIUM, at("05-22 18:00")) == at("05-22 18:00")
    assert support.tell_at(MEDIUM, at("05-22 11:00")) == at("05-22 11:00")
    assert support.tell_at(URGENT, at("05-22 23:00")) == at("05-22 23:00")


def test_the_survey_is_sent_reminded_handed_to_a_person_and_closed(support: Policy) -> None:
    survey, invited = support.survey, at("05-20 17:00")
    assert survey.delay == timedelta(hours=1)
    assert survey.invite_at(at("05-20 16:00")) == invited
    assert survey.invite_at(at("05-20 16:00"), AskRule(periodic=True)) == at("05-25 18:00")
    assert survey.reminder_at(invited) == at("05-22 10:00")
    assert survey.task_at(invited) == at("05-25 10:00")
    assert survey.close_unrated_at(survey.task_at(invited)) == at("05-28 18:00")
    assert survey.expires_at(invited) == at("06-03 18:00")
    assert support.confirm_by(invited) == at("05-28 18:00")


# 回访 is asked for by its own name; it is no ticket category.
QUESTIONNAIRES = {
    Category.PRE_SALES: ("overall", "competence", "attitude", "speed"),
    Category.AFTER_SALES_TECHNICAL: ("overall", "attitude", "competence", "speed", "convenience"),
    Category.AFTER_SALES_REQUEST: ("overall", "attitude", "competence", "speed", "convenience"),
    Category.COMPLAINT: ("overall", "solved", "attitude", "speed", "convenience"),
    "return_visit": ("overall",),
}


@pytest.mark.parametrize("category", [*QUESTIONNAIRES, Category.OTHER, None])
def test_each_category_has_its_questionnaire_with_two_open_questions(
    support: Policy, category: str | None
) -> None:
    asked = support.survey.questionnaire(category)
    fallback = ("overall", "attitude", "competence", "speed", "convenience")
    assert asked.dimensions == QUESTIONNAIRES.get(category or "", fallback)
    assert asked.open_questions == (
        "您认为本次服务中最需要改进的环节是?",
        "您对我们的服务有哪些具体建议?",
    )
    assert support.questionnaire(category, "en").open_questions[1] == "What do you suggest to us?"


def test_scores_read_as_satisfied_fair_or_dissatisfied(support: Policy) -> None:
    words = [support.survey.verdict(score) for score in range(1, 6)]
    assert words == ["dissatisfied", "dissatisfied", "fair", "satisfied", "satisfied"]


def test_a_low_score_opens_a_follow_up_with_48_hours_on_the_clock(support: Policy) -> None:
    followup, opened = support.followup, at("05-22 17:00")
    assert followup.start_by(opened) == at("05-24 17:00")
    assert followup.reminders_at(opened) == (at("05-23 17:00"), at("05-24 13:00"))
    assert (followup.low_overall, followup.low_dimension) == (3, 2)
    assert [followup.opens({"overall": score}) for score in (3, 4)] == [True, False]
    assert not followup.opens({"speed": 1})
    assert followup.flagged({"overall": 1, "speed": 2, "attitude": 3}) == ("speed",)


def test_requests_go_to_the_team_of_their_category(support: Policy) -> None:
    technical = Category.AFTER_SALES_TECHNICAL
    assert support.assign(Category.PRE_SALES) == "product"
    assert support.assign(technical, "hardware") == "hardware"
    assert support.assign(technical, "software", "vip") == "software"
    assert support.assign(technical) == "support"
    assert support.assign(Category.COMPLAINT) == "customer_relations"
    assert support.assign(None) == "support"


def test_after_sales_sends_urgent_to_the_managers_and_vip_to_senior_staff(after_sales: Policy) -> None:
    urgent = after_sales.assignment(Category.OTHER, None, "vip", URGENT)
    assert (urgent.team, urgent.together_with) == ("managers", ("technical", "product"))
    assert after_sales.assign(Category.OTHER, None, "vip", MEDIUM) == "senior"


@pytest.mark.parametrize(
    ("word", "category"),
    [
        ("咨询类", Category.PRE_SALES),
        ("技术故障", Category.AFTER_SALES_TECHNICAL),
        ("投诉类", Category.COMPLAINT),
        ("售后请求", Category.AFTER_SALES_REQUEST),
        (" Pre_Sales ", Category.PRE_SALES),
        ("complaint or suggestion", Category.COMPLAINT),
        ("未知", None),
    ],
)
def test_the_words_of_the_practices_are_understood(
    support: Policy, word: str, category: Category | None
) -> None:
    assert support.category_of(word) is category


def test_the_three_after_sales_levels_lie_on_the_one_scale(after_sales: Policy) -> None:
    assert [after_sales.priority_of(word) for word in ("紧急", "重要", "一般")] == [URGENT, HIGH, MEDIUM]


def test_years_without_published_holidays_are_noticed(support: Policy) -> None:
    assert support.notices(2026, 2026) == ()
    assert "2027" in support.notices(2026, 2027)[0]


def test_thousands_of_alarms_a_second(support: Policy) -> None:
    start = at("05-20 11:00")

    def both() -> None:
        support.alarms(PLAN, LOW, start)
        support.alarms(FIRST, MEDIUM, start)

    assert min(timeit.repeat(both, timer=time.process_time, number=100, repeat=5)) / 200 < 100e-6
