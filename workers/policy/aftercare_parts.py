"""The tables of a policy file about what happens after the work: survey, confirmation, follow-up."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from models.vocabulary import Dimension
from workers.policy.asking_parts import AskRule, OwnQuestion, Scale
from workers.policy.fields import Code, Days, Part, Score, Wording
from workers.policy.limits import DurationField, LimitField
from workers.policy.quiet import QuietField, QuietHours


class QuestionnairePart(Part):
    """`[survey.questionnaires.x]`: what is asked, overall first.

    `scale = "three"` shows 满意, 一般, 不满意, kept as 5, 3, 1, so that all figures can be compared.
    """

    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=1)]
    scale: Scale = "five"
    own: Annotated[tuple[OwnQuestion, ...], Field(max_length=10)] = ()
    open_questions: tuple[Wording, ...] = ()

    @model_validator(mode="after")
    def _overall_first(self) -> Self:
        if self.dimensions[0] is not Dimension.OVERALL:
            raise ValueError('"overall" comes first: it is the score that counts')
        if len(set(self.dimensions)) != len(self.dimensions):
            raise ValueError("a dimension is asked twice")
        if len({each.code for each in self.own}) != len(self.own):
            raise ValueError("two own questions have the same code")
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
    """`[survey]`: when is asked, how often at most, how the scores read, and what is asked.

    What holds invitations back has defaults, so that a file written before they were known still loads.
    """

    delay: DurationField
    periodic_delay: LimitField
    link_expires: LimitField
    edit_within: DurationField = timedelta(hours=24)
    sms_answer: Literal["link", "code", "reply"] = "link"
    quiet_hours: QuietField = QuietHours.parse("21:00-09:00")
    fatigue_cap: Annotated[int, Field(ge=1, le=100, strict=True)] = 1
    fatigue_days: Annotated[int, Field(ge=0, le=366, strict=True)] = 14
    satisfied_from: Score
    fair_from: Score
    questionnaires: dict[Code, QuestionnairePart]
    ask: tuple[AskRule, ...] = ()

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
        three = any(each.scale == "three" for each in self.questionnaires.values())
        if three and not self.fair_from <= 3 < self.satisfied_from:
            raise ValueError(
                "with a questionnaire of three levels (kept as 5, 3 and 1) satisfied_from is 4 or 5, "
                "and fair_from 2 or 3"
            )
        if self.fair_from >= self.satisfied_from:
            raise ValueError("fair_from must be below satisfied_from")
        return self


class FollowupPart(Part):
    """`[followup]`: which scores are low, how soon somebody calls back, and how measures are watched.

    What a file written earlier lacks has the default it had then, or is new.
    """

    start_within: DurationField
    start_clock: Literal["elapsed", "working"] = "elapsed"
    reminders: tuple[DurationField, ...]
    low_overall: Score
    low_dimension: Score
    unreached_tries: Annotated[int, Field(ge=1, le=20, strict=True)] = 3
    measure_within: DurationField = timedelta(days=5)
    due_reminders: tuple[DurationField, ...] = (timedelta(hours=72),)
    overdue_reminders: tuple[DurationField, ...] = (timedelta(hours=24), timedelta(hours=72))
    effect_minimum: Annotated[int, Field(ge=3, le=1000, strict=True)] = 5

    @model_validator(mode="after")
    def _reminders_in_time(self) -> Self:
        if any(each >= self.start_within for each in self.reminders):
            raise ValueError("reminders must come before start_within")
        return self
