"""What a process shows on a door of its own, for those who watch it: nothing of the site is needed for it."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.responses import Response

from workers.web import health
from workers.web.middleware import LastNet
from workers.web.parts import WebParts
from workers.web.problems import problem_of, problem_response

WebApp = FastAPI


def make_monitor_app(parts: WebParts) -> WebApp:
    """Health and figures alone; whatever fails is told as problem details."""
    app = FastAPI(title="closeloop", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.parts = parts
    app.add_middleware(LastNet, answer=_answer)
    app.router.routes.extend(health.router.routes)
    return app


async def _answer(request: Request, error: Exception) -> Response:
    route = request.scope.get("route")
    problem = problem_of(error, getattr(route, "path", "(no route)"))
    renderer = request.app.state.parts.renderer
    return problem_response(problem, lambda code: renderer.word(code, "missing", "en"))
