"""Weak links on a page: where time is lost by category, and repeated problems with a step to their draft."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.responses import Response

from workers import weak_links as links
from workers.charts import Unit, words_of
from workers.errors import CloseloopError, InvalidInput
from workers.search import Problem
from workers.text import duration_words
from workers.weak_links import CategoryLinks, Link, Phase, WeakLinks
from workers.web.console import loop_forms, sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.people_forms import team_names
from workers.web.console.sheet import (
    Field,
    Form,
    Section,
    Sheet,
    Table,
    Word,
    both,
    label,
    link,
    moment,
    text,
)
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

WEAK_LINKS = "/console/weak-links"
USUAL = timedelta(days=30)
LONGEST = timedelta(days=366)
HEADS = ("waits_for", "share", "time_in_all", "time_each", "tickets_all", "longest")
PROBLEM_HEADS = ("problem", "cases", "customers", "weeks_in_a_row", "category", "samples", "entries")


@router.api_route(WEAK_LINKS, methods=["GET", "HEAD"])
async def page(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Of the tickets received in a period, for those who lead."""
    return await _page(request, parts, visit, None)


@router.post(f"{WEAK_LINKS}/draft")
async def draft(request: Request, parts: Parts, visit: Visiting) -> Response:
    """One step from a repeated problem to the draft of a knowledge entry."""
    try:
        async with parts.workshop.begin() as uow:
            entry = await links.draft_for(uow, visit.person, visit.fields.get("tickets", "").split()[:10])
            number = entry.number
    except CloseloopError as error:
        return await _page(request, parts, visit, error)
    return done(parts, visit, f"/console/knowledge/{number}", "knowledge_kept")


async def _page(request: Request, parts: WebParts, visit: Visit, refused: CloseloopError | None) -> Response:
    given = request.query_params
    locale = loop_forms.locale_of(request, parts, visit)
    async with parts.workshop.read() as uow:
        zone = ZoneInfo(uow.policy.zone)
        now = uow.clock.now()
        teams = list((await team_names(uow)).values())
        try:
            first, last = _period(given.get("since", ""), given.get("until", ""), zone, now)
        except InvalidInput as error:
            refused, first, last = error, now - USUAL, now
        team = given.get("team") if given.get("team") in teams else None
        found = await links.weak_links(uow, first, last, team=team)
        problems = await links.repeated_problems(uow, last)
    filters = [
        Field(name="since", label=label("by_from"), kind="date", value=given.get("since", "")),
        Field(name="until", label=label("by_to"), kind="date", value=given.get("until", "")),
        Field(
            name="team",
            label=label("team"),
            kind="select",
            value=given.get("team", ""),
            options=[("", label("any")), *((name, text(name)) for name in teams)],
        ),
    ]
    shown = Sheet(
        title=label("weak_links"),
        url=WEAK_LINKS,
        filters=filters,
        sections=[*_sections(found, locale), _problems(problems)],
    )
    return sheet.show_sheet(request, visit, shown, refused=refused)


def _period(since: str, until: str, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """From the first day to the end of the last one. Raises InvalidInput."""
    end = sheet.day(until, zone)
    last = min(now, end + timedelta(days=1)) if end is not None else now
    first = sheet.day(since, zone) or last - USUAL
    if not timedelta() < last - first <= LONGEST:
        raise InvalidInput("a period goes from `since` to `until`, and is no longer than a year")
    return first, last


def _sections(found: WeakLinks, locale: str) -> list[Section]:
    period = both(moment(found.since), text("–"), moment(found.until))
    sampled = [label("sampled", "report_note")] if found.all.tickets < found.requests else []
    whole = Section(
        title=label("all_requests"),
        intro=[label("weak_links_intro"), *sampled, period],
        pairs=_sums(found.all, locale),
        table=_table(found.all, locale, "all"),
    )
    return [whole, *(_category(each, locale) for each in found.categories)]


def _category(found: CategoryLinks, locale: str) -> Section:
    assert found.category is not None
    title = label(found.category.value, "category")
    return Section(title=title, pairs=_sums(found, locale), table=_table(found, locale, found.category.value))


def _sums(found: CategoryLinks, locale: str) -> list[tuple[Word, Word]]:
    return [
        (label("tickets_all"), text(found.tickets)),
        (label("time_in_all"), text(duration_words(found.seconds, locale))),
        (label("transfers"), text(found.transfers)),
    ]


def _table(found: CategoryLinks, locale: str, name: str) -> Table:
    heads = [label(head) for head in HEADS]
    rows = [_cells(each, locale) for each in found.links] if found.tickets else []
    return Table(caption=label("weak_links"), heads=heads, rows=rows, live=f"live-links-{name}")


def _cells(each: Link, locale: str) -> list[Word]:
    worst = each.worst if each.phase is not Phase.WORK else ()
    return [
        label(each.phase.value, "time_phase"),
        text(words_of(each.share, Unit.PERCENT, "en")),
        text(duration_words(each.seconds, locale)),
        text(duration_words(each.mean_seconds, locale)),
        text(each.tickets),
        both(*(link(f"/console/tickets/{number}", text(number)) for number in worst)),
    ]


def _problems(problems: tuple[Problem, ...]) -> Section:
    rows, acts = [], []
    for place, each in enumerate(problems):
        words = ", ".join(each.words)
        entries = (link(f"/console/knowledge/{number}", text(number)) for number in each.entries)
        improve = urlencode({"theme": words[:200], "category": each.category.value if each.category else ""})
        rows.append(
            [
                text(words),
                text(each.cases),
                text(each.customers),
                text(each.weeks),
                label(each.category.value, "category") if each.category else text(""),
                text(", ".join(each.samples)),
                both(*entries, link(f"/console/improvements/new?{improve}", label("improvement_new"))),
            ]
        )
        acts.append([_draft(place, each)] if not each.entries else [])
    return Section(
        title=label("repeated_problems"),
        intro=[label("repeated_intro")],
        table=Table(
            caption=label("repeated_problems"),
            heads=[label(head) for head in PROBLEM_HEADS],
            rows=rows,
            acts=acts,
        ),
    )


def _draft(place: int, each: Problem) -> Form:
    tickets = Field(name="tickets", kind="hidden", value=" ".join(each.samples))
    title = label("make_draft")
    return Form(
        name=f"draft-{place}",
        url=f"{WEAK_LINKS}/draft",
        title=title,
        button=title,
        fields=[tickets],
        asks=label("make_draft_asks"),
    )
