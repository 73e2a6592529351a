"""Which surveys stand out: praise that is kept as a good example, and low scores of a single dimension."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from models.people import Staff
from models.surveys import Survey, SurveyAnswer
from models.vocabulary import Dimension, Role
from workers.errors import Forbidden
from workers.unit_of_work import UnitOfWork

BEST = 5


def _answered(scores: ColumnElement[bool]) -> ColumnElement[bool]:
    """Surveys whose last complete answer has such scores."""
    later = aliased(SurveyAnswer)
    newest = ~exists().where(
        later.survey_id == SurveyAnswer.survey_id, later.final, later.version > SurveyAnswer.version
    )
    found = select(SurveyAnswer.survey_id).where(SurveyAnswer.survey_id.is_not(None), SurveyAnswer.final)
    return Survey.id.in_(found.where(newest, scores))


def _score(dimension: str) -> ColumnElement[int]:
    score: ColumnElement[int] = SurveyAnswer.scores[dimension].as_integer()
    return score


def marked(uow: UnitOfWork, by: Staff | None, *, praise: bool, flagged: bool) -> list[Any]:
    """Conditions on `surveys`: praise (overall 5, words, nothing low), low dimensions (policy in force).

    Fully anonymous answers belong to no survey, so they are never found. Raises Forbidden for an agent who
    asks for low scores.
    """
    rules = uow.policy.followup
    parts = [each.value for each in Dimension if each is not Dimension.OVERALL]
    low = or_(*(func.coalesce(_score(each), BEST) <= rules.low_dimension for each in parts))
    conditions: list[Any] = []
    if praise:
        best = and_(_score("overall") == BEST, SurveyAnswer.words_sealed.is_not(None))
        conditions.append(_answered(and_(best, ~low)))
    if flagged:
        if by is not None and by.role is Role.AGENT:
            raise Forbidden("scores are not shown to agents", hint="supervisors and quality staff see them")
        conditions.append(_answered(low))
    return conditions


async def flagged_in(uow: UnitOfWork, survey: Survey, given: SurveyAnswer) -> list[str]:
    """The dimensions beside overall whose score is low, by the policy that the survey was sent under."""
    policy = await uow.policy_of(survey.policy_version_id)
    return list(policy.followup.flagged(given.scores))
