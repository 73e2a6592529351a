"""Weak links: where the time of requests goes besides work, by category, and what keeps coming (row A9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from models.vocabulary import Category
from workers import weak_links as links
from workers.errors import InvalidInput
from workers.people import team_exactly
from workers.search import Problem
from workers.weak_links import CategoryLinks, Phase, WeakLinks
from workers.web.api.common import Calling, Given, acting, picked, reader
from workers.web.api.knowledge import EntryShown, entry_view
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.parts import Parts

router = Resource("/reports", "reports")

USUAL = timedelta(days=30)
LONGEST = timedelta(days=366)


class LinkShown(BaseModel):
    """What tickets waited for, and for how long; `work`: somebody had them in hand."""

    phase: Phase
    seconds: float = Field(description="All their time in it together, elapsed")
    share: float = Field(description="Of their whole time, 0–1")
    tickets: int = Field(description="How many were in it at all")
    mean_seconds: float
    worst: list[str] = Field(description="Numbers of those that were in it for longest")


class CategoryShown(BaseModel):
    """The tickets of a category, or all."""

    category: Category | None = Field(description="null: all")
    tickets: int
    seconds: float = Field(description="Their whole time, elapsed; one that runs counts up to now")
    transfers: int
    links: list[LinkShown]


class ProblemShown(BaseModel):
    """What many customers wrote about in the last seven days, or week after week."""

    words: list[str]
    cases: int
    customers: int
    weeks: int = Field(description="In how many weeks in a row it came as often")
    category: Category | None
    samples: list[str] = Field(description="Numbers of cases")
    entries: list[str] = Field(description="Published knowledge entries that hold its leading words")


class WeakLinksReport(BaseModel):
    """Of the tickets received in a period: all together, by category, and repeated problems."""

    since: datetime
    until: datetime
    requests: int = Field(
        description="How many there were; `all` tells of these, or of a sample if very many"
    )
    all: CategoryShown
    categories: list[CategoryShown]
    problems: list[ProblemShown]


class DraftGiven(Given):
    """The tickets of a repeated problem."""

    tickets: list[Annotated[str, Field(max_length=24)]] = Field(min_length=1, max_length=10)


@router.get("/weak-links", summary="Where time is lost")
async def weak_links(
    parts: Parts,
    calling: Calling,
    since: Annotated[Moment | None, Query(description="Default: 30 days before `until`")] = None,
    until: Annotated[Moment | None, Query(description="Exclusive; default: now")] = None,
    team: Annotated[str | None, Query(max_length=64)] = None,
) -> WeakLinksReport:
    """Each moment of a ticket counts to what it waited for then; repeated problems are those of all teams."""
    async with parts.workshop.read() as uow:
        await reader(uow, calling)
        last = until or uow.clock.now()
        first = since or last - USUAL
        if not timedelta() < last - first <= LONGEST:
            raise InvalidInput("a period goes from `since` to `until`, and is no longer than a year")
        if team is not None:
            await team_exactly(uow, team)
        found = await links.weak_links(uow, first, last, team=team)
        problems = await links.repeated_problems(uow, last)
    return report_view(found, problems)


@router.post("/weak-links/draft", status_code=201, summary="Make a knowledge draft of a repeated problem")
async def draft(given: DraftGiven, parts: Parts, calling: Calling) -> EntryShown:
    """Of the newest of these tickets that has a result, else of the newest; asked again, it gives it."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        return await entry_view(uow, await links.draft_for(uow, by, given.tickets), by)


def report_view(found: WeakLinks, problems: Sequence[Problem]) -> WeakLinksReport:
    """The report as it is shown."""
    return WeakLinksReport(
        **picked(found, "since until requests"),
        all=_category(found.all),
        categories=[_category(each) for each in found.categories],
        problems=[_problem(each) for each in problems],
    )


def _category(found: CategoryLinks) -> CategoryShown:
    return CategoryShown(
        **picked(found, "category tickets seconds transfers"),
        links=[
            LinkShown(**picked(each, "phase seconds share tickets mean_seconds"), worst=list(each.worst))
            for each in found.links
        ],
    )


def _problem(found: Problem) -> ProblemShown:
    return ProblemShown(
        **picked(found, "cases customers weeks category"),
        words=list(found.words),
        samples=list(found.samples),
        entries=list(found.entries),
    )
