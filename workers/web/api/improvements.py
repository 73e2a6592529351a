"""Improvement measures 改进措施 with their verification cycle 验证周期 (row A10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, Field

from models.improving import Improvement
from models.people import Staff
from models.surveys import Followup
from models.vocabulary import Category, ImprovementState
from workers import improvements
from workers.errors import NotFound
from workers.improvements import Kind, Plan
from workers.improvements.opening import LONGEST, LONGEST_NAME, LONGEST_THEME, MOST_CYCLE
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import (
    Caller,
    Calling,
    Given,
    Paged,
    acting,
    check_version,
    etag,
    page_of,
    person_named,
    reader,
)
from workers.web.api.improvement_views import ImprovementDetail, ImprovementList, detail_view, list_view
from workers.web.api.loop_views import ScopeGiven
from workers.web.api.notifications import ticket_id_of
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.parts import Parts

router = Resource("/improvements", "improvements")

USUAL = timedelta(days=31)
_Words = Annotated[str, Field(max_length=LONGEST)]


class PlanGiven(Given):
    """A measure and how it is verified."""

    measure: _Words = Field(description="改进措施", examples=["Tell how a refund goes within 24 hours"])
    kind: Literal["script", "knowledge", "cross_team", "tool", "training", "other"]
    cause: Literal["process", "people", "tool"] = Field(description="流程, 人员, 工具")
    department: str = Field(min_length=1, max_length=LONGEST_NAME)
    owner: str = Field(max_length=254, description="Number or mail address")
    due_at: Moment = Field(description="Until when it is carried out")
    cycle_days: int = Field(
        default=14, ge=1, le=MOST_CYCLE, description="验证周期: verified so many days later"
    )
    figure: str = Field(
        default="", max_length=48, description="What is compared before and after: a key of the catalogue"
    )
    scope: ScopeGiven = ScopeGiven()

    async def plan(self, uow: UnitOfWork) -> Plan:
        """The plan. Raises NotFound for its owner."""
        said = self.model_dump(include={"measure", "kind", "cause", "department", "cycle_days", "figure"})
        owner = await person_named(uow, self.owner)
        return Plan(**said, due_at=self.due_at, owner=owner, scope=self.scope.named())


class ImprovementGiven(PlanGiven):
    """A new improvement: about a ticket, or a follow-up, or a theme."""

    ticket: str | None = Field(default=None, max_length=24, description="Ticket number")
    followup: UUID | None = None
    theme: str = Field(default="", max_length=LONGEST_THEME)
    category: Category | None = None


class ReviewGiven(PlanGiven):
    """Why the last round was not met, and the measure of the next one."""

    report: _Words = Field(description="复盘报告")


class WordsGiven(Given):
    """What somebody says."""

    text: _Words = ""


class EvaluationGiven(Given):
    """Whether it was met: 已达标 or 未达标."""

    met: bool
    note: _Words = ""


class DueShown(BaseModel):
    """A measure that waits for its verdict, of an improvement or of a follow-up."""

    of: str = Field(examples=["improvement", "followup"])
    number: str = Field(description="The improvement's number; of a follow-up its ticket's")
    state: str
    round: int
    owner: str = Field(description="Name")
    due_at: datetime
    overdue: bool
    page: str = Field(description="Where the console shows it")


class DueList(BaseModel):
    """What is due first in front."""

    until: datetime
    items: list[DueShown]


@router.get("", summary="List improvements")
async def list_improvements(
    parts: Parts,
    calling: Calling,
    paging: Paged,
    state: ImprovementState | None = None,
    category: Category | None = None,
    cause: Literal["process", "people", "tool"] | None = None,
    owner: Annotated[str | None, Query(max_length=254, description="Number or mail address")] = None,
    ticket: Annotated[str | None, Query(max_length=24, description="Ticket number")] = None,
    followup: UUID | None = None,
) -> ImprovementList:
    """An agent sees those they own."""
    async with parts.workshop.read() as uow:
        person = await person_named(uow, owner) if owner else None
        kind = Kind(state, person.id if person else None, category, cause, followup_id=followup)
        query = improvements.matching(kind, await reader(uow, calling))
        if ticket is not None:
            query = query.where(Improvement.ticket_id == ticket_id_of(ticket))
        rows, cursor = await page_of(uow, query, Improvement.id, paging)
        return ImprovementList(items=await list_view(uow, rows), next_cursor=cursor)


@router.post("", status_code=201, summary="Open an improvement")
async def add(
    given: ImprovementGiven, parts: Parts, calling: Calling, response: Response
) -> ImprovementDetail:
    """Its owner hears when it is due and when it is to be verified."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        about: dict[str, Any] = {"theme": given.theme, "category": given.category}
        if given.ticket is not None:
            about["ticket"] = await ticket_by_number(uow, given.ticket)
        if given.followup is not None:
            about["followup"] = await uow.session.get(Followup, given.followup)
            if about["followup"] is None:
                raise NotFound("there is no such follow-up")
        row = await improvements.open_improvement(uow, by, await given.plan(uow), **about)
        response.headers["Location"] = f"/api/v1/improvements/{row.number}"
        return await detail_view(uow, row, by)


@router.get("/due", summary="List what is to be re-evaluated")
async def due(
    parts: Parts,
    calling: Calling,
    until: Annotated[Moment | None, Query(description="Default: in 31 days")] = None,
) -> DueList:
    """Improvements and measures of follow-ups whose verdict (or review report) is late, or due by `until`."""
    async with parts.workshop.read() as uow:
        await reader(uow, calling)
        last = until or uow.clock.now() + USUAL
        found = await improvements.reevaluations_due(uow, last)
    names = DueShown.model_fields
    return DueList(
        until=last, items=[DueShown(**{name: getattr(each, name) for name in names}) for each in found]
    )


@router.get("/{number}", summary="Look at an improvement")
async def look(number: str, parts: Parts, calling: Calling, response: Response) -> ImprovementDetail:
    """With its effect and its log; its version is the ETag."""
    async with parts.workshop.read() as uow:
        by = await reader(uow, calling)
        row = await improvements.improvement_by_number(uow, number, by)
        response.headers["ETag"] = etag(row.version)
        return await detail_view(uow, row, by)


@router.post("/{number}/progress", summary="Report progress")
async def progress(number: str, given: WordsGiven, parts: Parts, calling: Calling) -> ImprovementDetail:
    """Its owner, or who leads."""
    async with parts.workshop.begin() as uow:
        row, by = await _held(uow, number, calling)
        await improvements.report_progress(uow, row, by, given.text)
        return await detail_view(uow, row, by)


@router.post("/{number}/carried-out", summary="Say that it was carried out")
async def carried_out(number: str, given: WordsGiven, parts: Parts, calling: Calling) -> ImprovementDetail:
    """Its verification cycle begins now."""
    async with parts.workshop.begin() as uow:
        row, by = await _held(uow, number, calling)
        await improvements.carried_out(uow, row, by, given.text)
        return await detail_view(uow, row, by)


@router.post("/{number}/evaluate", summary="Evaluate")
async def evaluate(number: str, given: EvaluationGiven, parts: Parts, calling: Calling) -> ImprovementDetail:
    """已达标 ends it; 未达标 asks its owner for a review report by mail."""
    async with parts.workshop.begin() as uow:
        row, by = await _held(uow, number, calling)
        await improvements.evaluate(uow, row, by, met=given.met, words=given.note)
        return await detail_view(uow, row, by)


@router.post("/{number}/review", summary="Hand in the review report")
async def review(number: str, given: ReviewGiven, parts: Parts, calling: Calling) -> ImprovementDetail:
    """After 未达标: a new round begins with another measure."""
    async with parts.workshop.begin() as uow:
        row, by = await _held(uow, number, calling)
        await improvements.next_round(uow, row, by, given.report, await given.plan(uow))
        return await detail_view(uow, row, by)


@router.post("/{number}/withdraw", summary="Withdraw an improvement")
async def withdraw(number: str, given: WordsGiven, parts: Parts, calling: Calling) -> ImprovementDetail:
    """With a reason."""
    async with parts.workshop.begin() as uow:
        row, by = await _held(uow, number, calling)
        await improvements.withdraw(uow, row, by, given.text)
        return await detail_view(uow, row, by)


async def _held(uow: UnitOfWork, number: str, calling: Caller) -> tuple[Improvement, Staff]:
    by = await acting(uow, calling.staff)
    row = await improvements.improvement_by_number(uow, number, by, hold=True)
    check_version(row.version, calling.if_match)
    return row, by
