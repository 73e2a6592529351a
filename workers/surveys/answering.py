"""An answer comes in: one per survey, unchangeable, low scores open a follow-up at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select

from models.base import new_id
from models.notifications import Notification
from models.people import Customer
from models.surveys import Survey, SurveyAnswer
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, Dimension, Medium, TicketState
from workers import deadlines
from workers.errors import Conflict, InvalidInput
from workers.followups import open_followup
from workers.history import record
from workers.notifications import cancel
from workers.suppressions import suppress
from workers.tickets import confirm, try_close
from workers.unit_of_work import UnitOfWork

LONGEST_COMMENT = 4_000
ASKING = ("csat_invitation", "csat_reminder", "survey_task")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a customer says: scores (dimension → 1…5, overall always), comment, answers to open questions.

    `anonymous` is 完全匿名: the answer is stored without any way back to survey, ticket or customer.
    `source` is page, mail, sms or phone.
    """

    scores: Mapping[str, int]
    comment: str = ""
    open_answers: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False
    source: str = "page"


async def answer(uow: UnitOfWork, survey: Survey, ticket: Ticket, given: Answer) -> bool:
    """Record the answer; gives whether it opened a follow-up.

    Raises InvalidInput for scores that are none, Conflict when the survey was answered, withdrawn or expired.
    """
    _check(survey, given, uow.clock.now())
    now = uow.clock.now()
    survey.state, survey.answered_at, survey.anonymous = "answered", now, given.anonymous
    await _store(uow, survey, ticket, given)
    if survey.opening == ticket.opening:
        ticket.rated_at, ticket.unrated_reason = now, None
        await deadlines.meet(uow, ticket, DeadlineKind.SURVEY, now)
    await _stop_asking(uow, survey.id, "already_answered")
    facts = {"survey": survey.number, "anonymous": given.anonymous}
    await record(uow, ticket, "rated", actor="customer", facts=facts)
    policy = await uow.policy_of(survey.policy_version_id)
    low = policy.followup.opens(given.scores) and not given.anonymous
    if low:
        await open_followup(uow, survey, ticket, given.scores, given.comment)
    elif _confirms(survey, ticket, given):
        await confirm(uow, ticket, solved=True, by="customer")
    await try_close(uow, ticket)
    return low


def _confirms(survey: Survey, ticket: Ticket, given: Answer) -> bool:
    """Whoever rates the result well, and under their name, has confirmed it."""
    current = survey.opening == ticket.opening
    return current and not given.anonymous and ticket.state is TicketState.AWAITING_FEEDBACK


def _check(survey: Survey, given: Answer, now: datetime) -> None:
    if survey.state == "answered":
        raise Conflict("this survey has been answered", hint="used")
    if survey.state == "withdrawn":
        raise Conflict("this survey was withdrawn because work goes on", hint="withdrawn")
    if now > survey.expires_at:
        raise Conflict("this survey has expired", hint="expired")
    if Dimension.OVERALL.value not in given.scores:
        raise InvalidInput("the overall score is missing", hint="overall")
    for dimension, score in given.scores.items():
        if dimension not in set(Dimension) or not 1 <= score <= 5:
            raise InvalidInput(f"{dimension[:24]} is not a score from 1 to 5", hint=dimension[:24])
    if len(given.comment) > LONGEST_COMMENT:
        raise InvalidInput(f"the comment is longer than {LONGEST_COMMENT} characters", hint="comment")


async def _store(uow: UnitOfWork, survey: Survey, ticket: Ticket, given: Answer) -> None:
    """An anonymous answer leaves nothing to link it by: random id, the day only, the installation's key."""
    words = {"comment": given.comment, **given.open_answers}
    said = any(words.values())
    if given.anonymous:
        now = survey.answered_at or uow.clock.now()
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        sealer = uow.vault.system_sealer()
        row = SurveyAnswer(id=uuid4(), survey_id=None, at=day, data_key_id=uow.vault.system_key_id)
    else:
        sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
        row = SurveyAnswer(
            id=new_id(), survey_id=survey.id, at=survey.answered_at, data_key_id=ticket.data_key_id
        )
    row.category, row.source = survey.category, given.source
    row.scores = dict(given.scores)
    row.words_sealed = sealer.seal_json(words, "survey_answers.words") if said else None
    uow.session.add(row)


async def _stop_asking(uow: UnitOfWork, survey_id: UUID, reason: str) -> None:
    """Nothing more is sent about this survey; a task given to a person goes too."""
    asked = select(Notification.id).where(Notification.survey_id == survey_id, Notification.kind.in_(ASKING))
    await cancel(uow, reason, ids=list(await uow.session.scalars(asked)))


async def withdraw_consent(uow: UnitOfWork, survey_id: UUID, customer_id: UUID) -> None:
    """The customer wants no more surveys (by page or RFC 8058 one-click): their addresses are suppressed."""
    customer = await uow.session.get_one(Customer, customer_id)
    for channel, hashed in ((Medium.EMAIL, customer.email_hash), (Medium.SMS, customer.phone_hash)):
        if hashed is not None:
            await suppress(uow, hashed, channel, "opted_out")
    await _stop_asking(uow, survey_id, "opted_out")
