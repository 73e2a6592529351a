"""The shape of a policy file: what may stand in it, checked field by field. Nothing here computes a moment."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.vocabulary import Category, Dimension, Medium, Priority
from workers.policy.fields import Code, CountryCode, Days, Fraction, Hours, Roles, Score, Zone
from workers.policy.limits import DurationField, Limit, LimitField

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Part(BaseModel):
    """A table of the file. Unknown keys are mistakes; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Wording(Part):
    """One text in the languages the service speaks."""

    en: str
    zh_CN: str

    def for_locale(self, locale: str) -> str:
        """Chinese for any zh locale, else English."""
        return self.zh_CN if locale.lower().startswith("zh") else self.en


class WeekHours(Part):
    monday: Hours = ()
    tuesday: Hours = ()
    wednesday: Hours = ()
    thursday: Hours = ()
    friday: Hours = ()
    saturday: Hours = ()
    sunday: Hours = ()

    @model_validator(mode="after")
    def _some_day_is_open(self) -> Self:
        if not any(getattr(self, day) for day in WEEKDAYS):
            raise ValueError("at least one weekday needs opening hours")
        return self


class CalendarPart(Part):
    holidays: CountryCode
    years_entered_by_hand: tuple[int, ...] = ()
    around_the_clock: tuple[Priority, ...]
    hours: WeekHours
    days: dict[date, Hours] = {}


class PriorityPart(Part):
    label: Wording
    meaning: Wording
    aliases: tuple[str, ...] = ()
    respond_by: tuple[Medium, ...] = ()


class CategoryPart(Part):
    label: Wording
    aliases: tuple[str, ...] = ()
    kinds: dict[Code, Wording] = {}


class ByPriority(Part):
    """One limit for each priority."""

    urgent: LimitField
    high: LimitField
    medium: LimitField
    low: LimitField

    def of(self, priority: Priority) -> Limit:
        """The limit of one priority."""
        limit: Limit = getattr(self, priority.value)
        return limit


class SomePriorities(Part):
    """Other limits for some priorities; the others keep theirs."""

    urgent: LimitField | None = None
    high: LimitField | None = None
    medium: LimitField | None = None
    low: LimitField | None = None


class LimitsPart(Part):
    first_response: ByPriority
    plan: ByPriority | None = None
    resolution: ByPriority | None = None
    expected_resolution: ByPriority


class CategoryLimits(Part):
    category: Category
    first_response: SomePriorities = SomePriorities()
    plan: SomePriorities = SomePriorities()
    resolution: SomePriorities = SomePriorities()


class SpecialPeriod(Part):
    label: str = Field(min_length=1)
    first_day: date
    last_day: date
    first_response: SomePriorities = SomePriorities()
    plan: SomePriorities = SomePriorities()
    resolution: SomePriorities = SomePriorities()

    @model_validator(mode="after")
    def _first_before_last(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError("last_day lies before first_day")
        return self


class WarningsPart(Part):
    first_response: DurationField
    plan: DurationField
    resolution: DurationField
    half_way_up_to: DurationField
    roles: Roles
    supervisor_too: tuple[Priority, ...]


class AcceptanceReminder(Part):
    at_part_of_response_limit: Fraction
    roles: Roles


class EscalationLevel(Part):
    after: LimitField
    urgent_after: LimitField
    roles: Roles


class EscalationPart(Part):
    at_breach: Roles
    daily: Roles
    night_digest: bool
    levels: Annotated[tuple[EscalationLevel, ...], Field(min_length=1)]


class QuestionnairePart(Part):
    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=1)]
    open_questions: tuple[Wording, ...] = ()

    @model_validator(mode="after")
    def _overall_first(self) -> Self:
        if self.dimensions[0] is not Dimension.OVERALL:
            raise ValueError('"overall" comes first: it is the score that counts')
        if len(set(self.dimensions)) != len(self.dimensions):
            raise ValueError("a dimension is asked twice")
        return self


class ChasePart(Part):
    """Days are working days after the day of asking; `at_opening_plus` is time after the doors open."""

    remind_on_day: Days
    task_on_day: Days
    at_opening_plus: DurationField
    close_after: LimitField

    @model_validator(mode="after")
    def _reminder_before_task(self) -> Self:
        if self.task_on_day <= self.remind_on_day:
            raise ValueError("task_on_day must come after remind_on_day")
        return self


class SurveyPart(ChasePart):
    delay: DurationField
    periodic_delay: LimitField
    link_expires: LimitField
    satisfied_from: Score
    fair_from: Score
    questionnaires: dict[Code, QuestionnairePart]

    @model_validator(mode="after")
    def _sent_within_a_day(self) -> Self:
        if self.delay > timedelta(hours=24):
            raise ValueError(
                "delay must be 24h at most: the invitation leaves within 24 hours after the service"
            )
        if "default" not in self.questionnaires:
            raise ValueError(
                'there must be a questionnaire "default" for categories that have none of their own'
            )
        if self.fair_from >= self.satisfied_from:
            raise ValueError("fair_from must be below satisfied_from")
        return self


class FollowupPart(Part):
    start_within: DurationField
    reminders: tuple[DurationField, ...]
    low_overall: Score
    low_dimension: Score

    @model_validator(mode="after")
    def _reminders_in_time(self) -> Self:
        if any(each >= self.start_within for each in self.reminders):
            raise ValueError("reminders must come before start_within")
        return self


class Rule(Part):
    """Who gets which request; what is left out fits everything."""

    team: Code
    category: Category | None = None
    technical_kind: Code | None = None
    customer_level: Code | None = None
    priority: Priority | None = None
    together_with: tuple[Code, ...] = ()


class AssignmentPart(Part):
    default_team: Code
    first_contact_owns: bool
    rules: tuple[Rule, ...] = ()


class RepliesPart(Part):
    hold: DurationField
    chat_within: DurationField | None = None


class ReviewPart(Part):
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
    priorities: dict[Priority, PriorityPart]
    categories: dict[Category, CategoryPart]
    limits: LimitsPart
    category_limits: tuple[CategoryLimits, ...] = ()
    special_periods: tuple[SpecialPeriod, ...] = ()
    warnings: WarningsPart
    acceptance_reminders: tuple[AcceptanceReminder, ...]
    escalation: EscalationPart
    replies: RepliesPart
    survey: SurveyPart
    confirmation: ChasePart
    followup: FollowupPart
    teams: dict[Code, Wording]
    assignment: AssignmentPart
    review: ReviewPart

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
        if unknown := sorted(named - set(self.teams)):
            raise ValueError(f"assignment names teams that [teams] does not list: {', '.join(unknown)}")
        return self
