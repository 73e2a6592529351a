"""The page of a case as a supervisor meets it on a phone, by keyboard and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browsing import PHONE_ZH, PLAIN, Reader, audit, browsing, shoot
from tests.conftest import Backend
from tests.house import PUBLIC, link_in, open_house
from tests.journeys.test_follow_up_case import CAROL, rated

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


@pytest.mark.parametrize("reader", [PHONE_ZH, PLAIN], ids=lambda reader: reader.name)
async def test_a_contact_is_logged_and_a_measure_set_on_the_page(backend: Backend, reader: Reader) -> None:
    async with open_house(backend) as house, browsing(house.app, PUBLIC) as browser:
        await rated(house)
        link = link_in(await house.mail_of("low_score_alert", to=CAROL), "t", 1)
        async with browser.page(reader) as page:
            await page.goto(f"{link}?lang={'en' if reader is PLAIN else 'zh_CN'}")
            if reader.script:
                await audit(page)
            await shoot(page, f"case-{reader.name}")
            contact = page.locator("form:has(input[value=contact])")
            await contact.locator("button").focus()
            await page.keyboard.press("Enter")
            await expect(page.locator(".summary a")).to_have_count(2)
            if reader.script:
                await audit(page)
            await shoot(page, f"case-lacking-{reader.name}")
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
            if reader.script:
                await audit(page)
            await shoot(page, f"case-measure-{reader.name}")
            await measure.locator("button").click()
            await expect(page.locator("form:has(input[value=evaluate])")).to_be_visible()
            await shoot(page, f"case-evaluate-{reader.name}")
        (case,) = (await house.api("GET", "/followups"))["items"]
        assert (case["state"], case["cause"], case["owner"]) == ("to_verify", "tool", "SV001")
