"""Make the web application out of its parts; nothing exists before it is called."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from workers import __version__
from workers.errors import CloseloopError
from workers.rendering import Renderer
from workers.web import (
    action_pages,
    code_page,
    customer_pages,
    health,
    hooks,
    mail_hooks,
    sms_hooks,
    status_pages,
    survey_call_page,
    survey_pages,
)
from workers.web.api import RESOURCES
from workers.web.api.entry import find_key
from workers.web.auditing import AuditSeam
from workers.web.console import ROOMS, SignInNeeded, sign_in_url
from workers.web.counting import Counted, first_segment
from workers.web.described import describe
from workers.web.middleware import ApiDoor, LastNet, SafeHeaders
from workers.web.pages import error_page, page_locale, wants_page
from workers.web.parts import WebParts
from workers.web.problems import problem_of, problem_response

__all__ = ["WebParts", "make_app"]

SEE_OTHER = 303
# In this order an address is compared with them: what most people open comes before the many of the API.
ROUTERS = (
    survey_pages.router,
    sms_hooks.router,
    hooks.router,
    mail_hooks.router,
    hooks.others,
    *RESOURCES,
    code_page.router,
    survey_call_page.router,
    action_pages.router,
    customer_pages.router,
    status_pages.router,
    *ROOMS,
    health.router,
)
SUMMARY = "Asynchronous notification service for customer-support teams: nobody is forgotten."


def make_app(parts: WebParts) -> FastAPI:
    """The application with all its routes. It opens nothing and starts nothing by itself."""
    app = FastAPI(
        title="closeloop",
        version=__version__,
        summary=SUMMARY,
        docs_url=None,  # it would load scripts from elsewhere; /openapi.json can be read by any viewer
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    for kind in (CloseloopError, HTTPException, RequestValidationError, SQLAlchemyError):
        app.add_exception_handler(kind, _answer)
    app.add_middleware(ApiDoor, settings=parts.settings, find_key=partial(find_key, parts))
    app.add_middleware(LastNet, answer=_answer)
    app.add_middleware(AuditSeam, parts=parts)
    app.add_middleware(SafeHeaders, https=parts.settings.public_url.startswith("https:"))
    app.add_middleware(Counted, metrics=parts.metrics, tracer=parts.workshop.tracer, areas=_areas())
    for router in ROUTERS:
        # Not `include_router`: it builds all routes anew for each application, and looks for one twice or
        # thrice per request. None of these routers needs more than it says itself.
        app.router.routes.extend(router.routes)
    describe(app)
    return app


def _areas() -> set[str]:
    """The first segments of all paths that there are."""
    paths = (getattr(route, "path", "") for router in ROUTERS for route in router.routes)
    return {area for path in paths if (area := first_segment(path)) and not area.startswith("{")}


async def _answer(request: Request, error: Exception) -> Response:
    """The one place where errors become answers: a page for people, problem details for machines."""
    route = request.scope.get("route")
    problem = problem_of(error, getattr(route, "path", "(no route)"))
    if isinstance(error, SignInNeeded):
        return RedirectResponse(sign_in_url(error.next_path), SEE_OTHER)
    if wants_page(request):
        return error_page(request, problem)
    renderer: Renderer = request.app.state.parts.renderer
    locale = page_locale(request)
    return problem_response(problem, lambda code: renderer.word(code, "missing", locale))
