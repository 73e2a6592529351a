"""Knowledge entries in the console: list, read, write, publish, retire (row E8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from models.knowledge import KnowledgeEntry
from models.people import Staff
from models.vocabulary import Category, KnowledgeState
from workers import knowledge
from workers.errors import Conflict, Forbidden, InvalidInput
from workers.knowledge import LOCALES, PARTS, About, Kind
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Paging, page_of, uuid_of
from workers.web.api.knowledge import entry_view, entry_views
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done, show
from workers.web.console.sent_once import fresh_once, made_once
from workers.web.pages import page_locale
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

KNOWLEDGE = "/console/knowledge"
PAGE = 50
UNPROCESSABLE, CONFLICT = 422, 409


@router.api_route(KNOWLEDGE, methods=["GET", "HEAD"])
async def entries(request: Request, parts: Parts, visit: Visiting) -> Response:
    """What this person may read, the latest first; what is due to be looked at again is marked."""
    asked = request.query_params
    state = next((each for each in KnowledgeState if each == asked.get("state")), None)
    category = next((each for each in Category if each == asked.get("category")), None)
    cursor = uuid_of(asked["cursor"], "cursor") if asked.get("cursor") else None
    locale = page_locale(request, visit.person.locale)
    async with parts.workshop.read() as uow:
        query = knowledge.matching(Kind(state=state, category=category), visit.person)
        rows, following = await page_of(uow, query, KnowledgeEntry.id, Paging(cursor, PAGE))
        shown = await entry_views(uow, rows, visit.person)
        today = uow.policy.calendar.local_date(uow.clock.now())
    kept = {name: asked[name] for name in ("state", "category") if asked.get(name)}
    facts = {
        "rows": [
            {
                **each.model_dump(mode="json", exclude={"texts"}),
                "title": knowledge.in_language(
                    {name: words.model_dump() for name, words in each.texts.items()}, locale
                )[1]["title"],
                "due": each.review_on is not None and each.review_on <= today,
                "url": f"{KNOWLEDGE}/{each.number}",
            }
            for each in shown
        ],
        "given": {"state": asked.get("state", ""), "category": asked.get("category", "")},
        "states": list(KnowledgeState),
        "categories": list(Category),
        "list_url": KNOWLEDGE,
        "new_url": f"{KNOWLEDGE}/new",
        "first_url": f"{KNOWLEDGE}?{urlencode(kept)}" if cursor else None,
        "next_url": f"{KNOWLEDGE}?{urlencode({**kept, 'cursor': following})}" if following else None,
    }
    return show(request, visit, "console_knowledge", facts)


@router.api_route(f"{KNOWLEDGE}/new", methods=["GET", "HEAD"])
async def blank(request: Request, parts: Parts, visit: Visiting) -> Response:
    """A form for a new entry."""
    facts = _form_facts(None, {}, {}, once=fresh_once(parts))
    return show(request, visit, "console_knowledge_edit", facts)


@router.post(f"{KNOWLEDGE}/new")
async def add(request: Request, parts: Parts, visit: Visiting) -> Response:
    """A new draft."""
    try:
        texts, about = _typed(visit.fields)
        async with parts.workshop.begin() as uow:
            number = await made_once(uow, visit, "knowledge", partial(_add, uow, visit.person, texts, about))
    except InvalidInput:
        facts = _form_facts(None, visit.fields, {"title": "required_text"}, once=fresh_once(parts))
        return show(request, visit, "console_knowledge_edit", facts, status=UNPROCESSABLE)
    return done(parts, visit, f"{KNOWLEDGE}/{number}", "knowledge_kept")


async def _add(uow: UnitOfWork, by: Staff, texts: dict[str, dict[str, str]], about: About) -> str:
    return (await knowledge.add_entry(uow, by, texts, about)).number


@router.api_route(f"{KNOWLEDGE}/{{number}}", methods=["GET", "HEAD"])
async def entry(request: Request, parts: Parts, visit: Visiting, number: str) -> Response:
    """An entry in all its languages, with what it has said before."""
    return show(request, visit, "console_knowledge_entry", await _entry_facts(parts, visit, number))


@router.api_route(f"{KNOWLEDGE}/{{number}}/edit", methods=["GET", "HEAD"])
async def edit(request: Request, parts: Parts, visit: Visiting, number: str) -> Response:
    """A form with the entry's words."""
    async with parts.workshop.read() as uow:
        row = await knowledge.entry_by_number(uow, number, visit.person)
        knowledge.may_write(row, visit.person)
        values = await _values(uow, row, visit.person)
    return show(request, visit, "console_knowledge_edit", _form_facts(row, values, {}))


@router.post(f"{KNOWLEDGE}/{{number}}/edit")
async def change(request: Request, parts: Parts, visit: Visiting, number: str) -> Response:
    """Keep what was typed as a new version; what somebody else has changed meanwhile is not lost."""
    stale = False
    try:
        texts, about = _typed(visit.fields)
        async with parts.workshop.begin() as uow:
            row = await knowledge.entry_by_number(uow, number, visit.person, hold=True)
            stale = str(row.version) != visit.fields.get("version")
            if not stale:
                await knowledge.change(uow, row, visit.person, texts, about)
    except InvalidInput:
        return await _again(request, parts, visit, number, {"title": "required_text"}, UNPROCESSABLE)
    if stale:
        return await _again(request, parts, visit, number, {}, CONFLICT, stale=True)
    return done(parts, visit, f"{KNOWLEDGE}/{number}", "knowledge_kept")


@router.post(f"{KNOWLEDGE}/{{number}}/publish")
async def publish(request: Request, parts: Parts, visit: Visiting, number: str) -> Response:
    """From now on it is offered."""
    return await _settle(request, parts, visit, number, "publish")


@router.post(f"{KNOWLEDGE}/{{number}}/retire")
async def retire(request: Request, parts: Parts, visit: Visiting, number: str) -> Response:
    """It is offered no more."""
    return await _settle(request, parts, visit, number, "retire")


async def _settle(request: Request, parts: WebParts, visit: Visit, number: str, what: str) -> Response:
    step = {"publish": knowledge.publish, "retire": knowledge.retire}[what]
    try:
        async with parts.workshop.begin() as uow:
            row = await knowledge.entry_by_number(uow, number, visit.person, hold=True)
            await step(uow, row, visit.person)
    except Conflict:
        facts = {**await _entry_facts(parts, visit, number), "lacks_solution": True}
        return show(request, visit, "console_knowledge_entry", facts, status=CONFLICT)
    return done(parts, visit, f"{KNOWLEDGE}/{number}", f"knowledge_{what}")


async def _entry_facts(parts: WebParts, visit: Visit, number: str) -> dict[str, Any]:
    async with parts.workshop.read() as uow:
        row = await knowledge.entry_by_number(uow, number, visit.person)
        shown = await entry_view(uow, row, visit.person)
        versions = [
            {
                "version": each.version,
                "locale": each.locale,
                "at": each.at.isoformat(),
                "title": words["title"],
            }
            for each, words in await knowledge.versions_of(uow, row)
        ]
        today = uow.policy.calendar.local_date(uow.clock.now())
    leads = visit.person.role in knowledge.LEADS
    return {
        "entry": {
            **shown.model_dump(mode="json"),
            "due": row.review_on is not None and row.review_on <= today,
        },
        "versions": versions,
        "may_write": leads or (row.author_id == visit.person.id and row.state is KnowledgeState.DRAFT),
        "may_publish": leads and row.state is not KnowledgeState.PUBLISHED,
        "may_retire": leads and row.state is not KnowledgeState.RETIRED,
        "entry_url": f"{KNOWLEDGE}/{row.number}",
        "list_url": KNOWLEDGE,
        "ticket_url": "/console/tickets",
        "lacks_solution": False,
    }


async def _values(uow: UnitOfWork, row: KnowledgeEntry, reader: Staff) -> dict[str, str]:
    shown = await entry_view(uow, row, reader)
    values = {
        "version": str(row.version),
        "category": row.category.value if row.category else "",
        "product": row.product or "",
        "review_on": row.review_on.isoformat() if row.review_on else "",
    }
    for locale, words in shown.texts.items():
        values |= {f"{part}_{locale}": text for part, text in words.model_dump().items()}
    return values


def _form_facts(
    row: KnowledgeEntry | None, values: Mapping[str, str], errors: Mapping[str, str], *, once: str = ""
) -> dict[str, Any]:
    names = [f"{part}_{locale}" for locale in LOCALES for part in PARTS]
    fields = ("version", "category", "product", "review_on", *names)
    return {
        "number": row.number if row else None,
        "once": once,
        "values": {name: values.get(name, "") for name in fields},
        "error": errors.get("title"),
        "locales": list(LOCALES),
        "parts": list(PARTS),
        "categories": list(Category),
        "form_url": f"{KNOWLEDGE}/{row.number}/edit" if row else f"{KNOWLEDGE}/new",
        "back_url": f"{KNOWLEDGE}/{row.number}" if row else KNOWLEDGE,
    }


def _typed(fields: Mapping[str, str]) -> tuple[dict[str, dict[str, str]], About]:
    """What was typed: a language counts when anything stands in it. Raises InvalidInput."""
    texts = {}
    for locale in LOCALES:
        words = {part: fields.get(f"{part}_{locale}", "").strip() for part in PARTS}
        if any(words.values()):
            texts[locale] = words
    if not texts or any(not words["title"] for words in texts.values()):
        raise InvalidInput("an entry needs a title")
    try:
        review_on = date.fromisoformat(fields["review_on"]) if fields.get("review_on") else None
    except ValueError as error:
        raise InvalidInput("this is no date", hint="write 2026-05-20") from error
    category = next((each for each in Category if each == fields.get("category")), None)
    return texts, About(category=category, product=fields.get("product", "").strip(), review_on=review_on)


async def _again(
    request: Request,
    parts: WebParts,
    visit: Visit,
    number: str,
    errors: Mapping[str, str],
    status: int,
    *,
    stale: bool = False,
) -> Response:
    async with parts.workshop.read() as uow:
        row = await knowledge.entry_by_number(uow, number, visit.person)
        if row.author_id != visit.person.id and visit.person.role not in knowledge.LEADS:
            raise Forbidden("this entry is not yours to change")
    values = {**visit.fields, "version": str(row.version)}
    facts = {**_form_facts(row, values, errors), "stale": stale}
    return show(request, visit, "console_knowledge_edit", facts, status=status)
