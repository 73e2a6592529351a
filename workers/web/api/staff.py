"""Members of staff."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from fastapi import Response
from pydantic import BaseModel, Field, field_validator
from sqlalchemy import select

from models.people import Staff, Team
from models.vocabulary import Role
from workers.errors import InvalidInput, NotFound
from workers.people import Person, add_person, change_person
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Given, Page, Paged, page_of, picked
from workers.web.api.resource import Resource
from workers.web.api.values import Moment
from workers.web.parts import Parts

router = Resource("/staff", "staff")

NUMBER = r"^[A-Z]{2,4}\d{3,8}$"


class PersonShown(BaseModel):
    """A member of staff. Company addresses are no customers' data."""

    number: str = Field(examples=["CS001"])
    name: str
    email: str
    phone: str | None
    role: Role
    team: str | None
    skills: list[str]
    locale: str | None
    absent_until: datetime | None
    active: bool
    senior: bool
    open_limit: int | None


class StaffList(Page):
    """Members of staff, those entered last first."""

    items: list[PersonShown]


class _PersonFields(Given):
    phone: str | None = Field(default=None, max_length=32)
    role: Role = Role.AGENT
    team: str | None = Field(default=None, description="Team name", examples=["support"])
    skills: list[str] = Field(default=[], max_length=50, examples=[["software"]])
    locale: Literal["en", "zh_CN"] | None = None
    absent_until: Moment | None = Field(default=None, description="Gets nothing new until then")
    active: bool = True
    senior: bool = Field(default=False, description="Gets what rules give to senior staff")
    open_limit: int | None = Field(
        default=None, ge=1, le=1000, description="With so many tickets in progress they get no new one"
    )


class PersonGiven(_PersonFields):
    """A new member of staff."""

    number: str = Field(pattern=NUMBER, description="Never like a ticket's number", examples=["CS001"])
    name: str = Field(min_length=1, max_length=64, examples=["王芳"])
    email: str = Field(max_length=254, examples=["wang.fang@example.com"])


class PersonChanged(_PersonFields):
    """What changes; fields left out stay."""

    name: str | None = Field(default=None, min_length=1, max_length=64)
    email: str | None = Field(default=None, max_length=254)

    @field_validator("name", "email", "role", "active", "senior", mode="after")
    @classmethod
    def _never_empty(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("cannot be emptied")
        return value


@router.get("", summary="List staff")
async def list_staff(
    parts: Parts, paging: Paged, active: bool | None = None, role: Role | None = None, team: str | None = None
) -> StaffList:
    """Those entered last first."""
    async with parts.workshop.read() as uow:
        query = select(Staff)
        if active is not None:
            query = query.where(Staff.active.is_(active))
        if role is not None:
            query = query.where(Staff.role == role)
        if team is not None:
            query = query.where(Staff.team_id == select(Team.id).where(Team.name == team).scalar_subquery())
        rows, cursor = await page_of(uow, query, Staff.id, paging)
        items = [await _shown(uow, row) for row in rows]
    return StaffList(items=items, next_cursor=cursor)


@router.get("/{number}", summary="Look at a member of staff")
async def get_person(number: str, parts: Parts) -> PersonShown:
    """Active or not."""
    async with parts.workshop.read() as uow:
        row = await uow.session.scalar(select(Staff).where(Staff.number == number))
        if row is None:
            raise NotFound(f"there is no member of staff {number[:24]}")
        return await _shown(uow, row)


@router.post("", status_code=201, summary="Enter a member of staff")
async def enter_person(given: PersonGiven, parts: Parts, response: Response) -> PersonShown:
    """Only addresses of the company's domains, where these are set (row B16)."""
    async with parts.workshop.begin() as uow:
        fields = given.model_dump(exclude={"skills"})
        row = await add_person(uow, Person(**fields, skills=tuple(given.skills)))
        shown = await _shown(uow, row)
    response.headers["Location"] = f"/api/v1/staff/{row.number}"
    return shown


@router.patch("/{number}", summary="Change a member of staff")
async def alter_person(number: str, given: PersonChanged, parts: Parts) -> PersonShown:
    """Absence, leaving (`active: false`), team, role and the like."""
    changes = given.model_dump(exclude_unset=True)
    if not changes:
        raise InvalidInput("there is nothing to change")
    async with parts.workshop.begin() as uow:
        return await _shown(uow, await change_person(uow, number, changes))


async def _shown(uow: UnitOfWork, row: Staff) -> PersonShown:
    team = await uow.session.get(Team, row.team_id) if row.team_id else None
    copied = picked(row, "number name email phone role skills locale absent_until active senior open_limit")
    return PersonShown(**copied, team=team.name if team else None)
