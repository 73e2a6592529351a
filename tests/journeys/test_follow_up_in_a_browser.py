"""The page of a case as a supervisor meets it on a phone, in both languages and by keyboard."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browsing import PHONE_ZH, audit, browsing, shoot
from tests.conftest import POSTGRESQL_REDIS, Backend
from tests.house import PUBLIC, link_in, open_house
from tests.journeys.test_follow_up_case import CAROL, rated

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("backend", [POSTGRESQL_REDIS], indirect=True)  # HTTP tests tell it of both
async def test_a_contact_is_logged_and_a_measure_set_on_the_page(backend: Backend) -> None:
    async with open_house(backend) as house, browsing(house.app, PUBLIC) as browser:
        await rated(house)
        link = link_in(await house.mail_of("low_score_alert", to=CAROL), "t", 1)
        async with browser.page(PHONE_ZH) as page:
            await page.goto(link)
            await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
            await audit(page)
            await shoot(page, "case-zh")
            await page.get_by_role("link", name="English").click()
            await expect(page.locator("html")).to_have_attribute("lang", "en")
            contact = page.locator("form:has(input[value=contact])")
            await contact.locator("button").focus()
            await page.keyboard.press("Enter")
            await expect(page.locator(".summary a")).to_have_count(2)
            await audit(page)
            await shoot(page, "case-lacking")
            await contact.locator("input[name=reached]").first.focus()
            await page.keyboard.press("Space")
            await contact.locator("textarea[name=text]").fill("已致歉")
            await contact.locator("button").click()
            await expect(page.locator("[role=status]")).to_be_visible()
            measure = page.locator("form:has(input[value=measure])")
            await measure.locator("label:has(input[value=tool])").click()
            await measure.locator("label:has(input[value=short])").click()
            await measure.locator("textarea[name=measure]").fill("证书到期前提醒")
            await measure.locator("input[name=department]").fill("运维")
            await measure.locator("input[name=due_on]").fill("2026-03-20")
            await audit(page)
            await shoot(page, "case-measure")
            await measure.locator("button").click()
            await expect(page.locator("form:has(input[value=evaluate])")).to_be_visible()
            await shoot(page, "case-evaluate")
        (case,) = (await house.api("GET", "/followups"))["items"]
        assert (case["state"], case["cause"], case["owner"]) == ("to_verify", "tool", "SV001")
