"""A reply to a survey, by SMS or mail: a score, or so unclear that the customer is asked back once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from models.notifications import Notification
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import EventState, Medium
from workers import surveys
from workers.history import record
from workers.intake.filed import Filed
from workers.notifications import Notice, customer_recipient, notify, ticket_facts
from workers.surveys.scores import Reply, read_reply
from workers.unit_of_work import UnitOfWork

ASKED_BY = ("csat_invitation", "csat_reminder", "csat_unclear")


async def rating_in(uow: UnitOfWork, ticket: Ticket, text: str, medium: Medium) -> Filed | None:
    """Take a reply to a survey as its answer, or ask back what was meant; None when it is neither.

    An answer that was given already is none: whoever writes again has something to say, unless it is the
    very score once more (in answer to the reminder, too, or because nothing was heard of the first).
    """
    survey = await surveys.open_survey_of(uow, ticket)
    reply = read_reply(text)
    if survey is None:
        return await _repeated(uow, ticket, reply)
    if reply.score is not None:
        scores = {"overall": await surveys.fitting(uow, survey, reply.score)}
        source = "sms" if medium is Medium.SMS else "mail"
        await surveys.answer(uow, survey, ticket, surveys.Answer(scores, reply.comment, source=source))
        return Filed(EventState.DONE, kind="rating", ticket_id=ticket.id)
    if not reply.unclear or survey.asked_back_at is not None:
        return None
    await _ask_back(uow, ticket, survey, text, medium)
    return Filed(EventState.DONE, kind="rating", reason="unclear", ticket_id=ticket.id)


async def _repeated(uow: UnitOfWork, ticket: Ticket, reply: Reply) -> Filed | None:
    """Note that a customer has given the score they had given before, and nothing else; None if they have
    not.
    """
    survey = await surveys.answered_survey_of(uow, ticket)
    if survey is None or reply.score is None or reply.comment:
        return None
    said = await surveys.latest(uow, survey, final=True)
    if said is None or said.scores["overall"] != await surveys.fitting(uow, survey, reply.score):
        return None
    await record(uow, ticket, "rating_repeated", actor="customer", facts={"survey": survey.number})
    return Filed(EventState.DONE, kind="rating", reason="repeated", ticket_id=ticket.id)


async def _ask_back(uow: UnitOfWork, ticket: Ticket, survey: Survey, text: str, medium: Medium) -> None:
    survey.asked_back_at = uow.clock.now()
    facts: dict[str, Any] = {"survey": survey.number}
    await record(uow, ticket, "rating_unclear", actor="customer", facts=facts, words={"text": text})
    to = await customer_recipient(uow, ticket, medium)
    if to is not None:
        asked = await surveys.asked_by(uow, survey)
        notice = Notice(
            kind="csat_unclear",
            fact=survey.id.hex,
            ticket=ticket,
            facts={**await ticket_facts(uow, ticket), "scores": list(asked.scores)},
            expires_at=survey.expires_at,
            survey_id=survey.id,
        )
        await notify(uow, to, notice)


async def answers_survey(uow: UnitOfWork, in_reply_to: str) -> bool:
    """Whether a mail answers one of ours that asks for a rating: only there a bare number is one."""
    try:
        ident = UUID(hex=in_reply_to.strip("<>").partition("@")[0])
    except ValueError:
        return False
    asked = await uow.session.get(Notification, ident)
    return asked is not None and asked.kind in ASKED_BY
