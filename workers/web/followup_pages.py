"""The case on a phone: one link shows where a follow-up stands, its buttons take it one step further.

The link works as long as it lives; each form carries the case's version, so that a button that is pressed
twice, or on a page that has become old, does nothing a second time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from fastapi import Request
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from models.links import Link
from models.people import Staff
from models.surveys import Followup, Survey
from models.tickets import Ticket
from models.vocabulary import FollowupState, Role
from workers import followups, links
from workers.directory import known_names, staff_by_email, staff_by_number
from workers.errors import NotFound
from workers.notifications import staff_ticket_facts
from workers.surveys import latest
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork
from workers.web.followup_log import SPOKEN, log_lines
from workers.web.pages import own_url, page
from workers.web.parts import WebParts

PURPOSE = "followup"
GONE, SEE_OTHER = 410, 303
LONGEST = 2_000


async def show(uow: UnitOfWork, request: Request, link: Link, person: Staff) -> Response:
    """Where the case stands, and what this person can do. Nothing is written."""
    try:
        links.check(uow, link)
    except links.LinkExpired:
        return _expired(request, person)
    return await _page(uow, request, link, person)


async def act(
    parts: WebParts, request: Request, link: Link, person: Staff, given: Mapping[str, str]
) -> Response:
    """One step of the case; the page then shows it anew (303), or says beside each field what is lacking."""
    async with parts.workshop.begin() as uow:
        try:
            links.check(uow, link)
        except links.LinkExpired:
            return _expired(request, person)
        followup, ticket = await followups.followup_by_id(uow, _subject(link))
        by = await uow.session.get_one(Staff, person.id)
        errors = await step(uow, followup, ticket, by, given)
    if errors:
        async with parts.workshop.read() as uow:
            return await _page(uow, request, link, person, given=given, errors=errors)
    mark = "&" if "?" in own_url(request) else "?"
    return RedirectResponse(f"{own_url(request)}{mark}done={given['act']}", SEE_OTHER)


async def step(
    uow: UnitOfWork, followup: Followup, ticket: Ticket, by: Staff, given: Mapping[str, str]
) -> dict[str, str]:
    """Take the case, held by the caller, the step that the form names; gives what is wrong by field, {} if
    nothing was. A form of an older version of the case does nothing.
    """
    name = given.get("act", "")
    if given.get("version") != str(followup.version) or name not in _acts(followup):
        return {"changed": "changed"}
    return await _STEPS[name](uow, followup, ticket, by, given)


async def _page(
    uow: UnitOfWork,
    request: Request,
    link: Link,
    person: Staff,
    *,
    given: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    followup = await uow.session.get(Followup, _subject(link))
    if followup is None:
        raise NotFound("there is no such follow-up")
    done = request.query_params.get("done")
    facts = {
        **await case_facts(uow, followup, person, given or {}, errors or {}),
        "action_url": own_url(request),
        "done": done if done in _STEPS and not errors else None,
    }
    return page(request, "followup", facts, locale=person.locale, status=422 if errors else 200)


async def case_facts(
    uow: UnitOfWork,
    followup: Followup,
    person: Staff,
    given: Mapping[str, str],
    errors: Mapping[str, str],
) -> dict[str, Any]:
    """What the page shows of a case to this person; `given` is what was typed, with what is wrong in it."""
    ticket = await uow.session.get_one(Ticket, followup.ticket_id)
    known = await staff_ticket_facts(uow, ticket)
    hidden = (
        person.id == await followups.rated_person(uow, followup) and person.role is not Role.ADMINISTRATOR
    )
    survey = await uow.session.get_one(Survey, followup.survey_id)
    answer = None if hidden else await latest(uow, survey, final=True)
    staff = {row.id: row.name for row in await uow.session.scalars(select(Staff))}
    owner = followup.owner_id
    acts, names = _acts(followup), await known_names(uow, ticket.customer_id)
    return {
        "ticket": known["ticket"],
        "case": {
            "version": followup.version,
            "state": followup.state.value,
            "round": followup.round,
            "owner": staff.get(owner, "") if owner else "",
            "start_by": followup.start_by.isoformat(),
            "started_at": followup.started_at.isoformat() if followup.started_at else None,
            "due_at": followup.due_at.isoformat() if followup.due_at else None,
        },
        "scores": {} if hidden else dict(followup.scores),
        "comment": mask_free_text(answer.comment, names=names) if answer else "",
        "log": await log_lines(uow, followup, ticket, staff, hidden=hidden),
        "acts": [each for each in acts if each != "take" or owner != person.id],
        "given": {**_known(followup), **given},
        "errors": errors,
    }


def _acts(followup: Followup) -> list[str]:
    """What the case can be taken through from where it stands, the next step first."""
    if followup.state.over:
        return []
    if followup.started_at is None:
        return ["take", "contact"]
    if followup.state is FollowupState.TO_VERIFY:
        return ["evaluate", "contact", "take"]
    return ["measure", "contact", "take"]


def _known(followup: Followup) -> dict[str, str]:
    """What a form begins with: who and what the round before named."""
    return {"cause": followup.cause or "", "department": followup.department or ""}


async def _take(
    uow: UnitOfWork, followup: Followup, ticket: Ticket, by: Staff, given: Mapping[str, str]
) -> dict[str, str]:
    await followups.name_owner(uow, followup, ticket, by, by)
    return {}


async def _contact(
    uow: UnitOfWork, followup: Followup, ticket: Ticket, by: Staff, given: Mapping[str, str]
) -> dict[str, str]:
    errors = {**_chosen(given, reached=("yes", "no")), **_lacking(given, "text"), **_long(given)}
    if not errors:
        await followups.record_contact(
            uow,
            followup,
            ticket,
            by,
            given["text"].strip(),
            reached=given["reached"] == "yes",
            suggestions=given.get("suggestions", "").strip(),
        )
    return errors


async def _measure(
    uow: UnitOfWork, followup: Followup, ticket: Ticket, by: Staff, given: Mapping[str, str]
) -> dict[str, str]:
    errors = _chosen(given, cause=followups.CAUSES, term=followups.TERMS)
    errors |= _lacking(given, "measure", "department") | _long(given)
    due_at = await _end_of(uow, ticket, given.get("due_on", ""))
    if due_at is None:
        errors["due_on"] = "past"
    owner, named = None, given.get("owner", "").strip()
    if named:
        owner = await _person(uow, named)
        if owner is None:
            errors["owner"] = "not_staff"
    if not errors and due_at is not None:
        await followups.set_measure(
            uow,
            followup,
            ticket,
            by,
            cause=given["cause"],
            measure=given["measure"].strip(),
            term=given["term"],
            department=given["department"].strip()[:64],
            due_at=due_at,
            owner=owner,
        )
    return errors


async def _evaluate(
    uow: UnitOfWork, followup: Followup, ticket: Ticket, by: Staff, given: Mapping[str, str]
) -> dict[str, str]:
    errors = {**_chosen(given, met=("yes", "no")), **_long(given)}
    met = given.get("met") == "yes"
    if not met:
        errors |= _lacking(given, "review_report")
    following = given.get("next_on", "").strip()
    next_due_at = await _end_of(uow, ticket, following) if following and not met else None
    if following and not met and next_due_at is None:
        errors["next_on"] = "past"
    if not errors:
        await followups.evaluate(
            uow,
            followup,
            ticket,
            by,
            met=met,
            note=given.get("note", "").strip(),
            review_report=given.get("review_report", "").strip(),
            next_due_at=next_due_at,
        )
    return errors


def _chosen(given: Mapping[str, str], **choices: tuple[str, ...]) -> dict[str, str]:
    return {name: "required" for name, codes in choices.items() if given.get(name) not in codes}


def _lacking(given: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: "required_text" for name in names if not given.get(name, "").strip()}


def _long(given: Mapping[str, str]) -> dict[str, str]:
    return {name: "too_long" for name in SPOKEN if len(given.get(name, "")) > LONGEST}


async def _end_of(uow: UnitOfWork, ticket: Ticket, day: str) -> datetime | None:
    """The last minute of a local day as a moment; None for what is no day, or has passed."""
    calendar = (await uow.policy_of(ticket.policy_version_id)).calendar
    try:
        chosen = date.fromisoformat(day.strip())
    except ValueError:
        return None
    moment = datetime(chosen.year, chosen.month, chosen.day, 23, 59, tzinfo=calendar.zone).astimezone(UTC)
    return moment if moment > uow.clock.now() else None


async def _person(uow: UnitOfWork, named: str) -> Staff | None:
    if "@" in named:
        return await staff_by_email(uow, named)
    try:
        return await staff_by_number(uow, named.upper())
    except NotFound:
        return None


_Step = Callable[[UnitOfWork, Followup, Ticket, Staff, Mapping[str, str]], Awaitable[dict[str, str]]]
_STEPS: Mapping[str, _Step] = {
    "take": _take,
    "contact": _contact,
    "measure": _measure,
    "evaluate": _evaluate,
}


def _subject(link: Link) -> UUID:
    if link.subject_id is None:
        raise NotFound("this link is about nothing")
    return link.subject_id


def _expired(request: Request, person: Staff) -> Response:
    return page(request, "error", {"code": "conflict"}, locale=person.locale, status=GONE)
