"""What is allowed in a policy file and hardly meant: said with its line, so that a lead looks again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise

from models.vocabulary import Priority
from workers.policy import plan
from workers.policy.asking_checks import survey_advice
from workers.policy.assignment_parts import Rule
from workers.policy.document import WarningsPart
from workers.policy.limit_parts import ByPriority
from workers.policy.mistakes import Mistake
from workers.policy.plan import SlaClock
from workers.policy.policy import Policy
from workers.policy.toml_lines import Lines, Path

_WARNED = (SlaClock.FIRST_RESPONSE, SlaClock.PLAN, SlaClock.RESOLUTION)


def advice(policy: Policy, now: datetime) -> tuple[Mistake, ...]:
    """What somebody should look at in a policy that is valid, by line; `now` is aware UTC."""
    lines = Lines(policy.version_text)
    found = [
        Mistake(lines.of(place), words, hint)
        for part in (_years, _calendars, _warnings, _ladder, _periods, _surveys, _rules, _review)
        for place, words, hint in part(policy, now)
    ]
    return tuple(sorted(found, key=lambda each: each.line or 0))


_Said = Iterator[tuple[Path, str, str]]


def _years(policy: Policy, now: datetime) -> _Said:
    year = policy.calendar.local_date(now).year
    for name, notice in policy.calendar_notices(year, year + 1):
        table = f"calendars.{name}" if name else "calendar"
        hint = f"enter them under [{table}.days] when the government has decided, and list the year"
        yield (*table.split("."), "holidays"), f"calendar {name}: {notice}" if name else notice, hint


def _calendars(policy: Policy, now: datetime) -> _Said:
    """A calendar that no request goes by."""
    used = {table.calendar for table in policy.document.calendar_for}
    for name in policy.document.calendars:
        if name not in used:
            words = f"no request goes by the calendar {name}"
            yield (
                ("calendars", name),
                words,
                f'add a [[calendar_for]] with calendar = "{name}", or take it out',
            )


def _warnings(policy: Policy, now: datetime) -> _Said:
    """A warning that would come before its clock starts is left out, or given half-way: say so."""
    rules = policy.document.warnings
    start = policy.calendar.next_opening(now)
    for clock in _WARNED:
        leads: tuple[timedelta, ...] = getattr(rules, clock.value)
        for lead in leads:
            late = [
                priority.value
                for priority in Priority
                if _too_early(policy, clock, priority, start, lead, rules)
            ]
            if late:
                words = f"the warning of {clock.value} is not shorter than the limit of {', '.join(late)}"
                instead = "left out" if len(leads) > 1 else "given half-way"
                yield (
                    ("warnings", clock.value),
                    words,
                    f"for those it is {instead}; make the warning shorter or the limit longer",
                )


def _too_early(
    policy: Policy,
    clock: SlaClock,
    priority: Priority,
    start: datetime,
    lead: timedelta,
    rules: WarningsPart,
) -> bool:
    table: ByPriority | None = getattr(policy.document.limits, clock.value)
    if table is None:
        return False
    limit, around = table.of(priority), policy.around_the_clock(priority)
    measure = plan.ruler(policy.calendar, limit, around)
    length = measure.between(start, limit.end(policy.calendar, start, around_the_clock=around))
    return rules.half_way_up_to < length <= lead


def _ladder(policy: Policy, now: datetime) -> _Said:
    start = policy.calendar.next_opening(now)
    levels = policy.document.escalation.levels
    for number, (lower, upper) in enumerate(pairwise(levels), start=1):
        for name, around in (("after", False), ("urgent_after", True)):
            ends = [
                getattr(level, name).end(policy.calendar, start, around_the_clock=around)
                for level in (lower, upper)
            ]
            if ends[1] <= ends[0]:
                words = f"level {number + 1} is told no later than level {number} ({name})"
                yield ("escalation", "levels", number, name), words, "give the higher level more time"


def _periods(policy: Policy, now: datetime) -> _Said:
    today = policy.calendar.local_date(now)
    periods = policy.document.special_periods
    for number, period in enumerate(periods):
        place: Path = ("special_periods", number)
        if period.last_day < today:
            yield place, f"the special period {period.label} is over", "take it out, or set its next days"
        for other in periods[:number]:
            if other.first_day <= period.last_day and period.first_day <= other.last_day:
                words = f"the special periods {other.label} and {period.label} overlap"
                yield place, words, f"on common days {other.label} wins"


def _surveys(policy: Policy, now: datetime) -> _Said:
    yield from survey_advice(policy.document)


def _rules(policy: Policy, now: datetime) -> _Said:
    rules = policy.document.assignment.rules
    for number, rule in enumerate(rules):
        facts = _asked(rule)
        for position, earlier in enumerate(rules[:number], start=1):
            if all(ask in (None, fact) for ask, fact in zip(_asked(earlier), facts, strict=True)):
                words = f"assignment rule {number + 1} is never reached: rule {position} fits first"
                yield ("assignment", "rules", number), words, "put the more exact rule first"
                break


def _asked(rule: Rule) -> tuple[object, ...]:
    return rule.category, rule.technical_kind, rule.customer_level, rule.priority, rule.channel


def _review(policy: Policy, now: datetime) -> _Said:
    on: date | None = policy.review_on
    if on is not None and on < policy.calendar.local_date(now):
        yield ("review", "standards_on"), f"the standards were to be reviewed on {on}", "set the next date"
