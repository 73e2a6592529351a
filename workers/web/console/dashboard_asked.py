"""What somebody asks of the dashboard: period, filters, which part of it; and what of that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from models.people import Staff
from models.vocabulary import Role
from workers.errors import InvalidInput, NotFound
from workers.measures import (
    ALL,
    USUAL,
    Group,
    Narrowing,
    Period,
    Step,
    days_between,
    named_period,
    narrowing_of,
)
from workers.unit_of_work import UnitOfWork

FILTERS = (
    "team",
    "staff",
    "category",
    "priority",
    "channel",
    "customer_group",
    "policy_version",
    "special",
)
FIELDS = ("view", "period", "since", "until", "by", "step", *FILTERS)
ALL_TEAMS = "*"
VIEWS = ("overview", "trend", "groups", "ratings", "overdue")
NOT_FOR_AGENTS = ("ratings",)
PEOPLE = (Group.STAFF, Group.TEAM)
GROUPS = (Group.CATEGORY, Group.TEAM, Group.STAFF, Group.PRIORITY, Group.CHANNEL, Group.CUSTOMER_GROUP)
MOST_PARTS = 60
"""Points of a trend: more cannot be told apart on a phone."""
LONGEST = 64
_ATTRIBUTES = {"team": "team_id", "staff": "staff_id", "policy_version": "policy_version_id"}
_UNKNOWN = {"team": "unknown_team", "staff": "unknown_person", "policy_version": "unknown_version"}


@dataclass(frozen=True)
class Asked:
    """A question to the dashboard. `given` is what the address said by field, `errors` say what was wrong.

    With errors, the rest stands as if the wrong fields had been left empty.
    """

    given: Mapping[str, str]
    errors: Mapping[str, str | None]
    period: Period
    narrowing: Narrowing
    view: str
    by: Group
    step: Step

    @property
    def wrong(self) -> bool:
        """Whether anything was."""
        return any(self.errors.values())


async def asked_of(
    uow: UnitOfWork, person: Staff, query: Mapping[str, str], team: str, zone: ZoneInfo
) -> Asked:
    """The question that an address puts; `team` is looked at where it names none."""
    given = {name: query.get(name, "").strip()[:LONGEST] for name in FIELDS}
    given["team"] = given["team"] or team
    errors: dict[str, str | None] = dict.fromkeys(FIELDS)
    period = _period(given, errors, uow.clock.now(), zone)
    narrowing = await _narrowing(uow, given, errors)
    agent = person.role is Role.AGENT
    views = [each for each in VIEWS if not (agent and each in NOT_FOR_AGENTS)]
    groups = groups_for(person)
    view = _one_of(given, errors, "view", views, VIEWS[0])
    by = _one_of(given, errors, "by", groups, Group.CATEGORY)
    step = _one_of(given, errors, "step", list(Step), _usual_step(period))
    return Asked(given, errors, period, narrowing, view, Group(by), _not_too_fine(period, Step(step)))


def groups_for(person: Staff) -> list[Group]:
    """What somebody may tell figures apart by: an agent has own ones only."""
    return [each for each in GROUPS if not (person.role is Role.AGENT and each in PEOPLE)]


def _one_of(
    given: Mapping[str, str],
    errors: dict[str, str | None],
    name: str,
    known: list[str] | list[Group] | list[Step],
    usual: str,
) -> str:
    if given[name] and given[name] not in known:
        errors[name] = "choose"
        return usual
    return given[name] or usual


def _period(given: Mapping[str, str], errors: dict[str, str | None], now: datetime, zone: ZoneInfo) -> Period:
    """The days that were typed, else the named period, else the usual one."""
    usual = named_period(USUAL, now, zone)
    days = {name: _day(given[name], name, errors) for name in ("since", "until")}
    if any(days.values()) or errors["since"] or errors["until"]:
        until = days["until"] or now.astimezone(zone).date()
        try:
            return days_between(days["since"] or until, until, zone) if not any(errors.values()) else usual
        except InvalidInput:
            errors["since"] = "no_period"
            return usual
    try:
        return named_period(given["period"] or USUAL, now, zone)
    except InvalidInput:
        errors["period"] = "choose"
        return usual


def _day(typed: str, name: str, errors: dict[str, str | None]) -> date | None:
    if not typed:
        return None
    try:
        return date.fromisoformat(typed)
    except ValueError:
        errors[name] = "no_day"
        return None


async def _narrowing(uow: UnitOfWork, given: Mapping[str, str], errors: dict[str, str | None]) -> Narrowing:
    """All filters together; one that names nothing is left out and noted."""
    found = ALL
    for name in FILTERS:
        if not given[name] or (name == "team" and given[name] == ALL_TEAMS):
            continue
        try:
            one = await narrowing_of(uow, **{name: given[name]})
        except (InvalidInput, NotFound):
            errors[name] = _UNKNOWN.get(name, "choose")
            continue
        attribute = _ATTRIBUTES.get(name, name)
        found = replace(found, **{attribute: getattr(one, attribute)})
    return found


def _usual_step(period: Period) -> Step:
    days = (period.last_day - period.first_day).days
    return Step.DAY if days <= 21 else Step.WEEK if days <= 200 else Step.MONTH


def _not_too_fine(period: Period, step: Step) -> Step:
    """A coarser step where this one would give more points than can be told apart."""
    days = (period.last_day - period.first_day).days + 1
    length = {Step.DAY: 1, Step.WEEK: 7, Step.MONTH: 30, Step.QUARTER: 91}
    fit = [each for each in list(Step)[list(Step).index(step) :] if days / length[each] <= MOST_PARTS]
    return fit[0] if fit else Step.QUARTER
