"""Pages of a long table by a condition that no index knows: each looks through so many rows and no more."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, select

from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.notifications import Notification
from models.tickets import Ticket
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Paging, page_of

LOOKED_THROUGH = 20_000
"""Rows that one page walks past at most: some tens of milliseconds, whatever is asked for."""


Row = TypeVar("Row", Ticket, Notification, Deadline, IntakeEvent)


async def page_walked(
    uow: UnitOfWork,
    query: Select[Row],
    table: type[Row],
    paging: Paging,
    *,
    walked: bool = True,
) -> tuple[list[Row], str | None]:
    """A page by falling id, as `page_of` gives it, out of the next 20,000 rows of the table.

    It may be short or empty and still have a cursor: what is older has not been looked through yet. Not
    `walked`: an index leads to what is asked for, and all of it is found at once.
    """
    end = await _end_of_walk(uow, table, paging.cursor, LOOKED_THROUGH) if walked else None
    if end is None:
        return await page_of(uow, query, table.id, paging)
    rows, cursor = await page_of(uow, query.where(table.id >= end), table.id, paging)
    return rows, cursor or end.hex


async def _end_of_walk(uow: UnitOfWork, table: type[Row], cursor: UUID | None, most: int) -> UUID | None:
    """The id of the last row that is looked through; None where the table ends before. Ids alone are read."""
    ids = select(table.id).order_by(table.id.desc()).offset(most - 1).limit(1)
    found: UUID | None = await uow.session.scalar(ids.where(table.id < cursor) if cursor else ids)
    return found
