"""Sign-in by mailed link or by the code beside it. Opening a link signs nobody in: the button does."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from models.people import Staff
from workers import links, signing_in
from workers.access import LONGEST_SESSION, open_session
from workers.errors import InvalidInput
from workers.unit_of_work import UnitOfWork
from workers.web.attempts import caller_of
from workers.web.auditing import reached
from workers.web.console.cookies import BROWSER, SESSION, set_cookie
from workers.web.console.door import HOME, SIGN_IN, Visit, Visiting, form_token, safe_next
from workers.web.pages import own_url, page
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

SEE_OTHER = 303
BROWSER_SECONDS = 24 * 3600


@router.api_route(SIGN_IN, methods=["GET", "HEAD"])
async def ask(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Asks for the mail address."""
    next_path = safe_next(request.query_params.get("next", ""))
    return _form(request, parts, visit, "console_sign_in", {"next": next_path, "error": None, "email": ""})


@router.post(SIGN_IN)
async def send(request: Request, parts: Parts, visit: Visiting) -> Response:
    """The same answer for every address; what comes of it is found out by an errand."""
    parts.sign_ins.count(caller_of(request))
    email = visit.fields.get("email", "").strip()[:254]
    next_path = safe_next(visit.fields.get("next", ""))
    try:
        async with parts.workshop.begin() as uow:
            await signing_in.ask(uow, email, visit.secret, next_path)
    except InvalidInput:
        facts = {"next": next_path, "error": "email", "email": email}
        return _form(request, parts, visit, "console_sign_in", facts, status=422)
    return RedirectResponse(f"{SIGN_IN}/code", SEE_OTHER)


@router.api_route(f"{SIGN_IN}/code", methods=["GET", "HEAD"])
async def ask_code(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Says that a mail is on its way, if the address is one of ours, and asks for its code."""
    return _form(request, parts, visit, "console_code", {"error": None})


@router.post(f"{SIGN_IN}/code")
async def by_code(request: Request, parts: Parts, visit: Visiting) -> Response:
    """In by the code, in the browser that asked for it."""
    parts.codes.count(f"sign-in {caller_of(request)}")
    async with parts.workshop.begin() as uow:
        found = await signing_in.by_code(uow, visit.secret, visit.fields.get("code", "")[:40])
        opened = (await _open(uow, request, found[0]), found[1]) if found else None
    if opened is None:
        return _form(request, parts, visit, "console_code", {"error": "code"}, status=422)
    return _let_in(parts, *opened)


@router.api_route(f"{SIGN_IN}/{{token}}", methods=["GET", "HEAD"])
async def show_link(request: Request, parts: Parts, visit: Visiting, token: str) -> Response:
    """Shows a button: scanners of mail open every link, and sign nobody in."""
    try:
        async with parts.workshop.read() as uow:
            await signing_in.look(uow, token)
    except (links.LinkUsed, links.LinkExpired):
        return _over(request)
    return _form(request, parts, visit, "console_enter", {})


@router.post(f"{SIGN_IN}/{{token}}")
async def by_link(request: Request, parts: Parts, visit: Visiting, token: str) -> Response:
    """In by the link, once, in whatever browser it was opened."""
    parts.codes.count(f"sign-in {caller_of(request)}")
    try:
        async with parts.workshop.begin() as uow:
            person, next_path = await signing_in.by_link(uow, token)
            session = await _open(uow, request, person)
    except (links.LinkUsed, links.LinkExpired):
        return _over(request)
    return _let_in(parts, session, next_path)


async def _open(uow: UnitOfWork, request: Request, person: Staff) -> str:
    """A session with a token of its own: whatever cookies came, none becomes a session's (fixation)."""
    reached(request).staff_id = person.id
    token, _ = await open_session(uow, person, request.headers.get("user-agent", ""))
    return token


def _let_in(parts: WebParts, token: str, next_path: str) -> Response:
    response = RedirectResponse(safe_next(next_path), SEE_OTHER)
    set_cookie(response, parts.settings, SESSION, token, int(LONGEST_SESSION.total_seconds()))
    set_cookie(response, parts.settings, BROWSER, "", 0)
    return response


def _over(request: Request) -> Response:
    return page(request, "console_link_over", {"sign_in_url": SIGN_IN}, status=410)


def _form(
    request: Request, parts: WebParts, visit: Visit, name: str, facts: dict[str, Any], *, status: int = 200
) -> Response:
    """A page with a form, and the cookie that proves it; the browser gets one if it has none."""
    secret = visit.secret or parts.workshop.vault.new_token()
    proof = form_token(parts.workshop.vault, secret)
    shown = {"form_token": proof, "action_url": own_url(request), "home_url": HOME, **facts}
    response = page(request, name, shown, status=status)
    set_cookie(response, parts.settings, BROWSER, secret, BROWSER_SECONDS)
    return response
