"""The page where a customer types the code of an SMS that may hold no address of its own."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from workers import links
from workers.errors import NotFound
from workers.web.attempts import caller_of
from workers.web.pages import CODE_PATH, form_fields, own_url, page
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

PURPOSE = ("survey",)
SEE_OTHER = 303


@router.api_route(CODE_PATH, methods=["GET", "HEAD"])
async def ask(request: Request, parts: Parts) -> Response:
    """Asks for the code."""
    return page(request, "survey_code", {"code": "", "error": None, "action_url": own_url(request)})


@router.post(CODE_PATH)
async def enter(request: Request, parts: Parts) -> Response:
    """To the survey of this code. Raises TooManyAttempts for who tries one after the other."""
    parts.codes.count(caller_of(request))
    typed = (await form_fields(request)).get("code", "")
    code = links.typed_code(typed)
    try:
        async with parts.workshop.read() as uow:
            await links.find(uow, code, PURPOSE)
    except NotFound:
        facts = {
            "code": typed[:40],
            "error": "unknown" if code else "no_code",
            "action_url": own_url(request),
        }
        return page(request, "survey_code", facts, status=422)
    lang = request.query_params.get("lang")
    return RedirectResponse(f"/s/{code}" + (f"?{urlencode({'lang': lang})}" if lang else ""), SEE_OTHER)
