"""The second follow-up 二次跟进 of a low score: owner, contacts, measure, re-evaluation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from models.people import Staff
from models.surveys import Followup, Survey
from models.tickets import Ticket, TicketEntry
from models.vocabulary import FollowupState, Role
from workers import followups
from workers.errors import NotFound
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
)
from workers.web.api.notifications import ticket_id_of, ticket_numbers
from workers.web.api.ticket_models import EntryShown
from workers.web.api.ticket_views import log_view, staff_by_ids
from workers.web.api.values import Moment
from workers.web.parts import Parts, WebParts

router = APIRouter(prefix="/followups", tags=["followups"])

WORDS = 20_000
COPIED = "id version state round opened_at start_by started_at cause term department due_at evaluated_at"


class FollowupShown(BaseModel):
    """One case."""

    id: UUID
    version: int
    ticket: str | None
    state: FollowupState
    round: int
    owner: str | None = Field(description="Staff number")
    opened_at: datetime
    start_by: datetime = Field(description="The first contact must reach the customer by then (48 h)")
    started_at: datetime | None
    started_in_time: bool | None = Field(description="null while it has not started")
    cause: str | None = Field(description="process 流程, people 人员 or tool 工具")
    term: str | None
    department: str | None
    due_at: datetime | None
    evaluated_at: datetime | None


class FollowupDetail(FollowupShown):
    """A case with its scores and its log."""

    scores: dict[str, int] | None = Field(description="null for the member of staff who was rated")
    log: list[EntryShown]


class FollowupList(Page):
    """Cases, newest first."""

    items: list[FollowupShown]


class Owner(Given):
    """Who calls back."""

    staff: str = Field(description="Number or mail address", examples=["CS002"])


class Contact(Given):
    """A call or message to the customer."""

    text: str = Field(max_length=WORDS, description="What was said or tried")
    reached: bool = Field(description="Only a contact that reached the customer starts the follow-up")


class Measure(Given):
    """What is changed so that it does not happen again (row D8)."""

    cause: Literal["process", "people", "tool"]
    measure: str = Field(max_length=WORDS, description="改进措施")
    term: Literal["short", "long"]
    department: str = Field(min_length=1, max_length=64)
    due_at: Moment


class Evaluation(Given):
    """Whether the measure worked: 已达标 or 未达标."""

    met: bool
    note: str = Field(default="", max_length=WORDS)
    review_report: str = Field(default="", max_length=WORDS, description="Needed when it was not met")


@router.get("", summary="List follow-ups")
async def list_followups(
    parts: Parts,
    paging: Paged,
    state: Annotated[list[FollowupState] | None, Query()] = None,
    owner: Annotated[str | None, Query(description="Staff number or mail address")] = None,
    ticket: Annotated[str | None, Query(description="Ticket number")] = None,
) -> FollowupList:
    """Newest first."""
    async with parts.workshop.read() as uow:
        query = select(Followup)
        if state:
            query = query.where(Followup.state.in_(state))
        if owner is not None:
            query = query.where(Followup.owner_id == (await person_named(uow, owner)).id)
        if ticket is not None:
            query = query.where(Followup.ticket_id == ticket_id_of(ticket))
        rows, cursor = await page_of(uow, query, Followup.id, paging)
        items = await _shown(uow, rows)
    return FollowupList(items=items, next_cursor=cursor)


@router.get("/{ident}", summary="Look at a follow-up")
async def get_followup(ident: UUID, parts: Parts, calling: Calling, response: Response) -> FollowupDetail:
    """With its own lines of the ticket's log; its version is the ETag."""
    return await _detail(parts, ident, calling, response)


@router.post("/{ident}/owner", summary="Name the owner")
async def name_owner(
    ident: UUID, given: Owner, parts: Parts, calling: Calling, response: Response
) -> FollowupDetail:
    """The supervisor names the person who calls back (row B10)."""
    async with _acting_on(parts, ident, calling) as act:
        owner = await person_named(act.uow, given.staff)
        await followups.name_owner(act.uow, act.followup, act.ticket, owner, act.by)
    return await _detail(parts, ident, calling, response)


@router.post("/{ident}/contact", summary="Log a contact")
async def contact(
    ident: UUID, given: Contact, parts: Parts, calling: Calling, response: Response
) -> FollowupDetail:
    """The first one that reached the customer starts the follow-up, now."""
    async with _acting_on(parts, ident, calling) as act:
        await followups.record_contact(
            act.uow, act.followup, act.ticket, act.by, given.text, reached=given.reached
        )
    return await _detail(parts, ident, calling, response)


@router.post("/{ident}/measure", summary="Set the measure")
async def measure(
    ident: UUID, given: Measure, parts: Parts, calling: Calling, response: Response
) -> FollowupDetail:
    """After the customer was reached; the state becomes to_verify 待验证."""
    async with _acting_on(parts, ident, calling) as act:
        await followups.set_measure(act.uow, act.followup, act.ticket, act.by, **given.model_dump())
    return await _detail(parts, ident, calling, response)


@router.post("/{ident}/evaluate", summary="Re-evaluate")
async def evaluate(
    ident: UUID, given: Evaluation, parts: Parts, calling: Calling, response: Response
) -> FollowupDetail:
    """已达标 ends the case; 未达标 needs a review report and begins a new round."""
    async with _acting_on(parts, ident, calling) as act:
        await followups.evaluate(act.uow, act.followup, act.ticket, act.by, **given.model_dump())
    return await _detail(parts, ident, calling, response)


@dataclass(frozen=True, slots=True)
class _Act:
    uow: UnitOfWork
    followup: Followup
    ticket: Ticket
    by: Staff


@asynccontextmanager
async def _acting_on(parts: WebParts, ident: UUID, calling: Caller) -> AsyncIterator[_Act]:
    async with parts.workshop.begin() as uow:
        followup, ticket = await followups.followup_by_id(uow, ident)
        check_version(followup.version, calling.if_match)
        yield _Act(uow, followup, ticket, await acting(uow, calling.staff))


async def _detail(parts: WebParts, ident: UUID, calling: Caller, response: Response) -> FollowupDetail:
    async with parts.workshop.read() as uow:
        row = await uow.session.get(Followup, ident)
        if row is None:
            raise NotFound("there is no such follow-up")
        by = await acting(uow, calling.staff) if calling.staff else None
        rated = await uow.session.scalar(select(Survey.staff_id).where(Survey.id == row.survey_id))
        hidden = by is not None and by.id == rated and by.role is not Role.ADMINISTRATOR
        ticket = await uow.session.get_one(Ticket, row.ticket_id)
        entries = await uow.session.scalars(
            select(TicketEntry).where(TicketEntry.followup_id == ident).order_by(TicketEntry.id)
        )
        log = await log_view(uow, ticket, list(entries))
        (shown,) = await _shown(uow, [row])
    response.headers["ETag"] = etag(row.version)
    return FollowupDetail(**shown.model_dump(), scores=None if hidden else dict(row.scores), log=log)


async def _shown(uow: UnitOfWork, rows: list[Followup]) -> list[FollowupShown]:
    staff = await staff_by_ids(uow, [row.owner_id for row in rows])
    numbers = await ticket_numbers(uow, [row.ticket_id for row in rows])
    return [
        FollowupShown(
            **picked(row, COPIED),
            ticket=numbers.get(row.ticket_id),
            owner=staff[row.owner_id].number if row.owner_id else None,
            started_in_time=row.started_at <= row.start_by if row.started_at else None,
        )
        for row in rows
    ]
