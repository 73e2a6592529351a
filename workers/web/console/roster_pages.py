"""Teams and whom their escalations climb to, and the duty roster 值班, on pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.people import Staff, Team
from models.vocabulary import Role
from workers.errors import CloseloopError, InvalidInput
from workers.people import add_team, change_team
from workers.rosters import (
    cancel_duty,
    duties_of,
    duty_gaps,
    enter_duty,
)
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import uuid_of
from workers.web.console import sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.people_forms import DECIDE, span, taking_off, team_names, times
from workers.web.console.sent_once import fresh_once, made_once, once_field
from workers.web.console.sheet import (
    Field,
    Form,
    Section,
    Sheet,
    Table,
    label,
    moment,
    text,
)
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

STAFF, DUTIES, TEAMS = "/console/staff", "/console/duties", "/console/teams"
AHEAD = timedelta(days=14)
PLACES = ("supervisor", "substitute", "head")


@router.api_route(DUTIES, methods=["GET", "HEAD"])
async def duties(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Who is on duty outside opening hours, and where nobody is."""
    return await _duties(request, parts, visit, None)


@router.post(DUTIES)
async def on_duty(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Enter a duty."""
    try:
        async with parts.workshop.begin() as uow:
            await made_once(uow, visit, "duty", partial(_enter_duty, uow, parts, visit))
    except CloseloopError as error:
        return await _duties(request, parts, visit, error)
    return done(parts, visit, DUTIES, "duty_entered")


async def _enter_duty(uow: UnitOfWork, parts: WebParts, visit: Visit) -> None:
    begin, end = span(uow, parts, visit)
    team = visit.fields.get("team") or None
    await enter_duty(uow, visit.fields.get("staff", "").strip(), begin, end, team)


@router.post(f"{DUTIES}/cancel")
async def off_duty(parts: Parts, visit: Visiting) -> Response:
    """Take a duty off the roster."""
    async with parts.workshop.begin() as uow:
        await cancel_duty(uow, uuid_of(visit.fields.get("id", ""), "duty"))
    return done(parts, visit, DUTIES, "duty_cancelled")


@router.api_route(TEAMS, methods=["GET", "HEAD"])
async def teams(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Teams and whom their escalations climb to."""
    return await _teams(request, parts, visit, None)


@router.post(TEAMS)
async def enter_team(request: Request, parts: Parts, visit: Visiting) -> Response:
    """A new team."""
    given = visit.fields
    try:
        async with parts.workshop.begin() as uow:
            name = given.get("name", "").strip()
            if not 1 <= len(name) <= 64:
                raise InvalidInput("a team needs a name of at most 64 characters")
            await add_team(uow, name, _places(given))
    except CloseloopError as error:
        return await _teams(request, parts, visit, error)
    return done(parts, visit, TEAMS, "team_changed")


@router.post(f"{TEAMS}/change")
async def alter_team(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Whom its escalations climb to."""
    try:
        async with parts.workshop.begin() as uow:
            await change_team(uow, visit.fields.get("team", ""), _places(visit.fields))
    except CloseloopError as error:
        return await _teams(request, parts, visit, error)
    return done(parts, visit, TEAMS, "team_changed")


def _places(given: Mapping[str, str]) -> dict[str, str | None]:
    return {place: given.get(place, "").strip() or None for place in PLACES}


async def _duties(
    request: Request, parts: WebParts, visit: Visit, refused: CloseloopError | None
) -> Response:
    async with parts.workshop.read() as uow:
        rows = await duties_of(uow)
        now = uow.clock.now()
        gaps = await duty_gaps(uow, now, now + AHEAD)
        names = await team_names(uow)
    may = visit.person.role in DECIDE
    every = label("all_teams")
    cells = [
        [text(number), text(team) if team else every, moment(row.starts_at), moment(row.ends_at)]
        for row, number, team in rows
    ]
    table = Table(
        caption=label("duties"),
        heads=[label(each) for each in ("number", "team", "from", "until")],
        rows=cells,
        acts=[[taking_off(f"{DUTIES}/cancel", row.id.hex)] for row, _, _ in rows] if may else [],
    )
    holes = Table(
        caption=label("gaps"),
        heads=[label(each) for each in ("team", "from", "until")],
        rows=[[text(gap.team), moment(gap.starts_at), moment(gap.ends_at)] for gap in gaps],
        empty=label("no_gaps"),
    )
    form = Form(
        name="duty",
        url=DUTIES,
        title=label("duty_new"),
        button=label("duty_new"),
        fields=[
            Field(name="staff", label=label("number"), need=True, limit=24),
            Field(
                name="team",
                label=label("team"),
                kind="select",
                options=[("", every), *((name, text(name)) for name in names.values())],
            ),
            *times(),
            once_field(fresh_once(parts)),
        ],
    )
    page = Sheet(
        title=label("duties"),
        url=DUTIES,
        back=(STAFF, label("staff")),
        sections=[
            Section(table=table, forms=[form] if may else []),
            Section(title=label("gaps"), intro=[label("gaps_intro")], table=holes),
        ],
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


async def _teams(request: Request, parts: WebParts, visit: Visit, refused: CloseloopError | None) -> Response:
    async with parts.workshop.read() as uow:
        rows = (await uow.session.scalars(select(Team).order_by(Team.name))).all()
        people = {row.id: row for row in await uow.session.scalars(select(Staff))}
    numbers = [[people[ident].number if ident in people else "" for ident in _leaders(row)] for row in rows]
    cells = [[text(row.name), *map(text, found)] for row, found in zip(rows, numbers, strict=True)]
    rules = visit.person.role is Role.ADMINISTRATOR
    acts = [[_altering(row, found)] for row, found in zip(rows, numbers, strict=True)] if rules else []
    heads = [label("team"), *(label(place, "ladder_role") for place in PLACES)]
    table = Table(caption=label("teams"), heads=heads, rows=cells, acts=acts)
    fields = [Field(name="name", label=label("name"), need=True, limit=64), *_leading(["", "", ""])]
    form = Form(name="team", url=TEAMS, title=label("team_new"), button=label("team_new"), fields=fields)
    page = Sheet(
        title=label("teams"),
        url=TEAMS,
        back=(STAFF, label("staff")),
        sections=[Section(intro=[label("teams_intro")], table=table, forms=[form] if rules else [])],
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _leaders(row: Team) -> list[Any]:
    return [row.supervisor_id, row.substitute_id, row.head_id]


def _leading(numbers: list[str]) -> list[Field]:
    return [
        Field(name=place, label=label(place, "ladder_role"), value=number, limit=24)
        for place, number in zip(PLACES, numbers, strict=True)
    ]


def _altering(row: Team, numbers: list[str]) -> Form:
    hidden = Field(name="team", kind="hidden", value=row.name)
    return Form(
        name=f"team-{row.id.hex}",
        url=f"{TEAMS}/change",
        title=label("change"),
        button=label("change"),
        fields=[hidden, *_leading(numbers)],
    )
