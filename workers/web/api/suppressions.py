"""Who must not be written to and why; staff may add to it and lift. Addresses are kept as keyed hashes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import select

from models.notifications import Suppression
from models.people import Staff
from models.vocabulary import Medium
from workers.directory import normal_email, normal_phone, region_of, staff_by_email
from workers.errors import Conflict, InvalidInput, NotFound
from workers.suppressions import lift, standing, suppress
from workers.text import mask_contact
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Calling, Given, Page, Paged, acting, page_of, picked
from workers.web.api.resource import Resource
from workers.web.parts import Parts

router = Resource("/suppressions", "suppressions")


class ReasonGiven(StrEnum):
    """Why staff hold an address back; the other reasons come from what happened."""

    BLOCKED_BY_STAFF = "blocked_by_staff"
    OPTED_OUT = "opted_out"
    COMPLAINT = "complaint"
    STOP = "stop"


class WhyLifted(StrEnum):
    """Why staff let an address be written to again."""

    CUSTOMER_ASKED = "customer_asked"
    ADDRESS_WORKS_AGAIN = "address_works_again"
    MISTAKE = "mistake"


class SuppressionShown(BaseModel):
    """One reason why one address is not written to on one channel."""

    id: UUID
    address: str | None = Field(
        description="Masked, and only where you named it: the list itself knows hashes only",
        examples=["138****5678"],
    )
    channel: Medium
    scope: str = Field(description="all, or surveys only")
    reason: str = Field(
        description="hard_bounce, complaint, opted_out, stop or blocked_by_staff", examples=["hard_bounce"]
    )
    since: datetime
    until: datetime | None = Field(description="null: until it is lifted")
    stands: bool = Field(description="Neither lifted nor over")
    made_by: str | None = Field(description="Staff number; null: by what happened")
    lifted_at: datetime | None
    lifted_by: str | None = Field(description="Staff number; null: by the customer, or by time")
    lift_reason: str | None


class SuppressionList(Page):
    """Suppressions, newest first."""

    items: list[SuppressionShown]


class SuppressionGiven(Given):
    """An address that is not to be written to any more."""

    address: str = Field(
        max_length=254, description="Mail address or phone number", examples=["a@example.com"]
    )
    channel: Medium | None = Field(default=None, description="email or sms; default: by the address")
    reason: ReasonGiven = ReasonGiven.BLOCKED_BY_STAFF


@router.get("", summary="List suppressions")
async def list_suppressions(
    parts: Parts,
    paging: Paged,
    address: Annotated[
        str | None, Query(description="Full mail address or phone number; looked up by keyed hash")
    ] = None,
    channel: Medium | None = None,
    reason: str | None = None,
    history: Annotated[bool, Query(description="Also those lifted or over")] = False,
) -> SuppressionList:
    """Newest first; those that stand, unless `history` is asked for."""
    async with parts.workshop.read() as uow:
        query = select(Suppression)
        shown = ""
        if address is not None:
            shown, hashed, _ = _address(uow, address, None)
            query = query.where(Suppression.address_hash == hashed)
        if channel is not None:
            query = query.where(Suppression.channel == channel)
        if reason is not None:
            query = query.where(Suppression.reason == reason)
        if not history:
            query = query.where(*standing(uow))
        rows, cursor = await page_of(uow, query, Suppression.id, paging)
        items = [await _shown(uow, row, shown) for row in rows]
    return SuppressionList(items=items, next_cursor=cursor)


@router.post("", status_code=201, summary="Suppress an address")
async def add_suppression(given: SuppressionGiven, parts: Parts, calling: Calling) -> SuppressionShown:
    """Nothing (or, opted out, no survey) goes there from now on. Staff cannot be suppressed: 409."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        address, hashed, channel = _address(uow, given.address, given.channel)
        if channel is Medium.EMAIL and await staff_by_email(uow, address) is not None:
            raise Conflict("staff cannot be suppressed", hint="set them absent or inactive instead")
        row = await suppress(uow, hashed, channel, given.reason.value, by=by)
        if row is None:
            raise Conflict("this address is suppressed for this reason already")
        return await _shown(uow, row, address)


@router.delete("/{ident}", summary="Lift a suppression")
async def lift_suppression(
    ident: UUID,
    parts: Parts,
    calling: Calling,
    reason: Annotated[WhyLifted, Query(description="Stands in the log")],
) -> SuppressionShown:
    """The address may be written to again as far as this reason goes; the row stays as history."""
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        row = await uow.session.get(Suppression, ident)
        if row is None:
            raise NotFound("there is no such suppression")
        await lift(uow, row, reason.value, by=by)
        return await _shown(uow, row, "")


def _address(uow: UnitOfWork, given: str, channel: Medium | None) -> tuple[str, bytes, Medium]:
    """The address in one spelling, its hash, and the channel it belongs to. Raises InvalidInput."""
    found = Medium.EMAIL if "@" in given else Medium.SMS
    if channel not in (None, found):
        raise InvalidInput(f"this is no address for {channel}", hint="leave the channel out")
    if found is Medium.EMAIL:
        address = normal_email(given)
        return address, uow.vault.lookup("email", address), found
    address = normal_phone(given, region_of(uow.settings.timezone))
    return address, uow.vault.lookup("phone", address), found


async def _shown(uow: UnitOfWork, row: Suppression, address: str) -> SuppressionShown:
    now = uow.clock.now()
    return SuppressionShown(
        **picked(row, "id channel scope reason until lifted_at lift_reason"),
        address=mask_contact(address) if address else None,
        since=row.created_at,
        stands=row.lifted_at is None and (row.until is None or row.until > now),
        made_by=await _number(uow, row.made_by),
        lifted_by=await _number(uow, row.lifted_by),
    )


async def _number(uow: UnitOfWork, ident: UUID | None) -> str | None:
    person = await uow.session.get(Staff, ident) if ident else None
    return person.number if person else None
