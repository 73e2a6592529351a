"""The dashboard: figures of a period beside those of the one before, with charts and their tables."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from markupsafe import Markup
from sqlalchemy import select
from starlette.responses import Response

from models.keys import PolicyVersion
from models.people import Staff, Team
from models.vocabulary import Category, Medium, Priority, Role
from workers.charts import Chart
from workers.measures import Group, Named, Special, Step, viewer_of
from workers.unit_of_work import UnitOfWork
from workers.web.console.cookies import LANGUAGE, read_cookie
from workers.web.console.dashboard_asked import ALL_TEAMS, FIELDS, NOT_FOR_AGENTS, Asked, asked_of, groups_for
from workers.web.console.dashboard_room import Room
from workers.web.console.dashboard_views import VIEWS
from workers.web.console.dashboard_words import Words
from workers.web.console.door import Visiting
from workers.web.console.frame import NAV, show
from workers.web.console.live_page import own_team
from workers.web.console.tickets import TICKETS
from workers.web.pages import page_locale
from workers.web.parts import Parts, WebParts
from workers.web.rules import rule_of

router = APIRouter(include_in_schema=False)

DASHBOARD = "/console/dashboard"
MOST_VERSIONS = 20
WIDE = 320
"""Units of a chart: its text can be read on a phone, where a unit is about a pixel."""
UNPROCESSABLE = 422
RELATED = ("/console/targets", "/console/improvements", "/console/weak-links", "/console/reports")
"""Pages beside the dashboard; a link to each that there is and that the reader may open."""
_GROUP_WORDS = {Group.CATEGORY: "category", Group.PRIORITY: "priority", Group.CHANNEL: "medium"}


@router.api_route(DASHBOARD, methods=["GET", "HEAD"])
async def dashboard(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Agents see their own figures and no ratings; a supervisor the own team's first, any other on demand."""
    locale = page_locale(request, read_cookie(request, parts.settings, LANGUAGE) or visit.person.locale)
    async with parts.workshop.read() as uow:
        teams = {row.name: row.id for row in await uow.session.scalars(select(Team))}
        first = own_team(visit.person, teams)
        asked = await asked_of(
            uow, visit.person, request.query_params, first, ZoneInfo(parts.settings.timezone)
        )
        choices = await _choices(uow, visit.person, sorted(teams))
    words = Words(locale, partial(_label, parts, locale))
    room = Room(
        parts.workshop, viewer_of(visit.person), asked, words, partial(_name_of, parts, locale, words)
    )
    facts, charts = await VIEWS[asked.view](room)
    before = asked.period.before()
    shown = {
        **_empty(),
        **facts,
        **choices,
        "view": asked.view,
        "views": _views(asked, visit.person),
        "given": {**asked.given, "by": asked.by.value, "step": asked.step.value},
        "errors": asked.errors,
        "opened": asked.wrong or _filtered(asked, first),
        "period": {"first": asked.period.first_day.isoformat(), "last": asked.period.last_day.isoformat()},
        "before": {"first": before.first_day.isoformat(), "last": before.last_day.isoformat()},
        "as_of": room.as_of.isoformat() if room.as_of else "",
        "dashboard_url": DASHBOARD,
        "ticket_list_url": TICKETS,
        "related": _related(visit.person),
        "agent": visit.person.role is Role.AGENT,
        "charts": await asyncio.to_thread(_drawn, charts),
    }
    return show(request, visit, "console_dashboard", shown, status=UNPROCESSABLE if asked.wrong else 200)


def _empty() -> dict[str, Any]:
    """What only some parts have."""
    return {"tiles": [], "changes": [], "special": [], "groups_table": None, "worst": None}


def _filtered(asked: Asked, team: str) -> bool:
    """Whether anything but the part and the reader's own team was chosen."""
    return any(
        value and not (name == "team" and value == team) and name not in ("view", "by", "step")
        for name, value in asked.given.items()
    )


def _drawn(charts: Sequence[Chart]) -> list[dict[str, Any]]:
    """Charts with the tables behind them. What is drawn has been cut down to shapes and escaped words."""
    return [
        {
            "id": f"chart-{number}",
            "title": chart.title,
            "svg": Markup(chart.to_svg(f"chart-{number}", WIDE)),  # noqa: S704 - made by us, its words escaped
            "heads": chart.heads(),
            "rows": _told(chart.table()),
        }
        for number, chart in enumerate(charts, 1)
    ]


def _told(rows: list[list[str]]) -> list[list[str]]:
    """The rows of a table, unless none says anything."""
    return rows if any(any(cells[1:]) for cells in rows) else []


async def _choices(uow: UnitOfWork, person: Staff, teams: list[str]) -> dict[str, Any]:
    """What the fields of the filter offer."""
    versions = await uow.session.scalars(
        select(PolicyVersion).order_by(PolicyVersion.applied_at.desc()).limit(MOST_VERSIONS)
    )
    return {
        "teams": [] if person.role is Role.AGENT else [ALL_TEAMS, *teams],
        "categories": list(Category),
        "priorities": list(Priority),
        "channels": list(Medium),
        "periods": list(Named),
        "steps": list(Step),
        "groups": groups_for(person),
        "specials": list(Special),
        "versions": [
            {"digest": row.digest[:12], "name": row.name, "at": row.applied_at.isoformat()}
            for row in versions
        ],
    }


def _views(asked: Asked, person: Staff) -> list[dict[str, str]]:
    """The parts of the dashboard, each with the filters that stand now."""
    kept = {name: asked.given[name] for name in FIELDS if asked.given[name] and name != "view"}
    return [
        {"code": code, "url": f"{DASHBOARD}?{urlencode({'view': code, **kept})}"}
        for code in VIEWS
        if not (person.role is Role.AGENT and code in NOT_FOR_AGENTS)
    ]


def _related(person: Staff) -> list[dict[str, str]]:
    labels = dict(NAV)
    return [
        {"url": path, "label": labels[path]}
        for path in RELATED
        if path in labels and person.role in (rule_of("GET", path).roles or ())
    ]


def _label(parts: WebParts, locale: str, code: str, group: str = "figures", **values: object) -> str:
    return parts.renderer.word(code, group, locale).format(**values)


def _name_of(parts: WebParts, locale: str, words: Words, group: Group, key: str, name: str) -> str:
    """The words for a group: those of a code, a person's name and number, else its own name."""
    if not key:
        return str(words.label("of_none"))
    if group in _GROUP_WORDS:
        return parts.renderer.word(key, _GROUP_WORDS[group], locale)
    return f"{name} {key}" if group is Group.STAFF else name or key
