"""Tickets: open, list, look at, triage."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Query, Response
from pydantic import Field, model_validator
from sqlalchemy import ColumnElement, select

from models.people import Customer
from models.tickets import Ticket
from models.vocabulary import Category, Medium, Priority, TicketState
from workers import tickets
from workers.access import seen_by
from workers.core_fields import lacks_core
from workers.directory import Contact
from workers.errors import InvalidInput
from workers.people import describe_customer
from workers.tickets import Request
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import (
    Caller,
    Calling,
    Given,
    Paged,
    acting,
    acting_on,
    etag,
    is_agent,
    person_named,
    reader,
)
from workers.web.api.opening_once import open_once
from workers.web.api.resource import Resource
from workers.web.api.ticket_models import TicketList, TicketShown, TicketSummary
from workers.web.api.ticket_views import customers_by_ids, full_view, shown_ticket, staff_by_ids, summary_view
from workers.web.api.values import Moment
from workers.web.api.walking import page_walked
from workers.web.api.words import category_named, priority_named
from workers.web.parts import Parts

router = Resource("/tickets", "tickets")


class ContactGiven(Given):
    """Who asks: a mail address, a phone number, or the code of a known customer."""

    email: str | None = Field(default=None, max_length=254, examples=["li.na@example.com"])
    phone: str | None = Field(default=None, max_length=32, examples=["13800005678"])
    code: str | None = Field(default=None, max_length=24, examples=["C202405001"])
    name: str | None = Field(default=None, max_length=100, examples=["李娜"])

    @model_validator(mode="after")
    def _somebody(self) -> ContactGiven:
        if not (self.email or self.phone or self.code):
            raise ValueError("give email, phone or code")
        return self


class TicketGiven(Given):
    """A request as somebody took it down. It is received now: nothing is dated back."""

    contact: ContactGiven
    subject: str = Field(default="", max_length=500, examples=["结账页面无法付款"])
    description: str = Field(min_length=1, max_length=100_000, examples=["点击付款后页面报错 502"])
    background: str = Field(default="", max_length=20_000, examples=["昨晚升级之后"])
    occurred_at: Moment | None = Field(default=None, description="When the trouble began")
    priority: str | None = Field(
        default=None, description="Code, label or alias; default: the policy's", examples=["high", "紧急"]
    )
    category: str | None = Field(
        default=None, description="Code, label or alias", examples=["after_sales_technical", "技术故障"]
    )
    subkind: str | None = Field(default=None, max_length=24, examples=["software"])
    channel: Medium | None = Field(default=None, description="By what it came; default: by the contact")
    order_number: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$", examples=["SO-20240520-17"]
    )


class CustomerGiven(Given):
    """What triage finds out about the customer; null empties a field."""

    name: str | None = Field(default=None, max_length=100)
    group: str | None = Field(default=None, max_length=24)
    level: str | None = Field(default=None, max_length=24)
    industry: str | None = Field(default=None, max_length=64)
    preferred_channel: Medium | None = None


class Triage(Given):
    """What a person confirms or corrects."""

    priority: str | None = Field(default=None, examples=["urgent", "高"])
    category: str | None = Field(default=None, examples=["投诉类"])
    subkind: str | None = Field(default=None, max_length=24)
    further_categories: list[str] | None = Field(
        default=None, max_length=len(Category), description="All further ones from now on (row B3)"
    )
    occurred_at: Moment | None = Field(default=None, description="When the trouble began")
    background: str | None = Field(default=None, max_length=20_000, description="Scene and trigger")
    customer: CustomerGiven | None = None


@router.post("", status_code=201, summary="Open a ticket")
async def open_ticket(
    given: TicketGiven,
    parts: Parts,
    calling: Calling,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, description="The same key opens one ticket, however often sent"),
    ] = None,
) -> TicketShown:
    """201 with Location; a replay with the same Idempotency-Key gives the same ticket with 200."""
    number, new = await open_once(
        parts, idempotency_key, given.model_dump_json().encode(), lambda uow: _request(uow, given)
    )
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/api/v1/tickets/{number}"
    return await _answered(parts, number, response, calling)


def _request(uow: UnitOfWork, given: TicketGiven) -> Request:
    contact = given.contact
    by_contact = Medium.PHONE if contact.phone and not contact.email else Medium.EMAIL
    return Request(
        contact=Contact(email=contact.email, phone=contact.phone, name=contact.name, code=contact.code),
        channel=given.channel or by_contact,
        subject=given.subject,
        description=given.description,
        background=given.background,
        occurred_at=given.occurred_at,
        received_at=uow.clock.now(),
        priority=priority_named(uow, given.priority),
        category=category_named(uow, given.category),
        subkind=given.subkind,
        order_number=given.order_number,
    )


@router.get("", summary="List tickets")
async def list_tickets(
    parts: Parts,
    calling: Calling,
    paging: Paged,
    state: Annotated[list[TicketState] | None, Query()] = None,
    priority: Annotated[list[Priority] | None, Query()] = None,
    category: Annotated[str | None, Query(description="Code, label or alias")] = None,
    handler: Annotated[str | None, Query(description="Staff number or mail address")] = None,
    attention: Annotated[bool | None, Query(description="关注项")] = None,
    needs_triage: Annotated[
        bool | None, Query(description="Whether core fields lack that are needed before the result")
    ] = None,
    customer: Annotated[str | None, Query(description="Customer code")] = None,
    received_from: Annotated[Moment | None, Query(description="Inclusive")] = None,
    received_to: Annotated[Moment | None, Query(description="Exclusive")] = None,
) -> TicketList:
    """Newest first. An acting agent sees only their own (row A11).

    By a condition other than handler and customer, a page looks through 20,000 tickets and may be short or
    empty: go on while there is a `next_cursor`.
    """
    async with parts.workshop.read() as uow:
        query = select(Ticket)
        by = await acting(uow, calling.staff) if calling.staff else None
        if by is not None:
            query = query.where(seen_by(by))
        if handler is not None:
            query = query.where(Ticket.handler_id == (await person_named(uow, handler)).id)
        if customer is not None:
            code = select(Customer.id).where(Customer.code == customer.strip())
            query = query.where(Ticket.customer_id == code.scalar_subquery())
        conditions: list[Any] = [
            Ticket.state.in_(state) if state else None,
            Ticket.priority.in_(priority) if priority else None,
            Ticket.category == category_named(uow, category) if category is not None else None,
            Ticket.attention.is_(attention) if attention is not None else None,
            _triage(uow, needs_triage) if needs_triage is not None else None,
            Ticket.received_at >= received_from if received_from else None,
            Ticket.received_at < received_to if received_to else None,
        ]
        query = query.where(*(each for each in conditions if each is not None))
        led_to = handler or customer or received_from or received_to or is_agent(by)
        walked = any(each is not None for each in conditions) and not led_to
        rows, cursor = await page_walked(uow, query, Ticket, paging, walked=walked)
        items = await _summaries(uow, rows)
    return TicketList(items=items, next_cursor=cursor)


def _triage(uow: UnitOfWork, wanted: bool) -> ColumnElement[bool]:
    lacking = lacks_core(uow.policy)
    return lacking if wanted else ~lacking


async def _summaries(uow: UnitOfWork, rows: list[Ticket]) -> list[TicketSummary]:
    """A handful of queries for the whole page, however long."""
    handlers = await staff_by_ids(uow, [row.handler_id for row in rows])
    customers = await customers_by_ids(uow, [row.customer_id for row in rows])
    await uow.vault.warm(uow.session, [row.data_key_id for row in rows])
    return [
        await summary_view(
            uow, row, customers[row.customer_id], handlers.get(row.handler_id) if row.handler_id else None
        )
        for row in rows
    ]


@router.get("/{number}", summary="Look at a ticket")
async def get_ticket(number: str, parts: Parts, calling: Calling, response: Response) -> TicketShown:
    """All of it, masked; its version is the ETag. 403 when an acting agent does not handle it (row A11).

    Agents, and whoever is rated, get neither lines nor clocks that tell of scores and the cases behind them.
    """
    async with parts.workshop.read() as uow:
        ticket = await tickets.ticket_by_number(uow, number, hold=False)
        shown = await full_view(uow, ticket, await reader(uow, calling))
    response.headers["ETag"] = etag(shown.version)
    return shown


@router.patch("/{number}", summary="Triage")
async def triage(
    number: str, given: Triage, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """Confirm or correct priority, category and kind (deadlines are re-planned); describe the customer."""
    if not given.model_fields_set:
        raise InvalidInput("there is nothing to change")
    async with acting_on(parts, number, calling) as act:
        if given.customer is not None:
            details = given.customer.model_dump(exclude_unset=True)
            await describe_customer(act.uow, act.ticket, act.by, details)
            if "level" in details:
                await tickets.follow_case(act.uow, act.ticket, "customer_level")
        if given.model_fields_set & {"priority", "category", "subkind"}:
            await tickets.triage(
                act.uow,
                act.ticket,
                act.by,
                priority=priority_named(act.uow, given.priority),
                category=category_named(act.uow, given.category),
                subkind=given.subkind,
            )
        if given.model_fields_set - {"customer"}:
            await tickets.complete(
                act.uow,
                act.ticket,
                act.by,
                further=_categories(act.uow, given.further_categories),
                occurred_at=given.occurred_at,
                background=given.background,
            )
    return await _answered(parts, number, response, calling)


def _categories(uow: UnitOfWork, words: list[str] | None) -> list[Category] | None:
    found = None if words is None else [category_named(uow, each) for each in words]
    return None if found is None else [each for each in found if each is not None]


async def _answered(parts: Parts, number: str, response: Response, calling: Caller) -> TicketShown:
    shown = await shown_ticket(parts, number, calling)
    response.headers["ETag"] = etag(shown.version)
    return shown
