"""Sign-in on a phone at night, without script, by keyboard alone; the link opens in another browser."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browsing import DESKTOP, PHONE_DARK, audit, browsing, shoot
from tests.conftest import Backend
from tests.house import PUBLIC, open_house
from tests.journeys.test_sign_in import ALICE, mailed

pytestmark = pytest.mark.anyio


async def test_the_code_is_typed_where_it_was_asked_for_and_the_link_opens_anywhere(backend: Backend) -> None:
    async with open_house(backend) as house, browsing(house.app, PUBLIC) as browser:
        async with browser.page(PHONE_DARK) as page:
            await page.goto(f"{PUBLIC}/console?lang=en")
            await audit(page)
            await page.locator("#email").fill(ALICE)
            await page.keyboard.press("Enter")
            await expect(page.locator("#code")).to_be_visible()
            await house.settle()
            link, code = await mailed(house, ALICE)
            await audit(page)
            await shoot(page, "sign-in-code")
            await page.locator("#code").fill(code)
            await page.keyboard.press("Enter")
            await expect(page).to_have_url(f"{PUBLIC}/console")
            await audit(page)
            await shoot(page, "console-home")
        async with browser.page(DESKTOP) as page:
            await page.goto(f"{PUBLIC}{link}")
            await expect(page.locator("form")).to_have_count(0)
            await page.get_by_role("link", name="Ask for a new mail").click()
            await page.locator("#email").fill(ALICE)
            await page.get_by_role("button").click()
            await expect(page.locator("#code")).to_be_visible()
            await house.settle()
            link, _ = await mailed(house, ALICE)
        async with browser.page(DESKTOP) as page:
            await page.goto(f"{PUBLIC}{link}")
            await page.get_by_role("button").click()
            await expect(page).to_have_url(f"{PUBLIC}/console")
            await page.get_by_role("button").click()
            await expect(page.locator("#email")).to_be_visible()
