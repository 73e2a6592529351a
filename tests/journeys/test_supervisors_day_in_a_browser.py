"""A supervisor looks around at a desk and on a phone, in Chinese too: every page is readable and operable."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from models.people import Customer
from models.vocabulary import NotificationState
from tests.browsing import DESKTOP, PHONE_ZH, audit, browsing, shoot
from tests.callers import CAROL, new_request
from tests.conftest import Backend
from tests.house import PUBLIC, House, open_house
from workers.access import open_session
from workers.directory import staff_by_email

pytestmark = pytest.mark.anyio


async def at_work(house: House, page: Page) -> None:
    """Carol is signed in in this browser."""
    async with house.workshop.begin() as uow:
        person = await staff_by_email(uow, CAROL)
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


async def _a_day(house: House) -> tuple[str, str]:
    """An overdue request, a message that failed, a sender that is blocked; gives a message and a customer."""
    await new_request(house)
    await house.pass_time(timedelta(hours=30))
    rows = await house.notifications("receipt")
    async with house.workshop.begin() as uow:
        receipt: Any = await uow.session.get_one(type(rows[0]), rows[0].id)
        receipt.state, receipt.reason = NotificationState.FAILED, "gave_up: connection_failed"
        customer = await uow.session.get_one(Customer, receipt.customer_id)
    await house.api("POST", "/suppressions", {"address": "li@163.example"}, by=CAROL)
    return rows[0].id.hex, customer.code


async def test_every_page_is_readable_and_a_message_is_sent_again_by_keyboard(backend: Backend) -> None:
    async with open_house(backend) as house, browsing(house.app, PUBLIC) as browser:
        message, customer = await _a_day(house)
        async with browser.page(DESKTOP) as page:
            await at_work(house, page)
            await page.goto(f"{PUBLIC}/console/attention")
            await audit(page)
            await page.goto(f"{PUBLIC}/console/messages")
            await page.locator("summary", has_text="Filter").click()
            await page.locator("#filter-state").select_option("failed")
            await page.get_by_role("button", name="Show").click()
            await expect(page).to_have_url(re.compile("state=failed"))
            await page.get_by_role("link", name="receipt").click()
            await expect(page).to_have_url(f"{PUBLIC}/console/messages/{message}")
            await page.locator("summary", has_text="Send it again").focus()
            await page.keyboard.press("Enter")
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("status")).to_have_text("It leaves now.")
            await audit(page)
        async with browser.page(PHONE_ZH) as page:
            await at_work(house, page)
            for path in ("attention", "messages", "suppressions", f"customers/{customer}", "staff", "policy"):
                await page.goto(f"{PUBLIC}/console/{path}")
                await page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
                await audit(page)
                await shoot(page, f"console-{path.split('/')[0]}-phone-zh")
