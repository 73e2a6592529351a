"""The page of the link to accept a ticket, as an agent meets it on a phone."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browsing import PHONE, PHONE_DARK, PHONE_ZH, PLAIN, audit, browsing, shoot
from tests.callers import new_request
from tests.conftest import POSTGRESQL_REDIS, Backend
from tests.house import PUBLIC, link_in, open_house

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("backend", [POSTGRESQL_REDIS], indirect=True)  # HTTP tests tell it of both
async def test_what_intake_took_it_for_is_corrected_by_touch_or_keyboard_and_accepted(
    backend: Backend,
) -> None:
    async with open_house(backend) as house, browsing(house.app, PUBLIC) as browser:
        number = await new_request(house)
        link = link_in(await house.mail_of("assignment"), "t")
        for reader in (PHONE_ZH, PHONE, PHONE_DARK):
            async with browser.page(reader) as page:
                await page.goto(f"{link}?lang={'zh_CN' if reader is PHONE_ZH else 'en'}")
                await audit(page)
                await shoot(page, f"accept-{reader.name}-{'dark' if reader.dark else 'light'}")
        async with browser.page(PLAIN) as page:
            await page.goto(f"{link}?lang=en")
            await page.get_by_label("Priority").select_option("urgent")
            await page.get_by_label("Category").focus()
            await page.keyboard.type("Compl")
            await page.get_by_role("button", name="Accept").click()
            await expect(page.get_by_role("alert")).to_be_visible()
            await expect(page.get_by_label("Priority")).to_have_value("urgent")
            await shoot(page, "accept-too-late")
            await page.get_by_role("button", name="Accept").click()
            await expect(page.locator("form")).to_have_count(0)
        shown = await house.api("GET", f"/tickets/{number}")
        assert (shown["priority"], shown["category"], shown["needs_triage"]) == ("urgent", "complaint", False)
        assert shown["accepted_at"] is not None
