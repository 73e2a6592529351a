"""Whether a measure worked, by what customers say: scores before it and after it.

Counted are overall scores of services that ended before and after the measure was set, of the same member of
staff and of the same type of service. Fully anonymous answers belong to no survey, so they are in neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import aliased

from models.surveys import Followup, Survey, SurveyAnswer
from models.vocabulary import Dimension
from workers.unit_of_work import UnitOfWork

LOOK_BACK = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Sample:
    """Overall scores before and after; a mean (1–5, two digits) is None where there are too few of them."""

    before_count: int
    before_mean: float | None
    after_count: int
    after_mean: float | None

    @property
    def enough(self) -> bool:
        """Whether there are enough scores on both sides to compare them."""
        return self.before_mean is not None and self.after_mean is not None


@dataclass(frozen=True, slots=True)
class Effect:
    """What later scores say of a measure; `staff` is None where nobody was credited with the service."""

    since: datetime
    minimum: int
    staff: Sample | None
    service: Sample


async def effect_of(uow: UnitOfWork, followup: Followup) -> Effect | None:
    """The effect of the case's latest measure; None before there is one."""
    if followup.measured_at is None:
        return None
    survey = await uow.session.get_one(Survey, followup.survey_id)
    policy = await uow.policy_of(survey.policy_version_id)
    minimum, since = policy.followup.rules.effect_minimum, followup.measured_at
    staff = None
    if survey.staff_id is not None:
        staff = await _sample(uow, Survey.staff_id == survey.staff_id, since, minimum)
    service = await _sample(uow, Survey.category == survey.category, since, minimum)
    return Effect(since, minimum, staff, service)


async def _sample(uow: UnitOfWork, of: ColumnElement[bool], since: datetime, minimum: int) -> Sample:
    before = await _side(uow, [of, Survey.service_at < since, Survey.service_at >= since - LOOK_BACK])
    after = await _side(uow, [of, Survey.service_at >= since])
    return Sample(before[0], _mean(before, minimum), after[0], _mean(after, minimum))


async def _side(uow: UnitOfWork, conditions: list[Any]) -> tuple[int, float]:
    """How many answered surveys there are, and their mean; of each the last complete answer counts."""
    later = aliased(SurveyAnswer)
    newest = ~exists().where(
        later.survey_id == SurveyAnswer.survey_id, later.final, later.version > SurveyAnswer.version
    )
    overall = SurveyAnswer.scores[Dimension.OVERALL.value].as_integer()
    row = await uow.session.execute(
        select(func.count(), func.avg(overall))
        .select_from(SurveyAnswer)
        .join(Survey, Survey.id == SurveyAnswer.survey_id)
        .where(SurveyAnswer.final, newest, *conditions)
    )
    count, mean = row.one()
    return count, float(mean or 0)


def _mean(side: tuple[int, float], minimum: int) -> float | None:
    return round(side[1], 2) if side[0] >= minimum else None
