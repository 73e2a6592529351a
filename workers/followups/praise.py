"""Praise 表扬 is kept as a good example (row D8): the person hears it, and it can be listed."""

from __future__ import annotations

from collections.abc import Mapping

from models.people import Staff
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import Dimension
from workers.history import record
from workers.notifications import Notice, notify, staff_recipient, staff_ticket_facts
from workers.unit_of_work import UnitOfWork

BEST = 5


async def tell_praise(
    uow: UnitOfWork, survey: Survey, ticket: Ticket, scores: Mapping[str, int], comment: str
) -> bool:
    """The best overall score, no low dimension, and words: whoever was credited hears the words, masked.

    The scores stay hidden from them as always. A fully anonymous answer is praise of nobody in particular:
    it is not linked to a survey, so this is not called for it. Gives whether it was praise.
    """
    policy = await uow.policy_of(survey.policy_version_id)
    best = scores.get(Dimension.OVERALL.value) == BEST and not policy.followup.flagged(scores)
    if not best or not comment.strip():
        return False
    await record(uow, ticket, "praised", facts={"survey": survey.number})
    person = await uow.session.get(Staff, survey.staff_id) if survey.staff_id else None
    if person is not None and person.active:
        facts = {**await staff_ticket_facts(uow, ticket), "comment": comment, "survey": survey.number}
        notice = Notice(kind="praise", fact=survey.id.hex, ticket=ticket, facts=facts, survey_id=survey.id)
        await notify(uow, staff_recipient(uow, person), notice)
    return True
