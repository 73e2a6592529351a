"""Staff and their absences, on pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.people import Staff
from models.vocabulary import Role
from workers.access import end_sessions
from workers.errors import CloseloopError, InvalidInput, NotFound
from workers.people import Person, add_person, change_person
from workers.rosters import (
    absences_of,
    cancel_absence,
    enter_absence,
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
    Word,
    badge,
    label,
    link,
    moment,
    text,
)
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

STAFF, DUTIES, TEAMS = "/console/staff", "/console/duties", "/console/teams"
NUMBER = r"[A-Za-z]{1,6}\d{1,8}|\d{1,8}"


@router.api_route(STAFF, methods=["GET", "HEAD"])
async def staff(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Who works here, by number; who is away."""
    return await _staff(request, parts, visit, None)


@router.post(STAFF)
async def enter(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Enter a member of staff."""
    given = visit.fields
    try:
        async with parts.workshop.begin() as uow:
            person = _person(given)
            await add_person(uow, Person(number=_number(given), **person))
    except CloseloopError as error:
        return await _staff(request, parts, visit, error)
    return done(parts, visit, f"{STAFF}/{given.get('number', '').strip()}", "person_added")


@router.api_route(f"{STAFF}/{{number}}", methods=["GET", "HEAD"])
async def person(request: Request, number: str, parts: Parts, visit: Visiting) -> Response:
    """One member of staff, with absences of now and later."""
    return await _one(request, parts, visit, number, None)


@router.post(f"{STAFF}/{{number}}/change")
async def change(request: Request, number: str, parts: Parts, visit: Visiting) -> Response:
    """Role, team, skills and the like; whoever leaves is signed out everywhere."""
    try:
        async with parts.workshop.begin() as uow:
            changes = {**_person(visit.fields), "active": visit.fields.get("active") == "1"}
            await change_person(uow, number, changes)
    except CloseloopError as error:
        return await _one(request, parts, visit, number, error)
    return done(parts, visit, f"{STAFF}/{number}", "person_changed")


@router.post(f"{STAFF}/{{number}}/sign-out")
async def sign_out(number: str, parts: Parts, visit: Visiting) -> Response:
    """All their sessions end."""
    async with parts.workshop.begin() as uow:
        row = await _known(uow, number)
        await end_sessions(uow, row.id)
    return done(parts, visit, f"{STAFF}/{number}", "signed_out")


@router.post(f"{STAFF}/{{number}}/absences")
async def absent(request: Request, number: str, parts: Parts, visit: Visiting) -> Response:
    """When it begins, what they have not accepted goes to others."""
    try:
        async with parts.workshop.begin() as uow:
            enter = partial(_enter_absence, uow, parts, visit, number)
            await made_once(uow, visit, f"absence {number}", enter)
    except CloseloopError as error:
        return await _one(request, parts, visit, number, error)
    return done(parts, visit, f"{STAFF}/{number}", "absence_entered")


async def _enter_absence(uow: UnitOfWork, parts: WebParts, visit: Visit, number: str) -> None:
    begin, end = span(uow, parts, visit)
    await enter_absence(uow, number, begin, end, visit.fields.get("substitute", "").strip() or None)


@router.post(f"{STAFF}/{{number}}/absences/cancel")
async def present(number: str, parts: Parts, visit: Visiting) -> Response:
    """They are there after all."""
    async with parts.workshop.begin() as uow:
        await cancel_absence(uow, number, uuid_of(visit.fields.get("id", ""), "absence"))
    return done(parts, visit, f"{STAFF}/{number}", "absence_cancelled")


def _number(given: Mapping[str, str]) -> str:
    number = given.get("number", "").strip()
    if not re.fullmatch(NUMBER, number):
        raise InvalidInput("this is no staff number", hint="letters and digits, as CS001")
    return number


def _person(given: Mapping[str, str]) -> dict[str, Any]:
    """The fields of somebody as typed. Raises InvalidInput."""
    name, limit = given.get("name", "").strip(), given.get("open_limit", "").strip()
    if not 1 <= len(name) <= 64:
        raise InvalidInput("a person needs a name of at most 64 characters")
    if limit and not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= 1000):
        raise InvalidInput("this is no number of tickets", hint="1 to 1000, or nothing")
    role = next((each for each in Role if each.value == given.get("role")), None)
    if role is None:
        raise InvalidInput("choose a role")
    return {
        "name": name,
        "email": given.get("email", "").strip(),
        "phone": given.get("phone", "").strip() or None,
        "role": role,
        "team": given.get("team") or None,
        "skills": tuple(each.strip() for each in given.get("skills", "").split(",") if each.strip()),
        "locale": given.get("locale") if given.get("locale") in ("en", "zh_CN") else None,
        "senior": given.get("senior") == "1",
        "open_limit": int(limit) if limit else None,
    }


async def _known(uow: UnitOfWork, number: str) -> Staff:
    row = await uow.session.scalar(select(Staff).where(Staff.number == number))
    if row is None:
        raise NotFound(f"there is no member of staff {number[:24]}")
    return row


async def _staff(request: Request, parts: WebParts, visit: Visit, refused: CloseloopError | None) -> Response:
    async with parts.workshop.read() as uow:
        rows = (await uow.session.scalars(select(Staff).order_by(Staff.number))).all()
        names = await team_names(uow)
        now = uow.clock.now()
        away = {number for row, number, _ in await absences_of(uow) if row.starts_at <= now}
    cells = [
        [
            link(f"{STAFF}/{row.number}", text(row.number)),
            text(row.name),
            label(row.role.value, "role"),
            text(names.get(row.team_id)),
            text(", ".join(row.skills)),
            _there(row, away, now),
        ]
        for row in rows
    ]
    heads = ("number", "name", "role", "team", "skills", "state")
    table = Table(caption=label("staff"), heads=[label(each) for each in heads], rows=cells)
    forms = []
    if visit.person.role is Role.ADMINISTRATOR:
        number = Field(name="number", label=label("number"), need=True, limit=24)
        title = label("person_new")
        forms = [
            Form(name="enter", url=STAFF, title=title, button=title, fields=[number, *_fields(None, names)])
        ]
    tools = [link(TEAMS, label("teams")), link(DUTIES, label("duties"))]
    page = Sheet(title=label("staff"), url=STAFF, tools=tools, sections=[Section(table=table, forms=forms)])
    return sheet.show_sheet(request, visit, page, refused=refused)


def _there(row: Staff, away: set[str], now: datetime) -> Word:
    if not row.active:
        return badge(label("left"), "plain")
    if row.number in away or (row.absent_until is not None and row.absent_until > now):
        return badge(label("away"), "bad")
    return badge(label("there"), "good")


def _fields(row: Staff | None, teams: Mapping[Any, str]) -> list[Field]:
    team = teams.get(row.team_id, "") if row else ""
    return [
        Field(name="name", label=label("name"), value=row.name if row else "", need=True, limit=64),
        Field(name="email", label=label("email"), value=row.email if row else "", need=True, limit=254),
        Field(name="phone", label=label("phone"), value=(row.phone or "") if row else "", limit=24),
        Field(
            name="role",
            label=label("role"),
            kind="select",
            value=row.role.value if row else "agent",
            options=[(each.value, label(each.value, "role")) for each in Role],
        ),
        Field(
            name="team",
            label=label("team"),
            kind="select",
            value=team,
            options=[("", label("none")), *((name, text(name)) for name in teams.values())],
        ),
        Field(name="skills", label=label("skills_typed"), value=", ".join(row.skills) if row else ""),
        Field(
            name="open_limit",
            label=label("open_limit"),
            limit=4,
            value=str(row.open_limit or "") if row else "",
        ),
        Field(
            name="locale",
            label=label("language"),
            kind="select",
            value=(row.locale or "") if row else "",
            options=sheet.options("locale", ("zh_CN", "en"), first="by_itself"),
        ),
        Field(name="senior", label=label("senior"), kind="check", value="1" if row and row.senior else ""),
    ]


async def _one(
    request: Request, parts: WebParts, visit: Visit, number: str, refused: CloseloopError | None
) -> Response:
    async with parts.workshop.read() as uow:
        row = await _known(uow, number)
        names = await team_names(uow)
        away = await absences_of(uow, number)
        now = uow.clock.now()
    may, rules = visit.person.role in DECIDE, visit.person.role is Role.ADMINISTRATOR
    url = f"{STAFF}/{number}"
    pairs = [
        (label("role"), label(row.role.value, "role")),
        (label("team"), text(names.get(row.team_id))),
        (label("email"), text(row.email)),
        (label("skills"), text(", ".join(row.skills))),
        (label("open_limit"), text(row.open_limit)),
        (label("state"), _there(row, {one[1] for one in away if one[0].starts_at <= now}, now)),
    ]
    forms = []
    if rules:
        active = Field(
            name="active", label=label("works_here"), kind="check", value="1" if row.active else ""
        )
        forms = [
            Form(
                name="change",
                url=f"{url}/change",
                title=label("change"),
                button=label("change"),
                fields=[*_fields(row, names), active],
            ),
            Form(
                name="sign-out",
                url=f"{url}/sign-out",
                title=label("sign_out"),
                button=label("sign_out"),
                asks=label("sign_out_asks"),
                danger=True,
            ),
        ]
    rows = [[moment(one.starts_at), moment(one.ends_at), text(other)] for one, _, other in away]
    acts = [[taking_off(f"{url}/absences/cancel", one.id.hex)] for one, _, _ in away] if may else []
    heads = [label(each) for each in ("from", "until", "substitute")]
    table = Table(caption=label("absences"), heads=heads, rows=rows, acts=acts)
    substitute = Field(name="substitute", label=label("substitute"), limit=24)
    absence = Form(
        name="absence",
        url=f"{url}/absences",
        title=label("absence_new"),
        button=label("absence_new"),
        fields=[*times(), substitute, once_field(fresh_once(parts))],
    )
    page = Sheet(
        title=text(f"{row.number} {row.name}"),
        url=url,
        back=(STAFF, label("staff")),
        sections=[
            Section(pairs=pairs, forms=forms),
            Section(title=label("absences"), table=table, forms=[absence] if may else []),
        ],
    )
    return sheet.show_sheet(request, visit, page, refused=refused)
