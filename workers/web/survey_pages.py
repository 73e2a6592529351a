"""The survey page: looking writes nothing, one answer counts, and it works without a script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.links import Link
from models.surveys import Survey
from workers import links
from workers.errors import Conflict
from workers.surveys import Answer, answer, survey_by_id
from workers.surveys.answering import LONGEST_COMMENT
from workers.tickets import ticket_by_id
from workers.unit_of_work import UnitOfWork
from workers.web.pages import form_fields, own_url, page
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

PURPOSE = ("survey",)
GONE = 410
PAGE_OF = {"used": "survey_used", "expired": "survey_expired", "withdrawn": "survey_expired"}
SCORES = {str(score): score for score in range(1, 6)}


@router.api_route("/s/{token}", methods=["GET", "HEAD"])
async def show(request: Request, parts: Parts, token: str) -> Response:
    """The questionnaire; `?score=4` marks the overall score that was tapped in the mail."""
    async with parts.workshop.read() as uow:
        link, survey, number = await _look(uow, token)
        gone = _gone(uow, link, survey)
        asked = await _questions(uow, survey, request)
    if gone:
        return page(request, PAGE_OF[gone], {}, locale=survey.locale, status=GONE)
    tapped = SCORES.get(request.query_params.get("score", ""))
    facts = _form(request, survey, number, asked, {"overall": str(tapped)} if tapped else {}, {})
    return page(request, "survey", facts, locale=survey.locale)


@router.post("/s/{token}")
async def take(request: Request, parts: Parts, token: str) -> Response:
    """Record the answer, once. What is lacking is said beside its question, with all that was typed kept."""
    given = await form_fields(request)
    async with parts.workshop.read() as uow:
        link, survey, number = await _look(uow, token)
        gone = _gone(uow, link, survey)
        asked = await _questions(uow, survey, request)
    errors = {} if gone else _mistakes(given, asked)
    if errors:
        facts = _form(request, survey, number, asked, given, errors)
        return page(request, "survey", facts, locale=survey.locale, status=422)
    said = _answer(given, asked)
    try:
        async with parts.workshop.begin() as uow:
            await links.use(uow, token, PURPOSE)
            held, ticket = await survey_by_id(uow, survey.id)
            low = await answer(uow, held, ticket, said)
    except Conflict as error:
        name = PAGE_OF.get(error.hint, "survey_expired")
        return page(request, name, {}, locale=survey.locale, status=GONE)
    facts = {"low": low, "anonymous": said.anonymous}
    return page(request, "survey_thanks", facts, locale=survey.locale)


async def _look(uow: UnitOfWork, token: str) -> tuple[Link, Survey, str]:
    """The link, its survey and the ticket's number, nothing held. Raises NotFound."""
    link = await links.find(uow, token, PURPOSE)
    survey = await uow.session.get_one(Survey, link.subject_id)
    ticket = await ticket_by_id(uow, survey.ticket_id, hold=False)
    return link, survey, ticket.number


def _gone(uow: UnitOfWork, link: Link, survey: Survey) -> str:
    if survey.state == "answered":
        return "used"
    if survey.state == "withdrawn":
        return "withdrawn"
    try:
        links.check(uow, link)
    except links.LinkExpired:
        return "expired"
    return "expired" if uow.clock.now() > survey.expires_at else ""


async def _questions(uow: UnitOfWork, survey: Survey, request: Request) -> dict[str, Any]:
    """The questionnaire by which this survey was sent: dimension codes, and open questions as q1, q2 …"""
    policy = await uow.policy_of(survey.policy_version_id)
    locale = request.query_params.get("lang") or survey.locale
    asked = policy.questionnaire(survey.category.value, locale)
    questions = {f"q{place}": text for place, text in enumerate(asked.open_questions, start=1)}
    return {"dimensions": asked.dimensions, "open": questions}


def _form(
    request: Request,
    survey: Survey,
    number: str,
    asked: Mapping[str, Any],
    given: Mapping[str, str],
    errors: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "ticket_number": number,
        "service": survey.category.value,
        "dimensions": [
            {"code": code, "required": code == "overall", "value": SCORES.get(given.get(code, ""))}
            for code in asked["dimensions"]
        ],
        "open_questions": [
            {"code": code, "text": text, "value": given.get(f"answer_{code}", "")}
            for code, text in asked["open"].items()
        ],
        "comment": given.get("comment", ""),
        "anonymous": bool(given.get("anonymous")),
        "anonymous_allowed": True,
        "errors": errors,
        "action_url": own_url(request),
    }


def _mistakes(given: Mapping[str, str], asked: Mapping[str, Any]) -> dict[str, str]:
    """Field → code of what is wrong with it; the overall score is all that must be given."""
    errors: dict[str, str] = {}
    for code in asked["dimensions"]:
        score = given.get(code, "")
        if not score and code == "overall":
            errors[code] = "required"
        elif score and score not in SCORES:
            errors[code] = "invalid"
    for name in ("comment", *(f"answer_{code}" for code in asked["open"])):
        if len(given.get(name, "")) > LONGEST_COMMENT:
            errors[name] = "too_long"
    return errors


def _answer(given: Mapping[str, str], asked: Mapping[str, Any]) -> Answer:
    scores = {code: SCORES[given[code]] for code in asked["dimensions"] if given.get(code) in SCORES}
    words = {code: given.get(f"answer_{code}", "").strip() for code in asked["open"]}
    return Answer(
        scores=scores,
        comment=given.get("comment", "").strip(),
        open_answers={code: text for code, text in words.items() if text},
        anonymous=bool(given.get("anonymous")),
        source="page",
    )
