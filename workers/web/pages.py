"""Pages for people: which language, which facts all pages share, and how an error looks to a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import structlog
from fastapi import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from workers.errors import TemplateError
from workers.rendering.renderer import fall_back
from workers.web.bodies import FORM_CAP, read_body
from workers.web.parts import WebParts
from workers.web.problems import MalformedBody, Problem

CODE_PATH = "/p"
STATUS_PATH = "/q"
PAGE_PATHS = ("/s/", "/t/", "/c/", "/u/", "/a/", "/q/", "/console/")
MOST_FIELDS = 60
OTHER = {"en": "zh_CN", "zh_CN": "en"}
CODES = {
    429: "too_many",
    403: "forbidden",
    409: "conflict",
    410: "conflict",
    413: "too_large",
    503: "unavailable",
}
log = structlog.get_logger(__name__)


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer: a link from a message, or a browser gone astray."""
    path = request.url.path
    if path.startswith(PAGE_PATHS) or path in (CODE_PATH, STATUS_PATH, "/console"):
        return True
    return not path.startswith(("/api/", "/hooks/")) and "text/html" in request.headers.get("accept", "")


def page_locale(request: Request, known: str | None = None) -> str:
    """?lang= as chosen by the reader, else what is known of them, else their browser's, else the team's."""
    parts: WebParts = request.app.state.parts
    browser = request.headers.get("accept-language", "")
    return fall_back(request.query_params.get("lang") or known or browser or parts.settings.locale)


def page(
    request: Request,
    name: str,
    facts: Mapping[str, Any],
    *,
    locale: str | None = None,
    status: int = 200,
    csp: str | None = None,
) -> Response:
    """Render `templates/web/<name>.html` with the facts all pages share. `locale`: the reader's, if known.

    `csp`: another Content-Security-Policy than that of pages without script.
    """
    parts: WebParts = request.app.state.parts
    chosen = page_locale(request, locale)
    shared = {"zone": parts.settings.timezone, "team": team_facts(parts, chosen)}
    shared["other_locale_url"] = _other_language(request, chosen)
    html = parts.renderer.render_page(name, chosen, {**shared, **facts})
    headers = {
        "Content-Security-Policy": csp or parts.renderer.page_csp,
        "Content-Language": chosen.replace("_", "-"),
    }
    return HTMLResponse(html, status, headers)


def team_facts(parts: WebParts, locale: str) -> dict[str, str]:
    """Name, hours and address of the team, as every page shows them."""
    policy = parts.workshop.policy
    wording = policy.teams.get(policy.default_team)
    shown = wording.for_locale(locale) if wording else policy.default_team
    return {
        "name": parts.settings.mail_from_name or shown,
        "hours": policy.calendar.hours_text(locale),
        "address": parts.settings.mail_from,
    }


def own_url(request: Request) -> str:
    """Where a page's form is sent to: the page itself, in the chosen language."""
    lang = request.query_params.get("lang")
    return request.url.path + (f"?{urlencode({'lang': fall_back(lang)})}" if lang else "")


def _other_language(request: Request, locale: str) -> str:
    kept = [(name, value) for name, value in request.query_params.items() if name in ("score", "next")]
    return "?" + urlencode([("lang", OTHER[locale]), *kept])


def error_page(request: Request, problem: Problem) -> Response:
    """The page for an error; plain text when not even that can be rendered."""
    name = "link_unknown" if problem.status == 404 else "error"
    code = CODES.get(problem.status, "invalid" if 400 <= problem.status < 500 else None)
    facts = {"code": code, "reference": problem.reference or None}
    try:
        response = page(request, name, facts, status=problem.status)
    except TemplateError as error:
        log.error("error_page_failed", error=error.message)  # noqa: TRY400 - its words are safe, its trace is not
        response = PlainTextResponse(problem.detail, problem.status)
    response.headers.update(problem.headers)
    return response


async def form_fields(request: Request) -> dict[str, str]:
    """The fields of a posted form (urlencoded, UTF-8); line ends as LF, no NUL, the last of equals.

    Raises MalformedBody for too many fields, TooLarge beyond a megabyte.
    """
    raw = await read_body(request, FORM_CAP)
    try:
        pairs = parse_qsl(
            raw.decode("utf-8", "replace"),
            keep_blank_values=True,
            max_num_fields=MOST_FIELDS,
            errors="replace",
        )
    except ValueError as error:
        raise MalformedBody("the form has too many fields") from error
    return {name: value.replace("\r\n", "\n").replace("\0", "") for name, value in pairs}
