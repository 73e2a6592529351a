"""Deadlines across tickets: what runs, what was breached, what is looked at next."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import Field
from sqlalchemy import select

from models.deadlines import Deadline
from models.vocabulary import DeadlineKind, DeadlineState
from workers.access import seen_rows
from workers.web.api.common import Calling, Page, Paged, is_agent, reader
from workers.web.api.notifications import ticket_id_of, ticket_numbers
from workers.web.api.resource import Resource
from workers.web.api.ticket_models import DeadlineShown
from workers.web.api.ticket_views import deadline_view, staff_by_ids
from workers.web.api.values import Moment
from workers.web.api.walking import page_walked
from workers.web.parts import Parts

router = Resource("/deadlines", "deadlines")


class TicketDeadline(DeadlineShown):
    """A clock and whose it is."""

    ticket: str | None = Field(description="Ticket number")


class DeadlineList(Page):
    """Deadlines, newest first."""

    items: list[TicketDeadline]


@router.get("", summary="List deadlines")
async def list_deadlines(
    parts: Parts,
    calling: Calling,
    paging: Paged,
    ticket: Annotated[str | None, Query(description="Ticket number")] = None,
    kind: Annotated[list[DeadlineKind] | None, Query()] = None,
    state: Annotated[list[DeadlineState] | None, Query()] = None,
    due_before: Annotated[
        Moment | None, Query(description="Whose next alarm comes before this moment")
    ] = None,
) -> DeadlineList:
    """Newest first. An agent sees those of their own tickets (row A11).

    By kind or state alone, a page looks through 20,000 deadlines and may be short or empty: go on while there
    is a `next_cursor`.
    """
    async with parts.workshop.read() as uow:
        person = await reader(uow, calling)
        query = select(Deadline).where(seen_rows(person, Deadline))
        if ticket is not None:
            query = query.where(Deadline.ticket_id == ticket_id_of(ticket))
        if kind:
            query = query.where(Deadline.kind.in_(kind))
        if state:
            query = query.where(Deadline.state.in_(state))
        if due_before is not None:
            query = query.where(Deadline.due_at < due_before)
        walked = bool(kind or state) and not (ticket or due_before or is_agent(person))
        rows, cursor = await page_walked(uow, query, Deadline, paging, walked=walked)
        numbers = await ticket_numbers(uow, [row.ticket_id for row in rows])
        staff = await staff_by_ids(uow, [row.acknowledged_by for row in rows])
        items = [
            TicketDeadline(**deadline_view(uow, row, staff).model_dump(), ticket=numbers.get(row.ticket_id))
            for row in rows
        ]
    return DeadlineList(items=items, next_cursor=cursor)
