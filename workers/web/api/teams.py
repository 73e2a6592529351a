"""Teams and the people an escalation climbs to."""

from __future__ import annotations

from pydantic import BaseModel, Field
from sqlalchemy import select

from models.people import Team
from workers.errors import InvalidInput
from workers.people import TEAM_ROLES, add_team, change_team, team_exactly
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Given, Page, Paged, page_of
from workers.web.api.resource import Resource
from workers.web.api.ticket_views import staff_by_ids
from workers.web.parts import Parts

router = Resource("/teams", "teams")


class TeamShown(BaseModel):
    """A team; its people by staff number."""

    name: str = Field(examples=["support"])
    supervisor: str | None = Field(examples=["AM001"])
    substitute: str | None
    head: str | None


class TeamList(Page):
    """Teams, those entered last first."""

    items: list[TeamShown]


class _People(Given):
    supervisor: str | None = Field(default=None, description="Staff number", examples=["AM001"])
    substitute: str | None = Field(default=None, description="Staff number")
    head: str | None = Field(default=None, description="Staff number of the head of department")


class TeamGiven(_People):
    """A new team; the policy's rules name teams by `name`."""

    name: str = Field(min_length=1, max_length=64, examples=["support"])


class TeamChanged(_People):
    """What changes; fields left out stay, null empties."""

    name: str | None = Field(default=None, min_length=1, max_length=64)


@router.get("", summary="List teams")
async def list_teams(parts: Parts, paging: Paged) -> TeamList:
    """Those entered last first."""
    async with parts.workshop.read() as uow:
        rows, cursor = await page_of(uow, select(Team), Team.id, paging)
        items = [await _shown(uow, row) for row in rows]
    return TeamList(items=items, next_cursor=cursor)


@router.get("/{name}", summary="Look at a team")
async def get_team(name: str, parts: Parts) -> TeamShown:
    """By its name."""
    async with parts.workshop.read() as uow:
        return await _shown(uow, await team_exactly(uow, name))


@router.post("", status_code=201, summary="Enter a team")
async def enter_team(given: TeamGiven, parts: Parts) -> TeamShown:
    """Staff first, then the team that names them, then the staff's own team."""
    async with parts.workshop.begin() as uow:
        row = await add_team(uow, given.name, given.model_dump(exclude={"name"}))
        return await _shown(uow, row)


@router.patch("/{name}", summary="Change a team")
async def alter_team(name: str, given: TeamChanged, parts: Parts) -> TeamShown:
    """Its name or its people."""
    changes = given.model_dump(exclude_unset=True)
    if not changes:
        raise InvalidInput("there is nothing to change")
    async with parts.workshop.begin() as uow:
        return await _shown(uow, await change_team(uow, name, changes))


async def _shown(uow: UnitOfWork, row: Team) -> TeamShown:
    ids = {role: getattr(row, f"{role}_id") for role in TEAM_ROLES}
    people = await staff_by_ids(uow, ids.values())
    shown = {role: people[ident].number if ident in people else None for role, ident in ids.items()}
    return TeamShown(name=row.name, **shown)
