"""Who is signed in where, and the keys of the API: for administrators."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.access import StaffSession
from models.people import Staff
from workers.access import KeyGiven, Scope, add_key, end_session, every_key, living_sessions, revoke_key
from workers.errors import CloseloopError
from workers.web.api.common import uuid_of
from workers.web.console import sheet
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done
from workers.web.console.sheet import Field, Form, Section, Sheet, Table, badge, label, moment, text
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

ACCESS = "/console/access"
MOST = 500


@router.api_route(ACCESS, methods=["GET", "HEAD"])
async def access(request: Request, parts: Parts, visit: Visiting) -> Response:
    """All living sessions, and all keys."""
    return await _page(request, parts, visit)


@router.post(f"{ACCESS}/sessions/end")
async def end(parts: Parts, visit: Visiting) -> Response:
    """Somebody's session ends now."""
    async with parts.workshop.begin() as uow:
        await end_session(uow, uuid_of(visit.fields.get("id", ""), "session"))
    return done(parts, visit, ACCESS, "session_ended")


@router.post(f"{ACCESS}/keys")
async def make(request: Request, parts: Parts, visit: Visiting) -> Response:
    """A new key; its words are on the page that answers, and nowhere else."""
    given = visit.fields
    scopes = [scope for scope in Scope if given.get(f"scope_{scope.value}") == "1"]
    try:
        async with parts.workshop.begin() as uow:
            staff = given.get("staff", "").strip() or None
            wanted = KeyGiven(name=given.get("name", ""), scopes=scopes, staff=staff)
            words, _ = await add_key(uow, wanted, visit.person)
    except CloseloopError as error:
        return await _page(request, parts, visit, refused=error)
    return await _page(request, parts, visit, words=words)


@router.post(f"{ACCESS}/keys/revoke")
async def revoke(parts: Parts, visit: Visiting) -> Response:
    """A key opens nothing any more."""
    async with parts.workshop.begin() as uow:
        await revoke_key(uow, visit.fields.get("name", ""))
    return done(parts, visit, ACCESS, "key_revoked")


async def _page(
    request: Request,
    parts: WebParts,
    visit: Visit,
    *,
    words: str = "",
    refused: CloseloopError | None = None,
) -> Response:
    async with parts.workshop.read() as uow:
        found = await uow.session.execute(
            select(StaffSession, Staff)
            .join(Staff, Staff.id == StaffSession.staff_id)
            .where(*living_sessions(uow))
            .order_by(StaffSession.id.desc())
            .limit(MOST)
        )
        sessions = [(row[0], row[1]) for row in found]
        keys = await every_key(uow)
        now = uow.clock.now()
    shown = [Section(title=label("key_once"), intro=[text(words), label("key_once_intro")])] if words else []
    living = Table(
        caption=label("sessions_all"),
        heads=[label(each) for each in ("number", "name", "browser", "since", "used")],
        rows=[
            [
                text(person.number),
                text(person.name),
                text(row.browser),
                moment(row.made_at),
                moment(row.seen_at),
            ]
            for row, person in sessions
        ],
        acts=[[_ending(row)] for row, _ in sessions],
    )
    table = Table(
        caption=label("keys"),
        heads=[label(each) for each in ("name", "hint", "scopes", "number", "used", "until", "state")],
        rows=[
            [
                text(key.name),
                text(key.hint),
                text(", ".join(key.scopes)),
                text(owner.number if owner else ""),
                moment(key.last_used_at),
                moment(key.expires_at),
                badge(label("revoked" if key.revoked_at else "over" if _over(key, now) else "stands")),
            ]
            for key, owner in keys
        ],
        acts=[[] if key.revoked_at else [_revoking(key.name, key.id.hex)] for key, _ in keys],
    )
    page = Sheet(
        title=label("access"),
        url=ACCESS,
        sections=[
            *shown,
            Section(title=label("sessions_all"), table=living),
            Section(title=label("keys"), table=table, forms=[_making()]),
        ],
    )
    return sheet.show_sheet(request, visit, page, refused=refused)


def _over(key: object, now: object) -> bool:
    expires = getattr(key, "expires_at", None)
    return expires is not None and expires <= now


def _ending(row: StaffSession) -> Form:
    return Form(
        name=f"end-{row.id.hex}",
        url=f"{ACCESS}/sessions/end",
        title=label("end"),
        button=label("end"),
        fields=[Field(name="id", kind="hidden", value=row.id.hex)],
        danger=True,
    )


def _revoking(name: str, ident: str) -> Form:
    return Form(
        name=f"revoke-{ident}",
        url=f"{ACCESS}/keys/revoke",
        title=label("revoke"),
        button=label("revoke"),
        asks=label("revoke_asks"),
        fields=[Field(name="name", kind="hidden", value=name)],
        danger=True,
    )


def _making() -> Form:
    boxes = [
        Field(name=f"scope_{scope.value}", label=label(scope.value, "scope"), kind="check") for scope in Scope
    ]
    return Form(
        name="key",
        url=f"{ACCESS}/keys",
        title=label("key_new"),
        button=label("key_new"),
        fields=[
            Field(name="name", label=label("name"), need=True, limit=64),
            Field(name="staff", label=label("key_staff"), limit=24),
            *boxes,
        ],
    )
