"""An answer comes in: begun, completed, changed for a while; what counts is the last complete one.

The first complete answer has consequences at once: the ticket is rated, a low score opens a follow-up, a good
one confirms the result. Nobody but the customer can change an answer, and whatever it was stays on record.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update

from models.notifications import Notification
from models.people import Customer
from models.surveys import Followup, Survey
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, Medium, TicketState
from workers import deadlines
from workers.directory import as_merged
from workers.errors import Conflict, InvalidInput
from workers.followups import open_followup, rating_changed, tell_flagged, tell_praise
from workers.history import record
from workers.notifications import cancel
from workers.policy import Questionnaire
from workers.suppressions import suppress
from workers.surveys.asked import asked_by
from workers.surveys.asking import OPTED_OUT
from workers.surveys.drafts import Answer, keep_draft, take_draft
from workers.surveys.recording import MOST_VERSIONS, latest, put_into_box, store, versions
from workers.tickets import ASKING_TO_RATE, confirm, try_close
from workers.unit_of_work import UnitOfWork

LONGEST_COMMENT = 4_000


async def answer(uow: UnitOfWork, survey: Survey, ticket: Ticket, given: Answer) -> bool:
    """Record a complete answer, or a change of one; gives whether a follow-up has been opened by it.

    Raises InvalidInput for scores that are none, Conflict when the survey was answered (and can be changed no
    more, or not this way), withdrawn or expired.
    """
    now = uow.clock.now()
    _must_be_open(survey, now)
    await _check(uow, survey, given)
    if not given.complete:
        raise InvalidInput("the overall score is missing", hint="overall")
    if survey.state == "answered":
        return await _change(uow, survey, ticket, given)
    survey.state, survey.answered_at, survey.anonymous = "answered", now, given.anonymous
    survey.reason = None
    if given.anonymous:
        await take_draft(uow, survey)  # what was begun under their name would tell who it is
        await put_into_box(uow, survey.category, given)
    else:
        await store(uow, survey, ticket, given)
    await _is_rated(uow, survey, ticket)
    facts = {"survey": survey.number, "anonymous": given.anonymous}
    await record(uow, ticket, "rated", actor="customer", facts=facts)
    low = not given.anonymous and await _is_low(uow, survey, given)
    if low:
        await open_followup(uow, survey, ticket, given.scores, given.comment)
    elif not given.anonymous:
        await _note_the_rest(uow, survey, ticket, given)
    if not low and _confirms(survey, ticket, given):
        await confirm(uow, ticket, solved=True, by="customer")
    await try_close(uow, ticket)
    return low


async def begin(uow: UnitOfWork, survey: Survey, ticket: Ticket, given: Answer) -> bool:
    """Keep an answer that is not complete yet; gives whether it was kept.

    It has no consequences, and replaces what was begun before. What is to stay anonymous is not kept, and
    what was begun without that wish goes with it. Raises as `answer` does.
    """
    _must_be_open(survey, uow.clock.now())
    await _check(uow, survey, given)
    if survey.state != "invited":
        return False
    if given.anonymous:
        await take_draft(uow, survey)
        return False
    if not given.scores and not given.words:
        return False
    await keep_draft(uow, survey, ticket, given)
    return True


async def changeable_until(uow: UnitOfWork, survey: Survey) -> datetime | None:
    """Until when the customer may still change a given answer (promise time); None when that is over."""
    if survey.state != "answered" or survey.anonymous or survey.answered_at is None:
        return None
    policy = await uow.policy_of(survey.policy_version_id)
    until = min(survey.answered_at + policy.survey.edit_within, survey.expires_at)
    return until if uow.clock.now() < until else None


async def was_told(uow: UnitOfWork, survey: Survey) -> bool:
    """Whether staff have been told of a low score in this survey's answer: by an alert, or of a dimension."""
    if await uow.session.scalar(select(Followup.id).where(Followup.survey_id == survey.id)) is not None:
        return True
    flagged = select(Notification.id).where(
        Notification.survey_id == survey.id, Notification.kind == "score_flagged"
    )
    return await uow.session.scalar(flagged.limit(1)) is not None


async def _change(uow: UnitOfWork, survey: Survey, ticket: Ticket, given: Answer) -> bool:
    """A new version of an answer that has been given: only by whoever holds the link, and not to hide it."""
    if given.source != "page" or given.anonymous or await changeable_until(uow, survey) is None:
        raise Conflict("this survey has been answered", hint="used")
    before = await latest(uow, survey, final=True)
    if before is not None and (before.scores, before.words) == (given.scores, given.words):
        return False  # the button was pressed twice
    if await versions(uow, survey) >= MOST_VERSIONS:
        raise Conflict("this answer was changed too often", hint="used")
    version = await store(uow, survey, ticket, given)
    survey.revised_at = uow.clock.now()
    facts = {"survey": survey.number, "version": version}
    followup = await uow.session.scalar(select(Followup).where(Followup.survey_id == survey.id))
    ident = followup.id if followup else None
    await record(uow, ticket, "rating_changed", actor="customer", facts=facts, followup_id=ident)
    if followup is not None:
        await rating_changed(uow, followup, survey, ticket, given.scores, given.comment)
        return False
    if await _is_low(uow, survey, given):
        await open_followup(uow, survey, ticket, given.scores, given.comment)
        return True
    await _note_the_rest(uow, survey, ticket, given)
    return False


async def _note_the_rest(uow: UnitOfWork, survey: Survey, ticket: Ticket, given: Answer) -> None:
    """What opens no case: a single low dimension is flagged, praise is passed on; each is told once."""
    await tell_flagged(uow, survey, ticket, given.scores, given.comment)
    await tell_praise(uow, survey, ticket, given.scores, given.comment)


async def _is_low(uow: UnitOfWork, survey: Survey, given: Answer) -> bool:
    policy = await uow.policy_of(survey.policy_version_id)
    return policy.followup.opens(given.scores)


async def _is_rated(uow: UnitOfWork, survey: Survey, ticket: Ticket) -> None:
    if survey.opening == ticket.opening:
        ticket.rated_at, ticket.unrated_reason = survey.answered_at, None
        await deadlines.meet(uow, ticket, DeadlineKind.SURVEY, uow.clock.now())
    await _stop_asking(uow, survey.id, "already_answered")


def _confirms(survey: Survey, ticket: Ticket, given: Answer) -> bool:
    """Whoever rates the result well, and under their name, has confirmed it."""
    current = survey.opening == ticket.opening
    return current and not given.anonymous and ticket.state is TicketState.AWAITING_FEEDBACK


def _must_be_open(survey: Survey, now: datetime) -> None:
    if survey.state == "withdrawn":
        raise Conflict("this survey was withdrawn because work goes on", hint="withdrawn")
    if survey.state != "answered" and now > survey.expires_at:
        raise Conflict("this survey has expired", hint="expired")


async def _check(uow: UnitOfWork, survey: Survey, given: Answer) -> None:
    _check_scores(given.scores, await asked_by(uow, survey))
    for code, words in given.words.items():
        if len(words) > LONGEST_COMMENT:
            raise InvalidInput(f"the words are longer than {LONGEST_COMMENT} characters", hint=code[:24])


def _check_scores(scores: Mapping[str, int], asked: Questionnaire) -> None:
    for dimension, score in scores.items():
        if dimension not in asked.scored:
            raise InvalidInput(f"{dimension[:24]} is not asked for in this survey", hint=dimension[:24])
        if not 1 <= score <= 5:
            raise InvalidInput(f"{dimension[:24]} is not a score from 1 to 5", hint=dimension[:24])
        if score not in asked.scores:
            raise InvalidInput(f"{dimension[:24]} is 5, 3 or 1 in this survey", hint=dimension[:24])


async def _stop_asking(uow: UnitOfWork, survey_id: UUID, reason: str) -> None:
    """Nothing more is sent about this survey; a task given to a person goes too."""
    asked = select(Notification.id).where(
        Notification.survey_id == survey_id, Notification.kind.in_(ASKING_TO_RATE)
    )
    await cancel(uow, reason, ids=list(await uow.session.scalars(asked)))


async def withdraw_consent(uow: UnitOfWork, survey_id: UUID, customer_id: UUID) -> None:
    """The customer wants no more surveys (by page or RFC 8058 one-click): their addresses are suppressed.

    Nobody rings them up about those that wait, either; whoever answers one all the same is heard.
    """
    customer = await uow.session.get_one(Customer, customer_id)
    whose = list(dict.fromkeys((customer, await as_merged(uow, customer))))
    for each in whose:
        for channel, hashed in ((Medium.EMAIL, each.email_hash), (Medium.SMS, each.phone_hash)):
            if hashed is not None:
                await suppress(uow, hashed, channel, "opted_out")
    apps = select(Notification.recipient_hash).where(
        Notification.survey_id == survey_id, Notification.channel == Medium.PUSH
    )
    for hashed in set(await uow.session.scalars(apps)):
        await suppress(uow, hashed, Medium.PUSH, "opted_out")
    await uow.session.execute(
        update(Survey)
        .where(Survey.customer_id.in_([each.id for each in whose]), Survey.state == "invited")
        .values(reason=OPTED_OUT)
        .execution_options(synchronize_session=False)
    )
    await _stop_asking(uow, survey_id, "opted_out")
