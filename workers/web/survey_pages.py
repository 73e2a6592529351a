"""The survey page: looking writes nothing, one answer counts, and it works without a script.

What was begun is kept, an answer may be changed for a while, and whoever comes too late, or once more, is
told so and can still write to the team.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import Select, and_, func, select
from starlette.responses import Response

from models.links import Link
from models.surveys import Survey, SurveyAnswer, SurveyDraft
from models.tickets import Ticket
from workers import links, surveys
from workers.errors import Conflict, NotFound
from workers.policy import Questionnaire
from workers.surveys import LONGEST_COMMENT, Answer
from workers.tickets import goes_on_in, wrote_from_page, wrote_lately
from workers.unit_of_work import UnitOfWork
from workers.web.pages import form_fields, own_url, page
from workers.web.parts import Parts
from workers.web.survey_forms import SCORES, answer_in, fields, mistakes

router = APIRouter(include_in_schema=False)

PURPOSE = ("survey",)
GONE = 410
PAGE_OF = {"used": "survey_used", "expired": "survey_expired", "withdrawn": "survey_withdrawn"}
MOST_MESSAGES = 5
"""So many messages a day are taken from the pages of one ticket."""


_VERSION = select(func.max(SurveyAnswer.version)).where(SurveyAnswer.survey_id == Survey.id).correlate(Survey)
_BEHIND: Select[datetime | None, str, Survey, Any, Any] = (
    select(Link.expires_at, Ticket.number, Survey, SurveyDraft, SurveyAnswer)
    .join(Survey, Survey.id == Link.subject_id)
    .join(Ticket, Ticket.id == Survey.ticket_id)
    .outerjoin(SurveyDraft, SurveyDraft.survey_id == Survey.id)
    .outerjoin(
        SurveyAnswer,
        and_(SurveyAnswer.survey_id == Survey.id, SurveyAnswer.version == _VERSION.scalar_subquery()),
    )
)
"""What is behind a link: the survey, what was begun, and the newest version of what was said."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a link leads to: `gone` says why it takes no answer ("" when it does), `until` how long an answer
    that was given may be changed, `known` what was said before, `tapped` what a score of the mail is here,
    `told` whether mails have told of a low score.
    """

    survey: Survey
    number: str
    asked: Questionnaire
    gone: str
    until: datetime | None
    known: Answer | None
    tapped: Mapping[int, int]
    told: bool


@router.api_route("/s/{token}", methods=["GET", "HEAD"])
async def show(request: Request, parts: Parts, token: str) -> Response:
    """The questionnaire; `?score=4` marks the overall score that was tapped in the mail."""
    async with parts.workshop.read() as uow:
        seen = await _look(uow, token, request)
    if seen.gone:
        return _farewell(request, seen)
    given = _fields_of(seen.known) if seen.known else {}
    tapped = request.query_params.get("score", "")
    if tapped in SCORES and seen.until is None:
        given = {**given, "overall": str(seen.tapped[SCORES[tapped]])}
    return page(request, "survey", _form(request, seen, given, {}), locale=seen.survey.locale)


@router.post("/s/{token}")
async def take(request: Request, parts: Parts, token: str) -> Response:
    """Record the answer. What is lacking is said beside its question; what was said is kept meanwhile."""
    given = await form_fields(request)
    async with parts.workshop.read() as uow:
        seen = await _look(uow, token, request)
    errors = {} if seen.gone else mistakes(seen.asked, given)
    said = answer_in(seen.asked, given, "page", anonymous=seen.until is None)
    try:
        async with parts.workshop.begin() as uow:
            survey, ticket = await surveys.survey_by_id(uow, seen.survey.id)
            if seen.gone:
                raise Conflict("this survey takes no answer", hint=seen.gone)
            if errors:
                kept = errors.keys() == {"overall"} and await surveys.begin(uow, survey, ticket, said)
            else:
                await links.use(uow, token, PURPOSE)
                low = await surveys.answer(uow, survey, ticket, said)
                until = await surveys.changeable_until(uow, survey)
    except Conflict as error:
        return page(
            request,
            PAGE_OF.get(error.hint, "survey_expired"),
            _words(request),
            status=GONE,
            locale=seen.survey.locale,
        )
    if errors:
        facts = {**_form(request, seen, given, errors), "kept": kept}
        return page(request, "survey", facts, locale=seen.survey.locale, status=422)
    facts = {"low": low, "anonymous": said.anonymous, "until": until, "action_url": own_url(request)}
    return page(request, "survey_thanks", facts, locale=seen.survey.locale)


@router.post("/s/{token}/message")
async def write(request: Request, parts: Parts, token: str) -> Response:
    """Words to the team from a page that takes no answer (any more): as if the customer had sent a mail."""
    given = (await form_fields(request)).get("message", "").strip()
    async with parts.workshop.begin() as uow:
        survey, asked_about = await surveys.survey_by_id(uow, await _survey_of(uow, token))
        ticket = await goes_on_in(uow, asked_about)
        error = "required" if not given else "too_long" if len(given) > LONGEST_COMMENT else ""
        if not error and await wrote_lately(uow, ticket) >= MOST_MESSAGES:
            error = "too_many"
        if not error:
            await wrote_from_page(uow, ticket, given)
    if error:
        facts = {**_words(request), "message": given, "errors": {"message": error}}
        return page(request, "survey_expired", facts, locale=survey.locale, status=422)
    return page(request, "survey_written", {}, locale=survey.locale)


async def _survey_of(uow: UnitOfWork, token: str) -> UUID:
    link = await links.find(uow, token, PURPOSE)
    if link.subject_id is None:
        raise NotFound("this link is unknown")
    return link.subject_id


async def _look(uow: UnitOfWork, token: str, request: Request) -> _Seen:
    """The survey of a link, nothing held: one question to the database. Raises NotFound."""
    found = (await uow.session.execute(_BEHIND.where(links.of_token(uow, token, PURPOSE)))).one_or_none()
    if found is None:
        raise NotFound("this link is unknown")
    expires_at, number, survey, draft, answer = found  # the last two may be None
    policy = await uow.policy_of(survey.policy_version_id)
    asked = await surveys.asked_by(uow, survey, request.query_params.get("lang") or survey.locale)
    until = await surveys.changeable_until(uow, survey)
    over = expires_at is not None and uow.clock.now() > expires_at
    gone = "expired" if over else _gone(uow, survey, until)
    said = answer if draft is None else draft
    return _Seen(
        survey=survey,
        number=number,
        asked=asked,
        gone="used" if survey.state == "answered" and until is None else gone,
        until=until,
        known=None if gone or said is None else await surveys.answer_of(uow, said),
        told=until is not None and await surveys.was_told(uow, survey),
        tapped={score: policy.survey.nearest(score, asked.scale) for score in SCORES.values()},
    )


def _gone(uow: UnitOfWork, survey: Survey, until: datetime | None) -> str:
    if survey.state == "withdrawn":
        return "withdrawn"
    if survey.state == "answered":
        return "" if until else "used"
    return "expired" if uow.clock.now() > survey.expires_at else ""


def _farewell(request: Request, seen: _Seen) -> Response:
    return page(request, PAGE_OF[seen.gone], _words(request), locale=seen.survey.locale, status=GONE)


def _words(request: Request) -> dict[str, Any]:
    """What the form for a message needs; it is sent beside the survey's own address."""
    path, _, query = own_url(request).partition("?")
    path = path.removesuffix("/message")
    return {"message_url": f"{path}/message" + (f"?{query}" if query else ""), "message": "", "errors": {}}


def _form(
    request: Request, seen: _Seen, given: Mapping[str, str], errors: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "ticket_number": seen.number,
        "service": seen.survey.category.value,
        **fields(seen.asked, given),
        "anonymous_allowed": seen.until is None,
        "errors": errors,
        "kept": False,
        "until": seen.until,
        "told": seen.told,
        "action_url": own_url(request),
    }


def _fields_of(known: Answer) -> dict[str, str]:
    """An answer as the fields of the form."""
    given = {code: str(score) for code, score in known.scores.items()}
    given |= {f"answer_{code}": text for code, text in known.open_answers.items()}
    return {**given, "comment": known.comment}
