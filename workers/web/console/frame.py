"""What all pages of the console share: navigation by role, who is signed in, language, flash, quiet refresh.

How to add a page:

1. Write a router module beside this one; add it to `router.py`, and each route to `workers/web/rules.py`.
2. Each route takes `visit: Visiting`. It has checked host, session, role and (for POST) the form's proof;
   `visit.person` is who looks, `visit.fields` are the fields of a posted form.
3. Read in `async with parts.workshop.read() as uow`, then `return show(request, visit, "console_x", facts)`.
4. The template `templates/web/console_x.html` extends `web/_console.html` and fills the blocks `title` and
   `main` (one h1). Pieces: `{% from "web/_console_parts.html" import table, td with context %}`.
5. Words stand in `templates/labels.*.json`: your own group for the page, `nav` for its entry, `console_done`
   for what a flash says. Sample facts: `templates/web/samples/console_x.json`; add the name to
   `tests/unit/test_pages.py`.
6. For an entry in the navigation add one line to a group of `NAV_GROUPS`. Who sees it follows from
   `workers/web/rules.py`.
7. Forms are POST with `proof()`; what was wrong is shown by `show(..., status=422)` with `errors` and what
   was typed. When it is done: `return done(parts, visit, "/console/x", "code")`, which shows the flash once.
8. What changes while one looks stands in an element with an id and `data-live`: the script refreshes it.
   It needs no script otherwise. Write nothing there that a person types into.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from models.vocabulary import Role
from workers.web.console.cookies import LANGUAGE, read_cookie, set_cookie
from workers.web.console.door import HOME, Visit, Visiting
from workers.web.pages import OTHER, page, page_locale
from workers.web.parts import WebParts
from workers.web.rules import rule_of

router = APIRouter(include_in_schema=False)

NAV_GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "work",
        (
            (HOME, "home"),
            ("/console/live", "live"),
            ("/console/tickets", "tickets"),
            ("/console/attention", "attention"),
            ("/console/communications", "talks"),
            ("/console/search", "search"),
            ("/console/knowledge", "knowledge"),
            ("/console/sessions", "sessions"),
        ),
    ),
    (
        "of_customers",
        (
            ("/console/customers", "customers"),
            ("/console/followups", "followups"),
            ("/console/messages", "messages"),
            ("/console/suppressions", "suppressions"),
            ("/console/blocked-senders", "blocked"),
        ),
    ),
    (
        "quality",
        (
            ("/console/dashboard", "dashboard"),
            ("/console/reports", "reports"),
            ("/console/weak-links", "weak_links"),
            ("/console/improvements", "improvements"),
            ("/console/targets", "targets"),
            ("/console/tables", "tables"),
        ),
    ),
    (
        "administration",
        (
            ("/console/intake", "intake"),
            ("/console/staff", "staff"),
            ("/console/duties", "duties"),
            ("/console/policy", "policy"),
            ("/console/access", "access"),
            ("/console/webhooks", "webhooks"),
            ("/console/audit", "audit"),
        ),
    ),
)
"""The groups of the navigation (labels of `nav_group`), with path and label (of `nav`) of each entry."""
NAV = tuple(entry for _, entries in NAV_GROUPS for entry in entries)

HELD_LIST = "/console/messages"
HELD = f"{HELD_LIST}?state=held"
SCRIPT = "/console/live.js"
SEE_OTHER = 303
YEAR = 365 * 24 * 3600
MARK_CHARS = 12


def show(
    request: Request, visit: Visit, name: str, facts: Mapping[str, Any], *, status: int = 200
) -> Response:
    """The page `templates/web/<name>.html` in the console's frame; 304 when the reader has it already.

    `facts` get `form_token` and `frame`; `stale: True` among them says that the thing changed meanwhile.
    """
    parts: WebParts = request.app.state.parts
    locale = language_of(request, parts, visit)
    shared = {
        "form_token": visit.form_token,
        "frame": _frame(request, parts, visit, bool(facts.get("stale"))),
        "other_locale_url": _other_language(request, locale),
    }
    csp = parts.renderer.console_csp
    response = page(request, name, {**shared, **facts}, locale=locale, status=status, csp=csp)
    if "lang" in request.query_params:
        set_cookie(response, parts.settings, LANGUAGE, locale, YEAR)
    return _unless_known(request, response) if request.method == "GET" and status == 200 else response


def done(parts: WebParts, visit: Visit, path: str, code: str) -> Response:
    """Back to a page after a form: `code` of the labels' group `console_done` is said there once."""
    url = urlsplit(path)
    query = "&".join(
        filter(None, (url.query, urlencode({"done": f"{code}.{_mark(parts, visit, url.path, code)}"})))
    )
    return RedirectResponse(f"{url.path}?{query}", SEE_OTHER)


@router.api_route(SCRIPT, methods=["GET", "HEAD"])
async def script(visit: Visiting) -> Response:
    """The small script behind the quiet refresh, as it comes with the package."""
    body = _script()
    return Response(body, media_type="text/javascript", headers={"Cache-Control": "private, max-age=86400"})


def _frame(request: Request, parts: WebParts, visit: Visit, stale: bool) -> dict[str, Any]:
    person = visit.person
    return {
        "nav": _groups(person.role, request.url.path),
        "person": {"name": person.name, "number": person.number, "role": person.role.value},
        "home_url": HOME,
        "sessions_url": "/console/sessions",
        "sign_out_url": "/console/sign-out",
        "script_url": f"{SCRIPT}?v={hashlib.sha256(_script()).hexdigest()[:12]}",
        "done": _said(request, parts, visit),
        "stale": stale,
        "test_mode": parts.settings.mode == "test",
        "held_url": HELD if person.role in (rule_of("GET", HELD_LIST).roles or ()) else None,
    }


def _groups(role: Role, here: str) -> list[dict[str, Any]]:
    """The groups with what this role may see; `here`: the page, or one below it, is among them."""
    shown = []
    for group, entries in NAV_GROUPS:
        seen = [(path, label) for path, label in entries if role in (rule_of("GET", path).roles or ())]
        if seen:
            inside = any(_below(here, path) for path, _ in seen)
            links = [{"path": path, "label": label, "here": path == here} for path, label in seen]
            shown.append({"label": group, "here": inside, "entries": links})
    return shown


def _below(here: str, path: str) -> bool:
    """Whether a page is this entry's own, or one below it; all are below the start page."""
    return here == path or (path != HOME and here.startswith(f"{path}/"))


def _script() -> bytes:
    return files("templates").joinpath("web", "static", "live.js").read_bytes()


def _said(request: Request, parts: WebParts, visit: Visit) -> str | None:
    """The flash that `done` put into the address; nobody else can have a page of ours say something."""
    code, _, mark = request.query_params.get("done", "").partition(".")
    if request.method != "GET" or not code or not mark:
        return None
    right = _mark(parts, visit, request.url.path, code)
    return code if hmac.compare_digest(mark.encode(), right.encode()) else None


def _mark(parts: WebParts, visit: Visit, path: str, code: str) -> str:
    return parts.workshop.vault.lookup("flash", f"{visit.secret} {path} {code}").hex()[:MARK_CHARS]


def language_of(request: Request, parts: WebParts, visit: Visit) -> str:
    """As chosen on this page or last in this browser, else the person's own."""
    return page_locale(request, read_cookie(request, parts.settings, LANGUAGE) or visit.person.locale)


def _other_language(request: Request, locale: str) -> str | None:
    """The same page in the other language; none after a form, whose page has no address of its own."""
    if request.method != "GET":
        return None
    kept = [(key, value) for key, value in request.query_params.items() if key not in ("lang", "done")]
    return "?" + urlencode([("lang", OTHER[locale]), *kept])


def _unless_known(request: Request, response: Response) -> Response:
    """With an ETag; nothing but the head when the caller named it (RFC 9110 §13.1.2)."""
    tag = f'W/"{hashlib.sha256(bytes(response.body)).hexdigest()[:24]}"'
    response.headers["ETag"] = tag
    given = {each.strip() for each in request.headers.get("if-none-match", "").split(",")}
    if tag not in given:
        return response
    return Response(status_code=304, headers={"ETag": tag})
