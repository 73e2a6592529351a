"""What a customer says, and what they have begun to say: kept apart, so that it can vanish without a trace.

A beginning may still become a fully anonymous answer. So until it is completed, or can be no more, nobody but
whoever has the link sees it, and it is nowhere else: no log, figure, notification or list tells of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.surveys import Survey, SurveyAnswer, SurveyDraft
from models.tickets import Ticket
from models.vocabulary import Dimension
from workers.unit_of_work import UnitOfWork

WORDS = "survey_answers.words"
COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a customer says: scores (dimension → 1…5), comment, answers to open questions.

    `anonymous` is 完全匿名: the answer is stored without any way back to survey, ticket or customer.
    `source` is page, mail, sms or phone.
    """

    scores: Mapping[str, int]
    comment: str = ""
    open_answers: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False
    source: str = "page"

    @property
    def complete(self) -> bool:
        """Whether the overall score is among the scores: without it an answer is a beginning."""
        return Dimension.OVERALL.value in self.scores

    @property
    def words(self) -> dict[str, str]:
        """All that was said, by question; empty when nothing was."""
        said = {COMMENT: self.comment, **self.open_answers}
        return said if any(said.values()) else {}


async def sealed(uow: UnitOfWork, ticket: Ticket, given: Answer) -> bytes | None:
    """The words of an answer for storing under the ticket's key; None when nothing was said."""
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    return sealer.seal_json(given.words, WORDS) if given.words else None


async def answer_of(uow: UnitOfWork, row: SurveyAnswer | SurveyDraft, source: str = "page") -> Answer:
    """A stored answer or beginning as the customer gave it."""
    words: dict[str, str] = {}
    if row.words_sealed is not None:
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
        words = dict(sealer.json(row.words_sealed, WORDS))
    comment = words.pop(COMMENT, "")
    return Answer(dict(row.scores), comment, words, source=source)


async def keep_draft(uow: UnitOfWork, survey: Survey, ticket: Ticket, given: Answer) -> None:
    """Keep what was begun, in place of what was kept before."""
    row = await uow.session.get(SurveyDraft, survey.id)
    if row is None:
        row = SurveyDraft(survey_id=survey.id, data_key_id=ticket.data_key_id)
        uow.session.add(row)
    row.at, row.scores = uow.clock.now(), dict(given.scores)
    row.words_sealed = await sealed(uow, ticket, given)


async def left_behind(uow: UnitOfWork, survey: Survey) -> SurveyDraft | None:
    """What was begun and can be completed no more, so that it may be read; else None."""
    over = survey.state == "withdrawn" or (survey.state == "invited" and uow.clock.now() > survey.expires_at)
    return await uow.session.get(SurveyDraft, survey.id) if over else None


async def take_draft(uow: UnitOfWork, survey: Survey) -> SurveyDraft | None:
    """What was begun, out of the table for good; None when nothing is kept."""
    row = await uow.session.get(SurveyDraft, survey.id)
    if row is not None:
        await uow.session.delete(row)
        await uow.session.flush()
    return row
