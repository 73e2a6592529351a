"""Reports, targets, improvements, weak links and tables in a browser: on a phone, dark, in both languages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.browsing import DESKTOP, Reader, audit, browsing, shoot
from tests.conftest import Backend
from tests.factories import PUBLIC, Desk, make_desk
from tests.journeys.test_console_dashboard import a_week
from tests.journeys.test_figures_in_a_browser import OPEN_ALL, at_work
from workers.reports import send_report, wish

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True),
]
DARK = Reader("390-dark", 390, 844, dark=True, touch=True)
CHINESE = Reader("390-zh", 390, 844, "zh-CN", touch=True)
CHINESE_DARK = Reader("390-zh-dark", 390, 844, "zh-CN", dark=True, touch=True)
READERS = (DESKTOP, DARK, CHINESE, CHINESE_DARK)
LONG = "退款进度说明 Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"


async def _made(desk: Desk, path: str, **body: Any) -> str:
    answer = await desk.api("POST", path, by="AM001", json=body, expect=201)
    return str(answer.json()["number"])


async def _case(desk: Desk) -> str:
    """A case with a measure of its own."""
    ident = (await desk.api("GET", "/followups")).json()["items"][0]["id"]
    contact = {"text": "said sorry", "reached": True}
    await desk.api("POST", f"/followups/{ident}/contact", by="AM001", json=contact)
    due = (desk.clock.now() + timedelta(days=9)).isoformat().replace("+00:00", "Z")
    measure = {"cause": "tool", "term": "long", "department": "Operations", "measure": LONG, "due_at": due}
    await desk.api("POST", f"/followups/{ident}/measure", by="AM001", json=measure)
    return str(ident).replace("-", "")


async def _pages(desk: Desk) -> dict[str, str]:
    """Everything there is to look at, by name."""
    await a_week(desk)
    case = await _case(desk)
    aim = {"measure": "first_response_median", "start": 3600, "goal": 1800, "months": 3, "owner": "AM001"}
    target = await _made(desk, "/targets", title=LONG, **aim)
    due = (desk.clock.now() + timedelta(days=20)).isoformat().replace("+00:00", "Z")
    plan = {"measure": LONG, "kind": "cross_team", "cause": "process", "department": "support"}
    plan |= {"owner": "AM001", "due_at": due, "figure": "first_response_mean"}
    improvement = await _made(desk, "/improvements", theme=LONG, category="complaint", **plan)
    await _made(desk, "/improvements", followup=case, **plan)
    await desk.api("POST", f"/improvements/{improvement}/progress", by="AM001", json={"text": LONG})
    desk.clock.advance(timedelta(days=8))
    async with desk.workshop.begin() as uow:
        asked = await wish(uow, "weekly", supervisor="AM001")
        report = (await send_report(uow, await asked.made(uow), asked.scope)).report.id.hex
    return {
        "reports": "reports",
        "report-sent": f"reports/{report}",
        "report-now": "reports/now?kind=monthly",
        "targets": "targets",
        "target": f"targets/{target}",
        "target-new": "targets/new",
        "improvements": "improvements",
        "improvement": f"improvements/{improvement}",
        "improvement-of-case": f"improvements/new?followup={case}",
        "case": f"followups/{case}",
        "causes": "dashboard?view=ratings&team=*",
        "weak-links": "weak-links",
        "tables": "tables",
    }


async def test_what_tells_and_changes_how_it_goes_is_readable_on_a_phone_by_night(backend: Backend) -> None:
    async with make_desk(backend) as desk, browsing(desk.web._transport.app, PUBLIC) as browser:  # type: ignore[attr-defined]  # what stands behind the client
        pages = await _pages(desk)
        for reader in READERS:
            async with browser.page(reader) as page:
                await at_work(desk, page, "AM001")
                for name, path in pages.items():
                    await page.goto(f"{PUBLIC}/console/{path}")
                    await page.evaluate(OPEN_ALL)
                    await audit(page)
                    await shoot(page, f"loop-{name}-{reader.name}")
