"""Search in the console: words first, filters behind; tickets, records and entries in one list (row B12)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.people import Team
from models.vocabulary import Category, TicketState
from workers.communications import read_moment
from workers.errors import InvalidInput
from workers.search import KINDS, Question, find
from workers.search.finding import LONGEST_QUESTION
from workers.unit_of_work import UnitOfWork
from workers.web.api.search_views import FoundShown, shown
from workers.web.console.door import Visiting
from workers.web.console.frame import show
from workers.web.pages import page_locale
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

SEARCH = "/console/search"
PAGE = 30
FIELDS = ("q", "kind", "number", "customer", "category", "state", "team", "since", "until")
PLACES = {
    "ticket": "/console/tickets",
    "communication": "/console/communications",
    "knowledge": "/console/knowledge",
}


@router.api_route(SEARCH, methods=["GET", "HEAD"])
async def search(request: Request, parts: Parts, visit: Visiting) -> Response:
    """What this person may see of what is looked for, best first; without anything asked, nothing."""
    given = {name: request.query_params.get(name, "").strip()[:LONGEST_QUESTION] for name in FIELDS}
    found: list[FoundShown] = []
    cursor, wrong = None, False
    async with parts.workshop.read() as uow:
        teams = list(await uow.session.scalars(select(Team.name).order_by(Team.name)))
        if any(given.values()):
            try:
                question = await _question(uow, given)
                page = await find(
                    uow, question, visit.person, limit=PAGE, cursor=request.query_params.get("cursor")
                )
                found = await shown(uow, page.found, page_locale(request, visit.person.locale))
                cursor = page.cursor
            except InvalidInput:
                wrong = True
    kept = {name: value for name, value in given.items() if value}
    facts = {
        "given": given,
        "asked": bool(kept),
        "filtered": any(value for name, value in given.items() if name != "q"),
        "wrong": wrong,
        "rows": [_row(each) for each in found],
        "kinds": list(KINDS),
        "categories": list(Category),
        "states": list(TicketState),
        "teams": teams,
        "search_url": SEARCH,
        "first_url": f"{SEARCH}?{urlencode(kept)}" if request.query_params.get("cursor") else None,
        "next_url": f"{SEARCH}?{urlencode({**kept, 'cursor': cursor})}" if cursor else None,
    }
    return show(request, visit, "console_search", facts, status=422 if wrong else 200)


async def _question(uow: UnitOfWork, given: dict[str, str]) -> Question:
    team = (
        await uow.session.scalar(select(Team.id).where(Team.name == given["team"])) if given["team"] else None
    )
    return Question(
        words=given["q"],
        kinds=(given["kind"],) if given["kind"] in KINDS else KINDS,
        number=given["number"],
        customer=given["customer"],
        category=next((each for each in Category if each == given["category"]), None),
        states=tuple(each for each in TicketState if each == given["state"]),
        team_id=team,
        since=_day(given["since"], uow.settings.timezone),
        until=_day(given["until"], uow.settings.timezone, after=True),
    )


def _day(typed: str, zone: str, *, after: bool = False) -> datetime | None:
    """The beginning of a day of the team's zone, with `after` of the one after it. Raises InvalidInput."""
    if not typed:
        return None
    found = read_moment(typed, zone)
    if found is None or not 1970 <= found.year <= 2099:
        raise InvalidInput("this is no date", hint="write 2026-05-20")
    local = found.astimezone(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (local + timedelta(days=1) if after else local).astimezone(UTC)


def _row(each: FoundShown) -> dict[str, Any]:
    return {**each.model_dump(mode="json"), "url": f"{PLACES[each.kind]}/{each.number}"}
