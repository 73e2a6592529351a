"""The start page after sign-in: who one is, one's tickets with their clocks, one's sessions."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from models.vocabulary import Role
from workers.access import end_own, end_session, open_sessions
from workers.errors import NotFound
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import uuid_of
from workers.web.console.attention_page import nobody_leads
from workers.web.console.cookies import SESSION, set_cookie
from workers.web.console.door import HOME, SIGN_IN, Visit, Visiting
from workers.web.console.frame import show
from workers.web.console.my_tickets import my_tickets
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

SEE_OTHER = 303
SESSIONS = "/console/sessions"


@router.api_route(HOME, methods=["GET", "HEAD"])
async def start(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Name, role, and the tickets this person has in hand, the most urgent first."""
    async with parts.workshop.read() as uow:
        tickets = await my_tickets(uow, visit.person)
        lacking = visit.person.role is not Role.AGENT and await nobody_leads(uow)
    return show(request, visit, "console_home", {"tickets": tickets, "nobody_leads": lacking})


@router.api_route(SESSIONS, methods=["GET", "HEAD"])
async def sessions(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Where this person is signed in."""
    async with parts.workshop.read() as uow:
        rows = await _rows(uow, visit)
    facts = {"sessions": rows, "end_url": f"{SESSIONS}/end"}
    return show(request, visit, "console_sessions", facts)


@router.post(f"{SESSIONS}/end")
async def end(parts: Parts, visit: Visiting) -> Response:
    """End one of one's own sessions; it may be this one."""
    ident = uuid_of(visit.fields.get("session", ""), "session")
    async with parts.workshop.begin() as uow:
        with suppress(NotFound):  # it is over already, or was never theirs: the list says what is left
            await end_own(uow, visit.person, ident)
    return RedirectResponse(SESSIONS, SEE_OTHER)


@router.post("/console/sign-out")
async def sign_out(parts: Parts, visit: Visiting) -> Response:
    """This session ends here and in the database."""
    async with parts.workshop.begin() as uow:
        await end_session(uow, visit.session.id)
    response = RedirectResponse(SIGN_IN, SEE_OTHER)
    set_cookie(response, parts.settings, SESSION, "", 0)
    return response


async def _rows(uow: UnitOfWork, visit: Visit) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id.hex,
            "browser": row.browser,
            "made_at": row.made_at.isoformat(),
            "seen_at": row.seen_at.isoformat(),
            "this": row.id == visit.session.id,
        }
        for row in await open_sessions(uow, visit.person)
    ]
