"""An agent's day in a browser: on a phone by keyboard alone in Chinese, and without script in English."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from models.vocabulary import TicketState
from tests.browsing import PHONE_ZH, PLAIN, audit, browsing, shoot
from tests.conftest import Backend
from tests.house import PUBLIC, House, open_house
from tests.journeys.test_sign_in import mailed

pytestmark = pytest.mark.anyio

LILEI = "lilei@163.example"
MOST_KEYS = 80


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is there, as somebody without a pointer does."""
    for _ in range(MOST_KEYS):
        if await page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not come to {selector}")


async def press(page: Page, selector: str) -> None:
    """Go there by keyboard and press Enter."""
    await tab_to(page, selector)
    await page.keyboard.press("Enter")


async def sign_in(house: House, page: Page, address: str, lang: str) -> None:
    """By the code, typed in the browser that asked for it."""
    await page.goto(f"{PUBLIC}/console?lang={lang}")
    await page.locator("#email").fill(address)
    await page.keyboard.press("Enter")
    await expect(page.locator("#code")).to_be_visible()
    await house.settle()
    _, code = await mailed(house, address)
    await page.locator("#code").fill(code)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{PUBLIC}/console")


async def test_a_day_from_sign_in_to_the_result(backend: Backend) -> None:
    async with open_house(backend) as house, browsing(house.app, PUBLIC) as browser:
        await house.mail(LILEI, "您好，订单一直没到，电话13800138000。", subject="订单没到")
        number = (await house.ticket()).number
        receipt = await house.mail_of("receipt")
        handler = (await house.mail_of("assignment")).recipient
        async with browser.page(PHONE_ZH) as page:
            await sign_in(house, page, handler, "zh_CN")
            await audit(page)
            await press(page, f"main a[href$='{number}']")
            await expect(page.locator("h1")).to_contain_text("订单没到")
            await expect(page.locator("main")).to_contain_text("138****8000")
            await audit(page)
            await shoot(page, "agent-ticket")

            await press(page, "#act-accept summary")
            await press(page, "#act-accept button")
            await expect(page.get_by_role("status")).to_have_text("已接单。")

            await press(page, "#act-answer summary")
            await tab_to(page, "#answer-text")
            await page.keyboard.type("我们正在查询物流。")
            await press(page, "#act-answer button")
            await expect(page.locator("#preview-answer")).to_contain_text("我们正在查询物流。")
            await expect(page.locator("#answer-text")).to_have_value("我们正在查询物流。")
            await audit(page)
            await shoot(page, "agent-preview")
            await press(page, "#act-answer button[value=send]")
            await expect(page.get_by_role("status")).to_contain_text("回复")

            await press(page, "#act-progress summary")
            await tab_to(page, "#progress-text")
            await page.keyboard.type("已联系承运商")
            await house.mail(LILEI, "还有一个问题。", answers=receipt)
            await page.wait_for_load_state()  # its script listens from then on
            await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            await expect(page.locator("#timeline")).to_contain_text("还有一个问题。")
            await expect(page.locator("#progress-text")).to_have_value("已联系承运商")
            await expect(page.locator("#progress-text")).to_be_focused()
            await press(page, "#act-progress button")
            await expect(page.get_by_role("alert")).to_contain_text("刚才有人修改过")
            await expect(page.locator("#progress-text")).to_have_value("已联系承运商")
            await press(page, "#act-progress button")
            await expect(page.get_by_role("status")).to_have_text("已记录。")
            await audit(page)

        async with browser.page(PLAIN) as page:
            await sign_in(house, page, handler, "en")
            await page.get_by_role("link", name=number).click()
            await expect(page.get_by_text("What to do")).to_be_visible()
            await page.get_by_text("Give the result").first.click()
            await page.locator("#resolve-cause").fill("A jam on the way")
            await page.locator("#act-resolve button").click()
            await expect(page.locator("#resolve-cause")).to_have_value("A jam on the way")
            await page.locator("#resolve-solution").fill("Sent anew")
            await page.locator("#act-resolve button").first.click()
            await expect(page.locator("#preview-resolve")).to_contain_text("Sent anew")
            await shoot(page, "agent-result")
            await page.locator("#act-resolve button[value=send]").click()
            await expect(page.get_by_role("status")).to_contain_text("The customer hears the result.")
        assert (await house.ticket(number)).state is TicketState.AWAITING_FEEDBACK
        await house.settle()
        assert house.mails_to(LILEI, "处理结果")
