"""What came in and what became of it; junk that was none is taken in after all."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy import literal_column, select

from models.intake import IntakeEvent
from models.tickets import Ticket
from models.vocabulary import EventState, Role
from workers.errors import Forbidden, NotFound
from workers.intake.turned_away import take_in
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Calling, Page, Paged, acting, picked
from workers.web.api.resource import Resource
from workers.web.api.walking import page_walked
from workers.web.parts import Parts

router = Resource("/intake", "intake")


class EventShown(BaseModel):
    """One event; what it says is shown by `closeloop intake show` only."""

    id: UUID
    source: str = Field(examples=["raw"])
    received_at: datetime
    state: EventState
    kind: str | None = Field(description="What it was taken for", examples=["junk"])
    reason: str | None = Field(examples=["spam, spam_x_spam_flag"])
    ticket: str | None = Field(description="Ticket number")


class EventList(Page):
    """Events, newest first."""

    items: list[EventShown]


@router.get("", summary="List what came in")
async def list_events(
    parts: Parts,
    paging: Paged,
    state: EventState | None = None,
    kind: Annotated[str | None, Query(max_length=24, description="junk, blocked, person, reply …")] = None,
) -> EventList:
    """Newest first.

    By a kind, or the state of nearly all, a page looks through 20,000 events and may be short or empty: go on
    while there is a `next_cursor`. What was turned away or cannot be read is found at once.
    """
    async with parts.workshop.read() as uow:
        query = select(IntakeEvent)
        if state is not None:  # as a word, so that the partial indexes are used
            query = query.where(IntakeEvent.state == literal_column(f"'{state.value}'"))
        if kind is not None:
            query = query.where(IntakeEvent.kind == kind)
        walked = bool(kind or state) and state not in (EventState.REJECTED, EventState.POISON)
        rows, cursor = await page_walked(uow, query, IntakeEvent, paging, walked=walked)
        return EventList(items=[await _shown(uow, row) for row in rows], next_cursor=cursor)


@router.post("/{ident}/take-in", status_code=202, summary="This is no junk")
async def take_event_in(ident: UUID, parts: Parts, calling: Calling) -> EventShown:
    """It becomes a ticket after all, received when it came: what is overdue by now is said to be.

    By a supervisor. 409 when it was not turned away as junk, advertisement or blocked.
    """
    async with parts.workshop.begin() as uow:
        by = await acting(uow, calling.staff)
        if by.role is Role.AGENT:
            raise Forbidden("only a supervisor may have junk taken in", hint="ask your supervisor")
        row = await uow.session.get(IntakeEvent, ident, with_for_update=True)
        if row is None:
            raise NotFound("there is no such event")
        await take_in(uow, row)
        return await _shown(uow, row)


async def _shown(uow: UnitOfWork, row: IntakeEvent) -> EventShown:
    ticket = await uow.session.get(Ticket, row.ticket_id) if row.ticket_id else None
    return EventShown(
        **picked(row, "id source received_at state kind reason"), ticket=ticket.number if ticket else None
    )
