"""Two tickets become one, and one becomes two; remarks that only staff read."""

from __future__ import annotations

from uuid import UUID

from fastapi import Response
from pydantic import Field

from workers import tickets
from workers.web.api.common import Calling, Given, acting, acting_on, check_version
from workers.web.api.resource import Resource
from workers.web.api.ticket_actions import WORDS, answered
from workers.web.api.ticket_models import TicketShown
from workers.web.parts import Parts

router = Resource("/tickets/{number}", "tickets")


class Merging(Given):
    """Which ticket this one goes on in."""

    into: str = Field(max_length=24, description="Number of the earlier one", examples=["CS202405200001"])
    note: str = Field(default="", max_length=WORDS)


class Unmerging(Given):
    """Why they are two after all."""

    note: str = Field(default="", max_length=WORDS)


class Splitting(Given):
    """Which message becomes a ticket of its own."""

    entry: UUID = Field(description="Id of a line `customer_wrote` in the log")
    subject: str = Field(default="", max_length=100)


class Remark(Given):
    """备注."""

    text: str = Field(max_length=WORDS)


@router.post("/merge", summary="Merge into another ticket")
async def merge(
    number: str, given: Merging, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """This ticket, the later one, closes and goes on in the earlier one of the same customer.

    Its clocks end, what the customer writes from now on goes to the other one. 409 unless both are open
    requests of one customer, this one without a result.
    """
    async with parts.workshop.begin() as uow:
        await tickets.hold_two(uow, number, given.into)
        ticket = await tickets.ticket_by_number(uow, number)
        check_version(ticket.version, calling.if_match)
        into = await tickets.ticket_by_number(uow, given.into)
        await tickets.merge(uow, ticket, into, await acting(uow, calling.staff), given.note)
    return await answered(parts, number, response, calling)


@router.post("/merge/undo", summary="Undo a merge")
async def undo_merge(
    number: str, parts: Parts, calling: Calling, response: Response, given: Unmerging | None = None
) -> TicketShown:
    """It stands where it stood, its clocks as if they had never stopped."""
    async with acting_on(parts, number, calling) as act:
        await tickets.undo_merge(act.uow, act.ticket, act.by, given.note if given else "")
    return await answered(parts, number, response, calling)


@router.post("/split", status_code=201, summary="Make a ticket of a message")
async def split(
    number: str, given: Splitting, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """The new ticket, received when the message came in; Location is its address."""
    async with acting_on(parts, number, calling) as act:
        made = await tickets.split(act.uow, act.ticket, given.entry, act.by, given.subject)
    response.headers["Location"] = f"/api/v1/tickets/{made.number}"
    return await answered(parts, made.number, response, calling)


@router.post("/note", summary="Add a remark")
async def note(number: str, given: Remark, parts: Parts, calling: Calling, response: Response) -> TicketShown:
    """Only staff read it."""
    async with acting_on(parts, number, calling) as act:
        await tickets.note(act.uow, act.ticket, act.by, given.text)
    return await answered(parts, number, response, calling)
