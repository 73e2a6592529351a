"""Targets: from X to Y by a day, with an owner, and agreements between departments (row E2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, Field

from models.improving import Target
from models.people import Staff
from models.vocabulary import TargetState
from workers import targets
from workers.aims import shown_scope
from workers.errors import InvalidInput
from workers.measures import Unit
from workers.measures.period import DAY, months_later
from workers.targets import Aim, Stand, Standing
from workers.targets.finding import Kind
from workers.targets.setting import LONGEST_NAME, LONGEST_NOTE, LONGEST_TITLE
from workers.targets.standing import last_day_of
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import (
    Caller,
    Calling,
    Given,
    Page,
    Paged,
    acting,
    check_version,
    etag,
    page_of,
    person_named,
    picked,
    reader,
)
from workers.web.api.loop_views import LineShown, ScopeGiven, lines_of, staff_numbers, unit_of
from workers.web.api.resource import Resource
from workers.web.parts import Parts

router = Resource("/targets", "targets")

COPIED = (
    "number version state measure start_value start_cases goal_value window_days starts_at ends_at "
    "department promised_to ended_at"
)


class TargetGiven(Given):
    """What is to be reached. Values are in the measure's unit: seconds, a share 0–1, a score 1–5, a count."""

    title: str = Field(max_length=LONGEST_TITLE, examples=["Answer complaints sooner"])
    measure: str = Field(
        max_length=48, description="A key of the catalogue", examples=["first_response_mean"]
    )
    goal: float
    start: float | None = Field(default=None, description="Default: as measured now, of at least 10 cases")
    last_day: date | None = Field(default=None, description="Its last local day; or give `months`")
    months: int | None = Field(default=None, ge=1, le=36, description="It runs for so many months from today")
    owner: str = Field(max_length=254, description="Number or mail address")
    scope: ScopeGiven = ScopeGiven()
    window_days: int | None = Field(
        default=None, description="Over how many days it is measured; default: half its length, at most 30"
    )
    department: str = Field(default="", max_length=LONGEST_NAME, description="Who promises it")
    promised_to: str = Field(
        default="", max_length=LONGEST_NAME, description="An agreement: the department it is promised to"
    )


class TargetChange(Given):
    """What is put right; what is left out stays."""

    title: str | None = Field(default=None, max_length=LONGEST_TITLE)
    goal: float | None = None
    last_day: date | None = None
    owner: str | None = Field(default=None, max_length=254)


class WordsGiven(Given):
    """What somebody says."""

    text: str = Field(max_length=LONGEST_NOTE)


class TargetShown(BaseModel):
    """A target and where it stands."""

    number: str = Field(examples=["TG0001"])
    version: int
    state: TargetState
    title: str
    measure: str
    unit: Unit | None
    scope: dict[str, str]
    start_value: float
    start_cases: int | None = Field(description="Of how many cases; null: given by hand")
    goal_value: float
    window_days: int
    starts_at: datetime
    ends_at: datetime = Field(description="Midnight after its last day")
    last_day: date
    owner: str = Field(description="Staff number")
    made_by: str
    department: str | None
    promised_to: str | None
    stand: Stand
    current: float | None = Field(description="As measured now, or at its end; null: no case")
    cases: int = Field(description="Of how many cases; fewer than 10 are too few to judge")
    expected: float = Field(description="What a straight line from start to goal has by now")
    way: float | None = Field(description="The part of the way that is done; 1: all")
    ended_at: datetime | None


class TargetDetail(TargetShown):
    """A target with its log."""

    log: list[LineShown]


class TargetList(Page):
    """Targets, newest first."""

    items: list[TargetShown]


@router.get("", summary="List targets")
async def list_targets(
    parts: Parts,
    calling: Calling,
    paging: Paged,
    state: TargetState | None = None,
    owner: Annotated[str | None, Query(max_length=254, description="Number or mail address")] = None,
    measure: Annotated[str | None, Query(max_length=48)] = None,
    agreements: Annotated[bool | None, Query(description="Only agreements between departments")] = None,
) -> TargetList:
    """Each with where it stands; an agent sees those they own."""
    async with parts.workshop.read() as uow:
        person = await person_named(uow, owner) if owner else None
        kind = Kind(state, person.id if person else None, measure, agreements)
        query = targets.matching(kind, await reader(uow, calling))
        rows, cursor = await page_of(uow, query, Target.id, paging)
        shown = await target_views(uow, [await targets.standing(uow, row) for row in rows])
    return TargetList(items=shown, next_cursor=cursor)


@router.post("", status_code=201, summary="Set a target")
async def add(given: TargetGiven, parts: Parts, calling: Calling, response: Response) -> TargetDetail:
    """Its owner hears half-way, when it falls behind, a week before its end, and how it ended."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        today = uow.policy.calendar.local_date(uow.clock.now())
        if (given.last_day is None) == (given.months is None):
            raise InvalidInput("give `last_day` or `months`")
        said = given.model_dump(exclude={"owner", "scope", "last_day", "months"})
        aim = Aim(
            **said,
            last_day=given.last_day or months_later(today, given.months or 0) - DAY,
            owner=await person_named(uow, given.owner),
            scope=given.scope.named(),
        )
        row = await targets.set_target(uow, by, aim)
        response.headers["Location"] = f"/api/v1/targets/{row.number}"
        return await detail_view(uow, row)


@router.get("/{number}", summary="Look at a target")
async def look(number: str, parts: Parts, calling: Calling, response: Response) -> TargetDetail:
    """With its log; its version is the ETag."""
    async with parts.workshop.read() as uow:
        row = await targets.target_by_number(uow, number, await reader(uow, calling))
        response.headers["ETag"] = etag(row.version)
        return await detail_view(uow, row)


@router.patch("/{number}", summary="Change a target")
async def change(
    number: str, given: TargetChange, parts: Parts, calling: Calling, response: Response
) -> TargetDetail:
    """Start, measure and scope stay: another one is another target."""
    if not given.model_fields_set:
        raise InvalidInput("there is nothing to change")
    async with parts.workshop.begin() as uow:
        row, by = await _held(uow, number, calling)
        owner = await person_named(uow, given.owner) if given.owner else None
        said = given.model_dump(exclude={"owner"})
        await targets.change_target(uow, row, by, **said, owner=owner)
        response.headers["ETag"] = etag(row.version)
        return await detail_view(uow, row)


@router.post("/{number}/progress", summary="Report progress")
async def progress(number: str, given: WordsGiven, parts: Parts, calling: Calling) -> TargetDetail:
    """Its owner, or who leads."""
    async with parts.workshop.begin() as uow:
        row, by = await _held(uow, number, calling)
        await targets.report_progress(uow, row, by, given.text)
        return await detail_view(uow, row)


@router.post("/{number}/withdraw", summary="Withdraw a target")
async def withdraw(number: str, given: WordsGiven, parts: Parts, calling: Calling) -> TargetDetail:
    """Before its end, with a reason."""
    async with parts.workshop.begin() as uow:
        row, by = await _held(uow, number, calling)
        await targets.end_target(uow, row, by, given.text)
        return await detail_view(uow, row)


async def _held(uow: UnitOfWork, number: str, calling: Caller) -> tuple[Target, Staff]:
    by = await acting(uow, calling.staff)
    row = await targets.target_by_number(uow, number, by, hold=True)
    check_version(row.version, calling.if_match)
    return row, by


async def detail_view(uow: UnitOfWork, row: Target) -> TargetDetail:
    """One target with its log."""
    (shown,) = await target_views(uow, [await targets.standing(uow, row)])
    return TargetDetail(**shown.model_dump(), log=await lines_of(uow, row))


async def target_views(uow: UnitOfWork, found: Sequence[Standing]) -> list[TargetShown]:
    """Targets with where they stand, as pages and API show them."""
    rows = [each.target for each in found]
    people = await staff_numbers(uow, [ident for row in rows for ident in (row.owner_id, row.made_by_id)])
    titles = await targets.titles_of(uow, rows)
    return [
        TargetShown(
            **picked(each.target, COPIED),
            title=mask_free_text(titles[each.target.id]),
            unit=unit_of(each.target.measure),
            scope=await shown_scope(uow, each.target.scope),
            last_day=last_day_of(uow, each.target),
            owner=people[each.target.owner_id].number,
            made_by=people[each.target.made_by_id].number,
            stand=each.stand,
            current=each.current,
            cases=each.cases,
            expected=each.expected,
            way=each.way,
        )
        for each in found
    ]
