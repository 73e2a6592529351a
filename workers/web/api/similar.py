"""What is like a ticket, and passing it on to the customer in one step (row E8)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from models.people import Staff
from models.tickets import Ticket
from workers import knowledge
from workers.search import similar
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Calling, Given, acting, acting_on
from workers.web.api.knowledge import EntryShown, entry_view
from workers.web.api.resource import Resource
from workers.web.api.search_views import FoundShown, shown
from workers.web.api.ticket_actions import WORDS, answered
from workers.web.api.ticket_models import TicketShown
from workers.web.pages import page_locale
from workers.web.parts import Parts

router = Resource("/tickets/{number}", "knowledge")

MOST = 10


class SimilarShown(FoundShown):
    """Something like the ticket."""

    same_category: bool
    shared_words: int = Field(description="How many rare words both hold")


class SimilarList(BaseModel):
    """Entries first, then solved tickets; within each those of the ticket's own category first."""

    items: list[SimilarShown]


class PassedOn(Given):
    """What is passed on."""

    source: str = Field(
        max_length=24, description="An entry's or a solved ticket's number", examples=["KB0001"]
    )
    text: str | None = Field(
        default=None,
        max_length=WORDS,
        description="The words as you have changed them; default: as previewed",
    )


class PassOnPreview(BaseModel):
    """What the customer would read."""

    source: str
    text: str
    locale: str = Field(description="The customer's language, or the other one when there are no words in it")
    channel: str = Field(description="Empty when the customer can only be rung up")
    to: str = Field(description="Masked", examples=["l***@example.com"])


class Drafting(Given):
    """A draft is made of the ticket's result."""

    product: str = Field(default="", max_length=64)


async def similar_shown(
    uow: UnitOfWork, ticket: Ticket, reader: Staff | None, locale: str, most: int = 5
) -> list[SimilarShown]:
    """What is like a ticket, as pages and API show it."""
    alike = await similar(uow, ticket, reader, most)
    lines = await shown(uow, [each.found for each in alike], locale)
    return [
        SimilarShown(**line.model_dump(), same_category=each.same_category, shared_words=each.shared)
        for line, each in zip(lines, alike, strict=True)
    ]


@router.get("/similar", summary="Similar solved tickets and knowledge entries")
async def look(
    number: str,
    request: Request,
    parts: Parts,
    calling: Calling,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Of each kind")] = 5,
) -> SimilarList:
    """By the rare words they share. An agent gets solved tickets of their own only (row A11)."""
    async with parts.workshop.read() as uow:
        ticket = await ticket_by_number(uow, number, hold=False)
        reader = await acting(uow, calling.staff) if calling.staff else None
        return SimilarList(items=await similar_shown(uow, ticket, reader, page_locale(request), limit))


@router.get("/pass-on", summary="Preview what would be passed on")
async def preview(
    number: str, parts: Parts, calling: Calling, source: Annotated[str, Query(max_length=24)]
) -> PassOnPreview:
    """The words of an entry (KB…) or of a solved ticket (CS…) in the customer's language."""
    async with parts.workshop.read() as uow:
        ticket = await ticket_by_number(uow, number, hold=False)
        ready = await knowledge.prepare(uow, ticket, await acting(uow, calling.staff), source)
    return PassOnPreview(
        source=ready.source, text=ready.text, locale=ready.locale, channel=ready.channel, to=ready.to
    )


@router.post("/pass-on", summary="Pass an entry or a result on to the customer")
async def pass_on(
    number: str, given: PassedOn, parts: Parts, calling: Calling, response: Response
) -> TicketShown:
    """It goes as your answer, after the same hold; it may be the first response as any answer may."""
    async with acting_on(parts, number, calling) as act:
        await knowledge.pass_on(act.uow, act.ticket, act.by, given.source, given.text)
    return await answered(parts, number, response, calling)


@router.post("/knowledge", status_code=201, summary="Write a solution up")
async def draft(
    number: str, request: Request, parts: Parts, calling: Calling, given: Drafting | None = None
) -> EntryShown:
    """A draft with the masked case; its author is reminded after 20 hours, who leads them after 24."""
    async with acting_on(parts, number, calling) as act:
        entry = await knowledge.draft_of(act.uow, act.ticket, act.by, given.product if given else "")
        return await entry_view(act.uow, entry, act.by)
