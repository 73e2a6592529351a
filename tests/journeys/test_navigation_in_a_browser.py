"""The console's navigation in groups: by keyboard at a desk, by touch on a phone, by night and in Chinese."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browsing import DESKTOP, PHONE_DARK, PHONE_ZH, Reader, audit, browsing, shoot
from tests.conftest import Backend
from tests.house import ADMIN, PUBLIC, House, open_house
from workers.access import open_session
from workers.directory import staff_by_email

pytestmark = pytest.mark.anyio

DESKTOP_DARK = Reader("desktop-dark", 1200, 900, dark=True)
NARROW_DESK = Reader("narrow-desk", 800, 700, script=True)


async def _enter(house: House, page: Page, address: str) -> None:
    """This person is signed in in this browser."""
    async with house.workshop.begin() as uow:
        person = await staff_by_email(uow, address)
        assert person is not None
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


async def _by_keyboard(page: Page) -> None:
    """Enter opens a group, Tab leads to its links, another group closes it, and one sees where one is."""
    await page.goto(f"{PUBLIC}/console/webhooks")
    nav = page.locator("nav.wide")
    await expect(nav.locator("summary.here")).to_contain_text("Administration")
    await expect(nav.get_by_role("link")).to_have_count(0)
    await nav.locator("summary", has_text="Work").focus()
    await page.keyboard.press("Enter")
    await expect(nav.get_by_role("link", name="My work")).to_be_visible()
    await nav.locator("summary", has_text="Quality").focus()
    await page.keyboard.press("Enter")
    await expect(nav.get_by_role("link", name="My work")).to_be_hidden()
    await audit(page)
    await shoot(page, "navigation-desktop")
    for _ in range(2):
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{PUBLIC}/console/reports")
    await nav.locator("summary", has_text="Quality").click()
    await expect(nav.locator("[aria-current=page]")).to_have_text("Reports")


async def test_groups_open_by_keyboard_and_touch_and_show_each_role_its_own(backend: Backend) -> None:
    async with open_house(backend) as house, browsing(house.app, PUBLIC) as browser:
        async with browser.page(DESKTOP) as page:
            await _enter(house, page, ADMIN)
            await _by_keyboard(page)
        for reader in (PHONE_ZH, PHONE_DARK):
            async with browser.page(reader) as page:
                await _enter(house, page, ADMIN)
                await page.goto(f"{PUBLIC}/console/webhooks?lang={'zh_CN' if reader is PHONE_ZH else 'en'}")
                await page.locator("nav.narrow summary").click()
                await expect(page.locator("nav.narrow p")).to_have_count(4)
                await expect(page.locator("nav.narrow [aria-current=page]")).to_contain_text("Webhook")
                await audit(page)
                await shoot(page, f"navigation-{reader.name}")
        for reader in (DESKTOP_DARK, NARROW_DESK):
            async with browser.page(reader) as page:
                await _enter(house, page, "alice@help.example")
                await page.goto(f"{PUBLIC}/console/tickets")
                groups = page.locator("nav.wide summary")
                await expect(groups).to_have_count(3)
                await expect(groups.last).to_have_text("Quality")
                await groups.first.click()
                links = await page.locator("nav.wide").get_by_role("link").all_inner_texts()
                assert ("Tickets" in links, "Where I am signed in" in links, len(links)) == (True, True, 8)
                await audit(page)
                await shoot(page, f"navigation-{reader.name}")
