"""The second follow-up 二次跟进 of a low score: owner, contacts, measure, re-evaluation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field
from sqlalchemy import not_, or_, select

from models.people import Customer, Staff, Team
from models.surveys import Followup
from models.tickets import Ticket
from models.vocabulary import FollowupState
from workers import followups
from workers.access import seen_rows
from workers.errors import NotFound
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
from workers.web.api.followup_views import FollowupDetail, FollowupList, detail_view, list_view
from workers.web.api.notifications import ticket_id_of
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.parts import Parts, WebParts

router = Resource("/followups", "followups")

WORDS = 20_000


class Owner(Given):
    """Who calls back."""

    staff: str = Field(description="Number or mail address", examples=["CS002"])


class Contact(Given):
    """A call or message to the customer."""

    text: str = Field(max_length=WORDS, description="What was said or tried")
    reached: bool = Field(description="Only a contact that reached the customer starts the follow-up")
    suggestions: str = Field(
        default="", max_length=WORDS, description="What the customer would have us do better"
    )


class Measure(Given):
    """What is changed so that it does not happen again (row D8)."""

    cause: Literal["process", "people", "tool"]
    measure: str = Field(max_length=WORDS, description="改进措施")
    term: Literal["short", "long"]
    department: str = Field(min_length=1, max_length=64)
    due_at: Moment = Field(description="Until when the measure is evaluated")
    owner: str | None = Field(
        default=None, description="Who answers for the measure, by number or address; else the case's owner"
    )


class Evaluation(Given):
    """Whether the measure worked: 已达标 or 未达标."""

    met: bool
    note: str = Field(default="", max_length=WORDS)
    review_report: str = Field(default="", max_length=WORDS, description="Needed when it was not met")
    next_due_at: Moment | None = Field(
        default=None, description="When not met: until when the next measure is set; else as the policy says"
    )


@router.get("", summary="List follow-ups")
async def list_followups(
    parts: Parts,
    calling: Calling,
    paging: Paged,
    state: Annotated[list[FollowupState] | None, Query()] = None,
    owner: Annotated[str | None, Query(description="Staff number or mail address")] = None,
    ticket: Annotated[str | None, Query(description="Ticket number")] = None,
    team: Annotated[str | None, Query(description="Name of the ticket's team")] = None,
    customer: Annotated[str | None, Query(description="Customer code")] = None,
    overdue: bool | None = None,
) -> FollowupList:
    """Newest first; all filters must fit. `owner` is that of the case or of its measure.

    An agent sees the cases that they have in hand themselves (row A11).
    """
    async with parts.workshop.read() as uow:
        query = select(Followup).where(seen_rows(await reader(uow, calling), Followup))
        if state:
            query = query.where(Followup.state.in_(state))
        if owner is not None:
            person = await person_named(uow, owner)
            query = query.where(or_(Followup.owner_id == person.id, Followup.measure_owner_id == person.id))
        if ticket is not None:
            query = query.where(Followup.ticket_id == ticket_id_of(ticket))
        if team is not None:
            of_team = select(Ticket.id).join(Team, Team.id == Ticket.team_id).where(Team.name == team)
            query = query.where(Followup.ticket_id.in_(of_team))
        if customer is not None:
            coded = select(Customer.id).where(Customer.code == customer)
            query = query.where(Followup.customer_id.in_(coded))
        if overdue is not None:
            late = followups.overdue_at(uow.clock.now())
            query = query.where(late if overdue else not_(late))
        rows, cursor = await page_of(uow, query, Followup.id, paging)
        items = await list_view(uow, rows)
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
            act.uow,
            act.followup,
            act.ticket,
            act.by,
            given.text,
            reached=given.reached,
            suggestions=given.suggestions,
        )
    return await _detail(parts, ident, calling, response)


@router.post("/{ident}/measure", summary="Set the measure")
async def measure(
    ident: UUID, given: Measure, parts: Parts, calling: Calling, response: Response
) -> FollowupDetail:
    """After the customer was reached; the state becomes to_verify 待验证."""
    async with _acting_on(parts, ident, calling) as act:
        owner = await person_named(act.uow, given.owner) if given.owner else None
        said = given.model_dump(exclude={"owner"})
        await followups.set_measure(act.uow, act.followup, act.ticket, act.by, **said, owner=owner)
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
        shown = await detail_view(uow, row, by)
    response.headers["ETag"] = etag(shown.version)
    return shown
