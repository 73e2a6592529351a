"""What all resources share: who acts, on which version, page by page, and sealed words made fit to show."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Select, select

from models.base import Base
from models.crypto import Erased, UnknownKey
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Role
from workers.directory import staff_by_email, staff_by_number
from workers.errors import Forbidden, InvalidInput, NotFound
from workers.text import ERASED, mask_free_text
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork
from workers.web.api.values import storable
from workers.web.middleware import opened_by
from workers.web.parts import WebParts
from workers.web.problems import ChangedMeanwhile

LONGEST_PAGE = 200
Row = TypeVar("Row", bound=Base)


class Given(BaseModel):
    """What callers send: unknown fields are refused, so that a misspelt one (or a time) is noticed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, given: Any) -> Any:
        return storable(given)


class Page(BaseModel):
    """One page of a list, newest first; ask for the next one with `cursor`."""

    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls on whose behalf, and which version they have seen."""

    staff: str | None
    if_match: str | None


def caller(
    request: Request,
    x_acting_staff: Annotated[
        str | None,
        Header(
            description="Number or mail address of the member of staff who acts; default: the administrator",
            examples=["CS001"],
        ),
    ] = None,
    if_match: Annotated[
        str | None, Header(description="The ETag that was read; 412 when it changed since", examples=['"7"'])
    ] = None,
) -> Caller:
    """The caller's headers; without X-Acting-Staff a member of staff acts whose own key it is."""
    _, owner = opened_by(request)
    return Caller(x_acting_staff or (owner.number if owner else None), if_match)


Calling = Annotated[Caller, Depends(caller)]


@dataclass(frozen=True, slots=True)
class Paging:
    """Where a page begins (exclusive) and how long it is."""

    cursor: UUID | None
    limit: int


def paging(
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=LONGEST_PAGE)] = 50,
) -> Paging:
    """The paging parameters. Raises InvalidInput for a cursor that is none."""
    return Paging(uuid_of(cursor, "cursor") if cursor else None, limit)


Paged = Annotated[Paging, Depends(paging)]


async def page_of(
    uow: UnitOfWork, query: Select[Row], key: Any, paging: Paging
) -> tuple[list[Row], str | None]:
    """The rows of one page by falling `key` (an id, ordered by time), and the next page's cursor."""
    if paging.cursor is not None:
        query = query.where(key < paging.cursor)
    found = list(await uow.session.scalars(query.order_by(key.desc()).limit(paging.limit + 1)))
    rows = found[: paging.limit]
    more = len(found) > paging.limit
    return rows, (getattr(rows[-1], key.key).hex if more else None)


def is_agent(person: Staff | None) -> bool:
    """Whether lists hold this person's own only: an index leads to them."""
    return person is not None and person.role is Role.AGENT


async def acting(uow: UnitOfWork, name: str | None) -> Staff:
    """The member of staff who acts. Raises Forbidden when there is no such person, or nobody at all."""
    if name:
        return await _named(uow, name.strip())
    if uow.settings.admin:
        person = await staff_by_email(uow, uow.settings.admin)
        if person is not None:
            return person
    person = await uow.session.scalar(
        select(Staff)
        .where(Staff.active.is_(True), Staff.role == Role.ADMINISTRATOR)
        .order_by(Staff.number)
        .limit(1)
    )
    if person is None:
        raise Forbidden("there is no administrator to act", hint="name somebody with X-Acting-Staff")
    return person


async def reader(uow: UnitOfWork, calling: Caller) -> Staff | None:
    """Who looks, for what they may see; None: a system, which sees all. Raises Forbidden as `acting`."""
    return await acting(uow, calling.staff) if calling.staff else None


async def _named(uow: UnitOfWork, name: str) -> Staff:
    try:
        person = await staff_by_email(uow, name) if "@" in name else await staff_by_number(uow, name)
    except NotFound:
        person = None
    if person is None:
        raise Forbidden("X-Acting-Staff names no active member of staff", hint="give a number or an address")
    return person


async def person_named(uow: UnitOfWork, name: str) -> Staff:
    """The active member of staff with this number or mail address. Raises NotFound."""
    person = await staff_by_email(uow, name) if "@" in name else await staff_by_number(uow, name)
    if person is None:
        raise NotFound("there is no active member of staff with this address")
    return person


@dataclass(frozen=True, slots=True)
class Act:
    """One act on one ticket, inside its transaction."""

    uow: UnitOfWork
    ticket: Ticket
    by: Staff


@asynccontextmanager
async def acting_on(parts: WebParts, number: str, calling: Caller) -> AsyncIterator[Act]:
    """Hold a ticket, check the version the caller has seen, and know who acts. Commits at the end."""
    async with parts.workshop.begin() as uow:
        ticket = await ticket_by_number(uow, number)
        check_version(ticket.version, calling.if_match)
        yield Act(uow, ticket, await acting(uow, calling.staff))


def check_version(version: int, if_match: str | None) -> None:
    """Raises ChangedMeanwhile unless `if_match` (RFC 9110 §13.1.1) is absent, `*` or names this version."""
    if if_match is None:
        return
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(",")}
    if not tags & {"*", str(version)}:
        raise ChangedMeanwhile("it has changed since you read it", hint="read it again, then decide")


def picked(row: object, names: str) -> dict[str, Any]:
    """The named attributes of a row, as they are."""
    return {name: getattr(row, name) for name in names.split()}


def etag(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def uuid_of(text: str, what: str) -> UUID:
    """The UUID in `text`. Raises InvalidInput naming `what` it should have been."""
    try:
        return UUID(text)
    except ValueError as error:
        raise InvalidInput(f"this is no {what}") from error


async def opened(uow: UnitOfWork, data_key_id: UUID, sealed: bytes | None, place: str) -> str:
    """The sealed text; '' when there is none or its key is missing, ERASED when that was destroyed."""
    if sealed is None:
        return ""
    try:
        return (await uow.vault.sealer(uow.session, data_key_id)).text(sealed, place)
    except Erased:
        return ERASED
    except UnknownKey:
        return ""


async def opened_words(
    uow: UnitOfWork, data_key_id: UUID, sealed: bytes | None, place: str, names: tuple[str, ...] = ()
) -> dict[str, str]:
    """Sealed words, masked as everybody but the customer sees them (row A2); {} when there are none."""
    if sealed is None:
        return {}
    try:
        words: Mapping[str, Any] = (await uow.vault.sealer(uow.session, data_key_id)).json(
            sealed, place
        ) or {}
    except Erased:
        return {"words": ERASED}
    except UnknownKey:
        return {}
    return {name: mask_free_text(str(text), names=names) for name, text in words.items()}
