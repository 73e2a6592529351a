"""Reports in the console: which were sent to whom, each as it was made, and one made now; files of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from markupsafe import Markup
from sqlalchemy import select
from starlette.responses import Response

from models.notifications import Notification
from models.people import Staff, Team
from models.reports import PeriodReport, PeriodReportSend
from workers.errors import InvalidInput, NotFound
from workers.policy.report_parts import KINDS
from workers.reports import FONTS, Press, Report, kept_report, wish
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import uuid_of
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import language_of, show
from workers.web.console.sheet import day as day_of
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

REPORTS = "/console/reports"
MOST = 100
FORMS = ("pdf", "xlsx")
CHART_WIDTH = 340


@router.api_route(REPORTS, methods=["GET", "HEAD"])
async def reports(request: Request, parts: Parts, visit: Visiting) -> Response:
    """The reports that were made, newest first, each with who got it, and what became of their mails."""
    async with parts.workshop.read() as uow:
        rows = (
            await uow.session.scalars(
                select(PeriodReport).order_by(PeriodReport.made_at.desc(), PeriodReport.id).limit(MOST)
            )
        ).all()
        sends = await _sends(uow, [row.id for row in rows])
        teams = list(await uow.session.scalars(select(Team.name).order_by(Team.name)))
    press = _press(parts)
    facts = {
        "rows": [_row(press, row, sends.get(row.id, []), language_of(request, parts, visit)) for row in rows],
        "kinds": list(KINDS),
        "teams": teams,
        "preview_url": f"{REPORTS}/now",
    }
    return show(request, visit, "console_reports", facts)


@router.api_route(f"{REPORTS}/now", methods=["GET", "HEAD"])
async def made_now(request: Request, parts: Parts, visit: Visiting) -> Response:
    """A report as the records stand now, to look at, print or take along; nothing is kept or sent."""
    given = {name: request.query_params.get(name, "").strip()[:64] for name in ("kind", "team", "for", "day")}
    day = day_of(given["day"], ZoneInfo(parts.settings.timezone))
    local = day.date() if day else None
    async with parts.workshop.read() as uow:
        asked = await wish(
            uow, given["kind"] or KINDS[0], supervisor=given["for"], team=given["team"], day=local
        )
        report = await asked.made(uow)
    kept = {name: value for name, value in given.items() if value}
    return await _answer(request, parts, visit, report, f"{REPORTS}/now", kept)


@router.api_route(f"{REPORTS}/{{ident}}", methods=["GET", "HEAD"])
async def kept(request: Request, parts: Parts, visit: Visiting, ident: str) -> Response:
    """A report as it was made and sent."""
    async with parts.workshop.read() as uow:
        row = await uow.session.get(PeriodReport, uuid_of(ident, "report"))
        if row is None:
            raise NotFound("there is no such report")
        report = await kept_report(uow, row)
    return await _answer(request, parts, visit, report, f"{REPORTS}/{ident}", {})


async def _answer(
    request: Request, parts: WebParts, visit: Visit, report: Report, url: str, query: Mapping[str, str]
) -> Response:
    """The page, or the file that `format` names."""
    press, locale = _press(parts), language_of(request, parts, visit)
    form = request.query_params.get("format", "")
    if form:
        return await _file(press, report, locale, form)
    facts = await asyncio.to_thread(_facts, press, report, locale)
    facts["files"] = [
        {"form": each, "url": f"{url}?{urlencode({**query, 'format': each})}"} for each in FORMS
    ]
    return show(request, visit, "console_report", {**facts, "list_url": REPORTS})


async def _file(press: Press, report: Report, locale: str, form: str) -> Response:
    if form not in FORMS:
        raise InvalidInput("there is no such form of a report", hint=", ".join(FORMS))
    file = await asyncio.to_thread(press.file, report, locale, form)
    if file is None:
        raise InvalidInput(
            "this machine has no font with Chinese characters",
            hint="take the workbook, or read it in English",
        )
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, media_type=file.media_type, headers=headers)


def _facts(press: Press, report: Report, locale: str) -> dict[str, Any]:
    told = press.saying(report, locale).report(report)
    number = 0
    for chapter in told["chapters"]:
        for table in chapter["tables"]:
            number += 1
            chart = table["chart"]
            table["id"] = f"table-{number}"
            table["chart"] = Markup(chart.to_svg(f"chart-{number}", CHART_WIDTH)) if chart else None  # noqa: S704 - drawn by us, its words escaped
    return {"report": told}


def _press(parts: WebParts) -> Press:
    return Press(parts.renderer, parts.settings.public_url, (parts.settings.data / FONTS,))


async def _sends(uow: UnitOfWork, reports: list[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    rows = await uow.session.execute(
        select(PeriodReportSend.report_id, Notification, Staff.name)
        .join(Notification, Notification.id == PeriodReportSend.notification_id)
        .join(Staff, Staff.id == Notification.staff_id)
        .where(PeriodReportSend.report_id.in_(reports))
        .order_by(Notification.id)
    )
    found: dict[UUID, list[dict[str, Any]]] = {}
    for report_id, sent, name in rows:
        told = {
            "name": name,
            "state": sent.state.value,
            "reason": sent.reason or "",
            "url": f"/console/messages/{sent.id.hex}",
        }
        found.setdefault(report_id, []).append(told)
    return found


def _row(press: Press, row: PeriodReport, sends: list[dict[str, Any]], locale: str) -> dict[str, Any]:
    head = Report(row.kind, row.first_day, row.last_day, row.zone, row.made_at, (), tuple(row.teams))  # type: ignore[arg-type]  # a kind, checked when it was made
    saying = press.saying(head, locale)
    return {
        "title": saying.title(head),
        "period": saying.period(head),
        "scope": saying.scope(head),
        "made_at": row.made_at.isoformat(),
        "url": f"{REPORTS}/{row.id.hex}",
        "sends": sends,
    }
