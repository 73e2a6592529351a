"""What a survey asks, as the policy says that held when it was made."""

from __future__ import annotations

from models.surveys import Survey
from workers.policy import Questionnaire
from workers.unit_of_work import UnitOfWork


async def asked_by(uow: UnitOfWork, survey: Survey, locale: str | None = None) -> Questionnaire:
    """The questions of a survey, in `locale` or the customer's language."""
    policy = await uow.policy_of(survey.policy_version_id)
    return policy.questionnaire(survey.questionnaire or survey.category.value, locale or survey.locale)


async def verdict(uow: UnitOfWork, survey: Survey, score: int) -> str:
    """`satisfied` 满意, `fair` 一般 or `dissatisfied` 不满意, by the survey's own policy."""
    return (await uow.policy_of(survey.policy_version_id)).survey.verdict(score)


async def fitting(uow: UnitOfWork, survey: Survey, score: int) -> int:
    """A score of 1 to 5, as a reply gives it, on the scale of this survey."""
    policy = await uow.policy_of(survey.policy_version_id)
    return policy.survey.nearest(score, (await asked_by(uow, survey)).scale)
