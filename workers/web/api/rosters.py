"""Absences of staff, and the duty roster 值班 for nights and holidays."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from workers.rosters import (
    absences_of,
    cancel_absence,
    cancel_duty,
    duties_of,
    duty_gaps,
    enter_absence,
    enter_duty,
)
from workers.web.api.common import Given
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.parts import Parts

router = Resource("", "rosters")


class AbsenceShown(BaseModel):
    """Somebody is away; the substitute hears what they would hear."""

    id: UUID
    staff: str = Field(examples=["CS001"])
    starts_at: datetime
    ends_at: datetime = Field(description="The moment they are back")
    substitute: str | None


class AbsenceList(BaseModel):
    """Absences of now and later."""

    items: list[AbsenceShown]


class AbsenceGiven(Given):
    """An absence to enter."""

    starts_at: Moment
    ends_at: Moment
    substitute: str | None = Field(default=None, max_length=24, description="Staff number of who stands in")


class DutyShown(BaseModel):
    """Somebody is on duty outside opening hours."""

    id: UUID
    staff: str
    team: str | None = Field(description="null: for all teams")
    starts_at: datetime
    ends_at: datetime


class GapShown(BaseModel):
    """Nobody is on duty for a team that keeps a roster: what happens then goes up the ladder."""

    team: str
    starts_at: datetime
    ends_at: datetime


class DutyRoster(BaseModel):
    """Duties of now and later, and the gaps of the next days."""

    items: list[DutyShown]
    gaps: list[GapShown]


class DutyGiven(Given):
    """A duty to enter."""

    staff: str = Field(max_length=24, examples=["CS001"])
    team: str | None = Field(default=None, max_length=64, description="null: for all teams")
    starts_at: Moment
    ends_at: Moment


@router.get("/staff/{number}/absences", summary="List somebody's absences")
async def list_absences(number: str, parts: Parts) -> AbsenceList:
    """Those of now and later."""
    async with parts.workshop.read() as uow:
        rows = await absences_of(uow, number)
    return AbsenceList(
        items=[
            AbsenceShown(
                id=row.id, staff=staff, starts_at=row.starts_at, ends_at=row.ends_at, substitute=substitute
            )
            for row, staff, substitute in rows
        ]
    )


@router.post("/staff/{number}/absences", status_code=201, summary="Enter an absence")
async def add_absence(number: str, given: AbsenceGiven, parts: Parts) -> AbsenceShown:
    """When it begins, tickets they have not accepted go to others of the team, or to the supervisor."""
    async with parts.workshop.begin() as uow:
        row = await enter_absence(uow, number, given.starts_at, given.ends_at, given.substitute)
    return AbsenceShown(
        id=row.id, staff=number, starts_at=row.starts_at, ends_at=row.ends_at, substitute=given.substitute
    )


@router.delete("/staff/{number}/absences/{ident}", status_code=204, summary="Cancel an absence")
async def drop_absence(number: str, ident: UUID, parts: Parts) -> None:
    """They are there after all. What went to others stays with them."""
    async with parts.workshop.begin() as uow:
        await cancel_absence(uow, number, ident)


@router.get("/duties", summary="Look at the duty roster")
async def show_roster(
    parts: Parts, days: Annotated[int, Query(ge=1, le=366, description="How far to look for gaps")] = 14
) -> DutyRoster:
    """Who is on duty now and later, and where nobody is."""
    async with parts.workshop.read() as uow:
        rows = await duties_of(uow)
        now = uow.clock.now()
        gaps = await duty_gaps(uow, now, now + timedelta(days=days))
    items = [
        DutyShown(id=row.id, staff=staff, team=team, starts_at=row.starts_at, ends_at=row.ends_at)
        for row, staff, team in rows
    ]
    shown = [GapShown(team=gap.team, starts_at=gap.starts_at, ends_at=gap.ends_at) for gap in gaps]
    return DutyRoster(items=items, gaps=shown)


@router.post("/duties", status_code=201, summary="Enter a duty")
async def add_duty(given: DutyGiven, parts: Parts) -> DutyShown:
    """Outside opening hours breaches and new urgent requests go to whoever is on duty first."""
    async with parts.workshop.begin() as uow:
        row = await enter_duty(uow, given.staff, given.starts_at, given.ends_at, given.team)
    return DutyShown(
        id=row.id, staff=given.staff, team=given.team, starts_at=row.starts_at, ends_at=row.ends_at
    )


@router.delete("/duties/{ident}", status_code=204, summary="Take a duty off the roster")
async def drop_duty(ident: UUID, parts: Parts) -> None:
    """What it has caused stays."""
    async with parts.workshop.begin() as uow:
        await cancel_duty(uow, ident)
