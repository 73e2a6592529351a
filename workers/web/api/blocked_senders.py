"""Whose new mails and SMS are no requests; staff add to it and lift. Addresses are kept as keyed hashes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from models.intake import BlockedSender
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import NoRequest
from workers.errors import Conflict, NotFound
from workers.senders import block, lift, sender_of, standing
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Calling, Given, Page, Paged, acting, page_of, picked
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.parts import Parts

router = Resource("/blocked-senders", "blocked senders")


class WhyUnblocked(StrEnum):
    """Why requests are taken from a sender again."""

    MISTAKE = "mistake"
    CUSTOMER = "customer"
    NO_MORE_TROUBLE = "no_more_trouble"


class BlockShown(BaseModel):
    """One blocked address or domain."""

    id: UUID
    sender: str = Field(description="Masked address, or the domain", examples=["s***@ads.example"])
    scope: str = Field(description="address or domain")
    reason: str = Field(examples=["advertisement"])
    since: datetime
    until: datetime | None = Field(description="null: until it is lifted")
    stands: bool = Field(description="Neither lifted nor over")
    made_by: str | None = Field(description="Staff number")
    ticket: str | None = Field(description="The ticket by which staff came to it")
    lifted_at: datetime | None
    lifted_by: str | None = Field(description="Staff number; null: by time")
    lift_reason: str | None


class BlockList(Page):
    """Blocked senders, newest first."""

    items: list[BlockShown]


class BlockGiven(Given):
    """Whose mails are no requests from now on."""

    sender: str = Field(
        max_length=254,
        description="Mail address, phone number, or `@domain` (with all below it)",
        examples=["offers@ads.example", "@ads.example"],
    )
    reason: NoRequest = NoRequest.ADVERTISEMENT
    until: Moment | None = None


@router.get("", summary="List blocked senders")
async def list_blocks(
    parts: Parts,
    paging: Paged,
    sender: Annotated[
        str | None, Query(description="Full address, phone number or @domain; looked up by keyed hash")
    ] = None,
    history: Annotated[bool, Query(description="Also those lifted or over")] = False,
) -> BlockList:
    """Newest first; those that stand, unless `history` is asked for."""
    async with parts.workshop.read() as uow:
        query = select(BlockedSender)
        if sender is not None:
            query = query.where(BlockedSender.sender_hash == sender_of(uow, sender).hashed)
        if not history:
            query = query.where(*standing(uow))
        rows, cursor = await page_of(uow, query, BlockedSender.id, paging)
        items = [await _shown(uow, row) for row in rows]
    return BlockList(items=items, next_cursor=cursor)


@router.post("", status_code=201, summary="Block a sender")
async def add_block(given: BlockGiven, parts: Parts, calling: Calling) -> BlockShown:
    """New mails and SMS from there become `blocked` events; who has an open ticket still reaches it.

    409 for ourselves, staff and mail services that anybody uses, 403 for a whole domain by an agent.
    """
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        row = await block(uow, given.sender, given.reason.value, by=by, until=given.until)
        if row is None:
            raise Conflict("this sender is blocked already")
        return await _shown(uow, row)


@router.delete("/{ident}", summary="Lift a block")
async def lift_block(
    ident: UUID,
    parts: Parts,
    calling: Calling,
    reason: Annotated[WhyUnblocked, Query(description="Stands in the log")],
) -> BlockShown:
    """Requests from there are taken again; the row stays as history."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        row = await uow.session.get(BlockedSender, ident)
        if row is None:
            raise NotFound("there is no such block")
        await lift(uow, row, reason.value, by=by)
        return await _shown(uow, row)


async def _shown(uow: UnitOfWork, row: BlockedSender) -> BlockShown:
    now = uow.clock.now()
    ticket = await uow.session.get(Ticket, row.ticket_id) if row.ticket_id else None
    return BlockShown(
        **picked(row, "id scope reason until lifted_at lift_reason"),
        sender=row.shown,
        since=row.created_at,
        stands=row.lifted_at is None and (row.until is None or row.until > now),
        made_by=await _number(uow, row.made_by),
        ticket=ticket.number if ticket else None,
        lifted_by=await _number(uow, row.lifted_by),
    )


async def _number(uow: UnitOfWork, ident: UUID | None) -> str | None:
    person = await uow.session.get(Staff, ident) if ident else None
    return person.number if person else None
