"""What a customer said on the phone, entered by whoever rang up (rows B11, D4): once, never changed (D9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.links import Link
from models.people import Staff
from models.surveys import Survey
from models.tickets import Ticket
from workers import links, surveys
from workers.errors import Conflict, Forbidden, NotFound
from workers.history import record
from workers.notifications import staff_ticket_facts
from workers.policy import Questionnaire
from workers.tickets import ticket_by_id
from workers.unit_of_work import UnitOfWork
from workers.web.pages import form_fields, own_url, page
from workers.web.parts import Parts
from workers.web.survey_forms import answer_in, fields, mistakes

router = APIRouter(include_in_schema=False)

PURPOSE = ("phone_survey",)
RESULTS = ("answered", "not_reached", "declined")
GONE = 410


@dataclass(frozen=True, slots=True)
class _Call:
    link: Link
    person: Staff
    survey: Survey
    ticket: Ticket
    asked: Questionnaire


@router.api_route("/a/{token}", methods=["GET", "HEAD"])
async def show(request: Request, parts: Parts, token: str) -> Response:
    """The questions to be asked on the phone. Nothing is written, however often it is opened."""
    async with parts.workshop.read() as uow:
        call = await _look(uow, token, request)
        over = _over(uow, call)
        if over:
            return _done(request, call, over, status=GONE)
        facts = await _facts(uow, request, call, {}, {})
    return page(request, "survey_call", facts, locale=call.person.locale)


@router.post("/a/{token}")
async def enter(request: Request, parts: Parts, token: str) -> Response:
    """The customer's answer, or that nobody was reached: each call is logged, the answer taken once."""
    given = await form_fields(request)
    result = given.get("result", "")
    async with parts.workshop.read() as uow:
        call = await _look(uow, token, request)
        errors = {"result": "required"} if result not in RESULTS else {}
        if result == "answered":
            errors |= mistakes(call.asked, given)
        facts = await _facts(uow, request, call, given, errors)
        over = _over(uow, call)
    if over:
        return _done(request, call, over, status=GONE)
    if errors:
        return page(request, "survey_call", facts, locale=call.person.locale, status=422)
    try:
        async with parts.workshop.begin() as uow:
            await _note(uow, call, token, given)
    except Conflict:
        return _done(request, call, "over", status=GONE)
    return _done(request, call, result)


async def _note(uow: UnitOfWork, call: _Call, token: str, given: Mapping[str, str]) -> None:
    survey, ticket = await surveys.survey_by_id(uow, call.survey.id)
    person = await uow.session.get_one(Staff, call.person.id)
    result = given["result"]
    facts = {"survey": survey.number, "result": result}
    if result == "not_reached":  # it can be tried again
        links.check(uow, await links.find(uow, token, PURPOSE, hold=True))
    else:
        await links.use(uow, token, PURPOSE)
    await record(uow, ticket, "survey_call", by=person, facts=facts)
    if result == "answered":
        said = answer_in(call.asked, given, "phone", anonymous=True)
        await surveys.answer(uow, survey, ticket, said)
        await record(uow, ticket, "rating_entered", by=person, facts={"survey": survey.number})


async def _look(uow: UnitOfWork, token: str, request: Request) -> _Call:
    link = await links.find(uow, token, PURPOSE)
    person = await uow.session.get(Staff, link.staff_id) if link.staff_id else None
    if person is None or not person.active:
        raise Forbidden("the member of staff whom this link was given to works here no more")
    survey = await uow.session.get_one(Survey, _subject(link))
    ticket = await ticket_by_id(uow, survey.ticket_id, hold=False)
    locale = request.query_params.get("lang") or survey.locale
    return _Call(link, person, survey, ticket, await surveys.asked_by(uow, survey, locale))


def _subject(link: Link) -> UUID:
    if link.subject_id is None:
        raise NotFound("this link is about nothing")
    return link.subject_id


def _over(uow: UnitOfWork, call: _Call) -> str:
    """Why nothing can be entered any more; "" while it can."""
    try:
        links.check(uow, call.link)
    except Conflict:
        return "over"
    open_still = call.survey.state == "invited" and uow.clock.now() <= call.survey.expires_at
    return "" if open_still else "over"


def _done(request: Request, call: _Call, result: str, *, status: int = 200) -> Response:
    facts = {"result": result, "ticket_number": call.ticket.number}
    return page(request, "survey_call_done", facts, locale=call.person.locale, status=status)


async def _facts(
    uow: UnitOfWork, request: Request, call: _Call, given: Mapping[str, str], errors: Mapping[str, str]
) -> dict[str, Any]:
    known = await staff_ticket_facts(uow, call.ticket)
    return {
        "ticket": known["ticket"],
        "result": given.get("result", ""),
        **fields(call.asked, given),
        "errors": errors,
        "action_url": own_url(request),
    }
