"""The live queue and the dashboard in a browser: at a desk, on a phone, dark, in Chinese, without script."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select

from models.people import Staff
from tests.browsing import DESKTOP, PHONE_DARK, PHONE_ZH, PLAIN, audit, browsing, shoot
from tests.conftest import Backend
from tests.factories import PUBLIC, Desk, make_desk
from tests.journeys.test_console_dashboard import a_week
from workers.access import open_session

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("backend", ["sqlite-inprocess"], indirect=True),
]
DASHBOARD = f"{PUBLIC}/console/dashboard"
LIVE = f"{PUBLIC}/console/live"
OPEN_ALL = "document.querySelectorAll('details').forEach(each => each.open = true)"
SEEN = "each => { const box = each.getBoundingClientRect(); return box.width * box.height }"


async def at_work(desk: Desk, page: Page, number: str = "QA001") -> None:
    """Somebody is signed in in this browser."""
    async with desk.workshop.begin() as uow:
        person = (await uow.session.scalars(select(Staff).where(Staff.number == number))).one()
        token, _ = await open_session(uow, person, "a test")
    await page.context.add_cookies(
        [
            {
                "name": "__Host-closeloop-session",
                "value": token,
                "url": PUBLIC,
                "secure": True,
                "httpOnly": True,
            }
        ]
    )


async def test_figures_are_readable_everywhere_and_filtered_by_keyboard(backend: Backend) -> None:
    async with make_desk(backend) as desk, browsing(desk.web._transport.app, PUBLIC) as browser:  # type: ignore[attr-defined]  # what stands behind the client
        await a_week(desk)
        async with browser.page(DESKTOP) as page:
            await at_work(desk, page)
            await page.goto(DASHBOARD)
            await audit(page)
            await shoot(page, "console-dashboard-desktop")
            await page.locator("details.filters > summary").focus()
            await page.keyboard.press("Enter")
            await page.get_by_label("Category").select_option("complaint")
            await page.get_by_label("Category").press("Enter")
            await page.get_by_role("button", name="Show").press("Enter")
            await expect(page.locator(".tiles dd").first).to_have_text("2")
            await page.get_by_role("link", name="Ratings").press("Enter")
            await expect(page).to_have_url(re.compile("view=ratings"))
            assert "category=complaint" in page.url, "a part keeps the filters"
            behind = page.locator(".graph-box summary").first
            await behind.press("Enter")
            await expect(page.get_by_role("table", name="Share of scores 1–2")).to_be_visible()
            await audit(page)
            await page.goto(f"{DASHBOARD}?since=yesterday")
            await expect(page.get_by_label("From (day)")).to_be_focused()
            await audit(page)
        async with browser.page(PHONE_DARK) as page:
            await at_work(desk, page)
            for view in ("overview", "trend", "ratings"):
                await page.goto(f"{DASHBOARD}?view={view}")
                await page.evaluate(OPEN_ALL)
                await audit(page)
                await shoot(page, f"console-dashboard-{view}-phone-dark")
            marked = page.locator("svg.chart .marked").first
            assert await marked.evaluate("each => getComputedStyle(each).fill") == "rgb(255, 157, 146)"
            assert await marked.evaluate(SEEN) > 0


async def test_the_live_queue_renews_itself_with_a_script_and_is_asked_for_without(backend: Backend) -> None:
    async with make_desk(backend) as desk, browsing(desk.web._transport.app, PUBLIC) as browser:  # type: ignore[attr-defined]  # what stands behind the client
        await a_week(desk)
        async with browser.page(PHONE_ZH) as page:
            await at_work(desk, page)
            await page.goto(LIVE)
            await page.evaluate(OPEN_ALL)
            await audit(page)
            await shoot(page, "console-live-phone-zh")
            await page.goto(f"{DASHBOARD}?view=groups")
            await audit(page)
            await shoot(page, "console-dashboard-groups-phone-zh")
        async with browser.page(PLAIN) as page:
            await at_work(desk, page)
            await page.goto(f"{LIVE}?every=30")
            meta = page.locator('meta[http-equiv="refresh"]')
            assert await meta.get_attribute("content") == "30"
            await shoot(page, "console-live-plain")
            await page.goto(DASHBOARD)
            await page.locator("details.filters > summary").click()
            await page.get_by_label("Category").select_option("complaint")
            await page.get_by_role("button", name="Show").click()
            await expect(page.locator(".tiles dd").first).to_have_text("2")
