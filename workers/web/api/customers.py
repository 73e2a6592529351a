"""The customer master: looked up, entered, changed, merged; always as code and mask (row A2)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import func, select

from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import Medium, Role, TicketState
from workers import customers
from workers.customers import CustomerGiven, Wanted
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import (
    Calling,
    Given,
    Page,
    Paged,
    acting,
    check_version,
    etag,
    page_of,
    reader,
)
from workers.web.api.resource import Resource
from workers.web.api.ticket_models import CustomerShown
from workers.web.api.ticket_views import customer_view
from workers.web.parts import Parts

router = Resource("/customers", "customers")

LATEST = 20
Order = Annotated[str, Field(max_length=64)]


class CustomerLine(BaseModel):
    """A line of a customer's history: which fields, never what a contact was."""

    at: datetime
    kind: str = Field(description="added, changed, merged or unmerged")
    by: str | None = Field(description="Staff number; null: a system")
    facts: dict[str, Any]


class CustomerDetail(CustomerShown):
    """A customer and what they have asked."""

    version: int
    created_at: datetime
    locale: str | None
    orders: list[str] = Field(description="Order numbers entered in the master")
    merged_into: str | None = Field(description="Code of the customer that this one proved to be")
    tickets: int = Field(description="All requests so far")
    open_tickets: int
    latest_tickets: list[str] = Field(description="Numbers, newest first, at most 20")
    history: list[CustomerLine] = Field(description="Newest first; empty for agents")


class CustomerList(Page):
    """Customers, newest first."""

    items: list[CustomerShown]


class CustomerChanged(Given):
    """What is to be other; null takes a value away."""

    name: str | None = Field(default=None, max_length=64)
    email: str | None = Field(default=None, max_length=254)
    phone: str | None = Field(default=None, max_length=32)
    group: str | None = Field(default=None, max_length=24, examples=["高价值"])
    level: str | None = Field(default=None, max_length=24, examples=["vip"])
    industry: str | None = Field(default=None, max_length=64)
    preferred_channel: Medium | None = None
    locale: str | None = Field(default=None, max_length=12, examples=["zh_CN"])
    orders: list[Order] | None = Field(default=None, max_length=1000, description="All order numbers")


class CustomerNew(CustomerChanged):
    """A new customer; a mail address or a phone number is needed."""


class Merging(Given):
    """This customer and another are the same one."""

    other: str = Field(max_length=24, description="Code of the one that is merged into this")
    reason: str = Field(min_length=1, max_length=240)


class Unmerging(Given):
    """They are two after all."""

    reason: str = Field(min_length=1, max_length=240)


@router.get("", summary="List customers")
async def list_customers(
    parts: Parts,
    calling: Calling,
    paging: Paged,
    contact: Annotated[
        str | None, Query(max_length=254, description="Full mail address or phone number; by keyed hash")
    ] = None,
    order: Annotated[str | None, Query(max_length=64, description="Order number, exactly")] = None,
    group: Annotated[str | None, Query(max_length=24)] = None,
    level: Annotated[str | None, Query(max_length=24)] = None,
    industry: Annotated[str | None, Query(max_length=64)] = None,
    preferred_channel: Medium | None = None,
    merged: Annotated[bool, Query(description="Also those that were merged into others")] = False,
) -> CustomerList:
    """Newest first; all filters must fit. An agent sees those whose tickets they handle (row A11)."""
    wanted = Wanted(
        contact=contact,
        order=order,
        group=group,
        level=level,
        industry=industry,
        preferred_channel=preferred_channel,
        merged=merged,
    )
    async with parts.workshop.read() as uow:
        query = customers.matching(uow, wanted, await reader(uow, calling))
        rows, cursor = await page_of(uow, query, Customer.id, paging)
    return CustomerList(items=[customer_view(row) for row in rows], next_cursor=cursor)


@router.post("", status_code=201, summary="Enter a customer")
async def add(given: CustomerNew, parts: Parts, calling: Calling, response: Response) -> CustomerDetail:
    """409 when a contact or an order number is another customer's."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        said = given.model_dump(exclude_none=True)
        row = await customers.add_customer(
            uow, CustomerGiven(**{**said, "orders": tuple(said.get("orders", ()))}), by
        )
        code = row.code
    response.headers["Location"] = f"/api/v1/customers/{code}"
    return await _answered(parts, code, by, response)


@router.get("/{code}", summary="Look at a customer")
async def get_customer(code: str, parts: Parts, calling: Calling, response: Response) -> CustomerDetail:
    """Masked; the full contact never leaves by this API (row A2). Its version is the ETag."""
    async with parts.workshop.read() as uow:
        by = await reader(uow, calling)
    return await _answered(parts, code, by, response)


@router.patch("/{code}", summary="Change a customer")
async def change(
    code: str, given: CustomerChanged, parts: Parts, calling: Calling, response: Response
) -> CustomerDetail:
    """A new level or group re-plans the clocks of open tickets; their logs say why."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        row = await customers.customer_by_code(uow, code, hold=True)
        check_version(row.version, calling.if_match)
        await customers.change_customer(uow, row, given.model_dump(exclude_unset=True), by)
    return await _answered(parts, code, by, response)


@router.post("/{code}/merge", summary="Two customers are one")
async def merge(
    code: str, given: Merging, parts: Parts, calling: Calling, response: Response
) -> CustomerDetail:
    """Requests, records, ratings and orders of `other` become this one's; its contacts lead here from now on.

    What this one lacks it gets from the other. It can be undone.
    """
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        kept = await customers.customer_by_code(uow, code)
        check_version(kept.version, calling.if_match)
        gone = await customers.customer_by_code(uow, given.other)
        await customers.merge(uow, kept, gone, by, given.reason)
    return await _answered(parts, code, by, response)


@router.post("/{code}/unmerge", summary="They are two after all")
async def unmerge(
    code: str, given: Unmerging, parts: Parts, calling: Calling, response: Response
) -> CustomerDetail:
    """`code` is that of the one that was merged; what was theirs before is theirs again."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        gone = await customers.customer_by_code(uow, code)
        await customers.unmerge(uow, gone, by, given.reason)
    return await _answered(parts, code, by, response)


async def _answered(parts: Parts, code: str, by: Staff | None, response: Response) -> CustomerDetail:
    async with parts.workshop.read() as uow:
        row = await customers.customer_by_code(uow, code)
        shown = await customer_detail(uow, row, by)
    response.headers["ETag"] = etag(shown.version)
    return shown


async def customer_detail(uow: UnitOfWork, row: Customer, by: Staff | None) -> CustomerDetail:
    """All that is shown of a customer; an agent gets numbers of their own tickets only, and no history."""
    agent = by is not None and by.role is Role.AGENT
    whose = (Ticket.customer_id == row.id,)
    states = await uow.session.execute(
        select(Ticket.state, func.count()).where(*whose).group_by(Ticket.state)
    )
    counts: dict[TicketState, int] = dict(states.all())
    latest = select(Ticket.number).where(*whose).order_by(Ticket.id.desc()).limit(LATEST)
    if agent and by is not None:
        latest = latest.where(Ticket.handler_id == by.id)
    story = [] if agent else await customers.story_of(uow, row)
    into = await uow.session.get(Customer, row.merged_into_id) if row.merged_into_id else None
    return CustomerDetail(
        **customer_view(row).model_dump(),
        version=row.version,
        created_at=row.created_at,
        locale=row.locale,
        orders=await customers.orders_of(uow, row),
        merged_into=into.code if into else None,
        tickets=sum(counts.values()),
        open_tickets=sum(count for state, count in counts.items() if state is not TicketState.CLOSED),
        latest_tickets=list(await uow.session.scalars(latest)),
        history=[
            CustomerLine(at=line.at, kind=line.kind, by=number, facts=line.facts) for line, number in story
        ],
    )
