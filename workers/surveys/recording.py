"""Rows of answers: versions of one that can be told whose it is, and the ballot box of those that cannot."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, func, select

from models.base import new_id
from models.surveys import AnonymousAnswer, Survey, SurveyAnswer
from models.tickets import Ticket
from models.vocabulary import Category
from workers.locks import hold
from workers.surveys.drafts import WORDS, Answer, answer_of, sealed, take_draft
from workers.unit_of_work import UnitOfWork

MIXED = 5
"""So many fully anonymous answers of one category leave the ballot box together, never fewer."""
MOST_VERSIONS = 30
_shuffled = random.SystemRandom()


async def store(uow: UnitOfWork, survey: Survey, ticket: Ticket, given: Answer) -> int:
    """Add the answer as the survey's newest version; gives its number.

    What had been begun before becomes the version below it.
    """
    version = await versions(uow, survey) + 1
    draft = await take_draft(uow, survey)
    if draft is not None:
        begun = _version(survey, version, draft.at, draft.scores, given.source)
        begun.final, begun.data_key_id, begun.words_sealed = False, draft.data_key_id, draft.words_sealed
        await uow.add(begun)
        version += 1
    row = _version(survey, version, uow.clock.now(), given.scores, given.source)
    row.data_key_id, row.words_sealed = ticket.data_key_id, await sealed(uow, ticket, given)
    await uow.add(row)
    return version


def _version(
    survey: Survey, version: int, at: datetime, scores: Mapping[str, int], source: str
) -> SurveyAnswer:
    return SurveyAnswer(
        id=new_id(),
        survey_id=survey.id,
        version=version,
        final=True,
        at=at,
        category=survey.category,
        scores=dict(scores),
        source=source,
    )


async def versions(uow: UnitOfWork, survey: Survey) -> int:
    """How many versions of an answer there are."""
    query = select(func.max(SurveyAnswer.version)).where(SurveyAnswer.survey_id == survey.id)
    return await uow.session.scalar(query) or 0


async def latest(uow: UnitOfWork, survey: Survey, *, final: bool = False) -> Answer | None:
    """The newest version of a survey's answer (`final`: of the complete ones), None when there is none."""
    query = select(SurveyAnswer).where(SurveyAnswer.survey_id == survey.id)
    if final:
        query = query.where(SurveyAnswer.final)
    row = await uow.session.scalar(query.order_by(SurveyAnswer.version.desc()).limit(1))
    return None if row is None else await answer_of(uow, row, row.source)


async def put_into_box(uow: UnitOfWork, category: Category, given: Answer) -> None:
    """Keep an answer that nobody can link back, and empty the box when enough of its kind are in it.

    Nothing of it tells whose it is: a random id, no time, the installation's own key. Neither do its place
    in the table nor the transaction that wrote it, once it has left the box among others, in random order.
    Until then whoever reads the database at this moment could tell; so few are not shown to anybody.
    """
    await hold(uow, [f"ballot box:{category.value}"])
    sealer = uow.vault.system_sealer()
    uow.session.add(
        AnonymousAnswer(
            id=uuid4(),
            category=category,
            scores=dict(given.scores),
            data_key_id=uow.vault.system_key_id,
            words_sealed=sealer.seal_json(given.words, WORDS) if given.words else None,
        )
    )
    await uow.session.flush()
    inside = select(func.count()).select_from(AnonymousAnswer).where(AnonymousAnswer.category == category)
    if (await uow.session.scalar(inside) or 0) >= MIXED:
        await _empty(uow, category)


async def _empty(uow: UnitOfWork, category: Category) -> None:
    box = AnonymousAnswer
    taken = (
        delete(box).where(box.category == category).returning(box.scores, box.data_key_id, box.words_sealed)
    )
    ballots = list(await uow.session.execute(taken))
    day = uow.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    _shuffled.shuffle(ballots)
    for scores, data_key_id, words_sealed in ballots:
        row = SurveyAnswer(
            id=uuid4(),
            survey_id=None,
            at=day,
            category=category,
            scores=scores,
            source="anonymous",
            data_key_id=data_key_id,
            words_sealed=words_sealed,
        )
        await uow.add(row)
