"""The shape of a policy file: what may stand in it, checked field by field. Nothing here computes."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from models.vocabulary import Category, Medium, Priority
from workers.policy.aftercare_parts import ChasePart, FollowupPart, SurveyPart
from workers.policy.assignment_parts import AssignmentPart
from workers.policy.calendar_parts import CalendarFor, CalendarPart, OtherCalendar
from workers.policy.fields import Code, Fraction, Part, Roles, Wording, Zone
from workers.policy.informing import ProgressPart
from workers.policy.knowledge_parts import KnowledgePart
from workers.policy.limit_parts import (
    CategoryLimits,
    FirstResponsePart,
    LimitsFor,
    LimitsPart,
    ReopeningPart,
    SpecialPeriod,
)
from workers.policy.limits import DurationField, DurationsField, LimitField
from workers.policy.report_parts import ReportsPart
from workers.policy.triage_parts import TriagePart
from workers.policy.waiting import WaitingPart


class PriorityPart(Part):
    """`[priorities.x]`: what a priority is called, means, and by which media it is answered."""

    label: Wording
    meaning: Wording
    aliases: tuple[str, ...] = ()
    respond_by: tuple[Medium, ...] = ()


class CategoryPart(Part):
    """`[categories.x]`: what a category is called, and its kinds."""

    label: Wording
    aliases: tuple[str, ...] = ()
    kinds: dict[Code, Wording] = {}


class WarningsPart(Part):
    """`[warnings]`: how long before a limit who is warned, once or several times."""

    first_response: DurationsField
    plan: DurationsField
    resolution: DurationsField
    half_way_up_to: DurationField
    roles: Roles
    supervisor_too: tuple[Priority, ...]


class AcceptanceReminder(Part):
    """`[[acceptance_reminders]]`: who hears that nobody has accepted yet, and when."""

    at_part_of_response_limit: Fraction
    roles: Roles


class EscalationLevel(Part):
    """`[[escalation.levels]]`: one rung of the ladder."""

    after: LimitField
    urgent_after: LimitField
    roles: Roles


class EscalationPart(Part):
    """`[escalation]`: who hears of a breach, then and later."""

    at_breach: Roles
    daily: Roles
    night_digest: bool
    storm_from: Annotated[int, Field(ge=0, le=1_000, strict=True)] = 5
    levels: Annotated[tuple[EscalationLevel, ...], Field(min_length=1)]


class RepliesPart(Part):
    """`[replies]`: the hold on agents' answers, the post to the chat group, when a reply re-opens."""

    hold: DurationField
    chat_within: DurationField | None = None
    reopen_within: DurationField = timedelta(days=30)


Count = Annotated[int, Field(ge=1, le=10_000, strict=True)]


class BrakesPart(Part):
    """`[brakes]`: how much is too much, so that two machines that answer each other come to an end."""

    receipts_an_hour: Count = 10
    receipts_a_day: Count = 30
    notices_an_hour: Count = 10
    notices_a_day: Count = 40
    collect_same_subject: Annotated[int, Field(ge=0, le=1_000, strict=True)] = 5


class ReviewPart(Part):
    """`[review]`: when the standards themselves are looked at again."""

    standards_on: date | None = None
    every_months: Annotated[int, Field(ge=1, le=24)]


class Document(Part):
    """The whole file."""

    name: Code
    title: Wording
    zone: Zone
    locale: Literal["en", "zh_CN"]
    default_priority: Priority
    urging_raises: dict[Priority, Priority]
    calendar: CalendarPart
    calendars: dict[Code, OtherCalendar] = {}
    calendar_for: tuple[CalendarFor, ...] = ()
    priorities: dict[Priority, PriorityPart]
    categories: dict[Category, CategoryPart]
    limits: LimitsPart
    category_limits: tuple[CategoryLimits, ...] = ()
    limits_for: tuple[LimitsFor, ...] = ()
    special_periods: tuple[SpecialPeriod, ...] = ()
    first_response: FirstResponsePart = FirstResponsePart()
    reopening: ReopeningPart = ReopeningPart()
    warnings: WarningsPart
    acceptance_reminders: tuple[AcceptanceReminder, ...]
    escalation: EscalationPart
    waiting: WaitingPart = WaitingPart()
    progress: ProgressPart = ProgressPart()
    replies: RepliesPart
    brakes: BrakesPart = BrakesPart()
    survey: SurveyPart
    confirmation: ChasePart
    followup: FollowupPart
    teams: dict[Code, Wording]
    assignment: AssignmentPart
    review: ReviewPart
    knowledge: KnowledgePart = KnowledgePart()
    reports: ReportsPart = ReportsPart()
    triage: TriagePart = TriagePart()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name, wanted, given in (
            ("priorities", Priority, self.priorities),
            ("categories", Category, self.categories),
        ):
            if missing := [word.value for word in wanted if word not in given]:
                raise ValueError(f"{name}: {', '.join(missing)} missing")
        named = {self.assignment.default_team}
        for rule in self.assignment.rules:
            named |= {rule.team, *rule.together_with}
        named |= set(self.assignment.in_team)
        if unknown := sorted(named - set(self.teams)):
            raise ValueError(f"assignment names teams that [teams] does not list: {', '.join(unknown)}")
        for name, tables in (("limits_for", self.limits_for), ("calendar_for", self.calendar_for)):
            asked = {table.team for table in tables if table.team}
            if unknown := sorted(asked - set(self.teams)):
                raise ValueError(f"{name} names teams that [teams] does not list: {', '.join(unknown)}")
        if unknown := sorted({table.calendar for table in self.calendar_for} - set(self.calendars)):
            raise ValueError(f"calendar_for names calendars that are not there: {', '.join(unknown)}")
        return self
