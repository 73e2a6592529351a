"""Reports about a period. Agents see their own figures, all others everybody's (row A11)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from models.vocabulary import Role
from workers.errors import InvalidInput
from workers.reports import overdue_counts
from workers.web.api.common import Calling, acting
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.parts import Parts

router = Resource("/reports", "reports")

USUAL = timedelta(days=30)


class PersonsOverdue(BaseModel):
    """How many limits passed unmet while this person had the ticket."""

    staff: str = Field(description="Staff number; empty: nobody had the ticket", examples=["CS001"])
    name: str
    team: str = Field(description="The team they are in now")
    total: int
    clocks: dict[str, int] = Field(examples=[{"first_response": 2, "plan": 0, "resolution": 1}])
    tickets: list[str] = Field(description="Ticket numbers, oldest breach first")


class OverdueReport(BaseModel):
    """Overdue counts per person, most first."""

    since: datetime
    until: datetime
    items: list[PersonsOverdue]


@router.get("/overdue", summary="Overdue counts per person")
async def overdue(
    parts: Parts,
    calling: Calling,
    since: Annotated[Moment | None, Query(description="Default: 30 days before `until`")] = None,
    until: Annotated[Moment | None, Query(description="Exclusive; default: now")] = None,
    team: Annotated[str | None, Query(max_length=64)] = None,
) -> OverdueReport:
    """By who had the ticket when the limit passed. A clock that was planned anew counts once."""
    async with parts.workshop.read() as uow:
        by = await acting(uow, calling.staff)
        last = until or uow.clock.now()
        first = since or last - USUAL
        if first >= last:
            raise InvalidInput("`since` lies after `until`")
        only = by if by.role is Role.AGENT else None
        counts = await overdue_counts(uow, first, last, team=team, only=only)
    items = [
        PersonsOverdue(
            staff=each.staff,
            name=each.name,
            team=each.team,
            total=each.total,
            clocks=dict(each.clocks),
            tickets=list(each.tickets),
        )
        for each in counts
    ]
    return OverdueReport(since=first, until=last, items=items)
