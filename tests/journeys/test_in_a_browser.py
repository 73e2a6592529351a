"""The pages as people meet them in a real browser: customers on a phone, without scripts or by keyboard at
a desk, a supervisor at night.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from models.vocabulary import TicketState
from tests.browsing import DESKTOP, PHONE, PHONE_DARK, PHONE_ZH, PLAIN, audit, browsing, shoot
from tests.conftest import POSTGRESQL_REDIS, SQLITE_INPROCESS, Backend
from tests.house import PUBLIC, House, link_in, open_house

pytestmark = pytest.mark.anyio

ZHANG = "zhangsan@qq.example"
ANNA, BERT, CLEO = "anna@mail.example", "bert@mail.example", "cleo@mail.example"
CAROL = "carol@help.example"
READERS = {SQLITE_INPROCESS: PHONE_ZH, POSTGRESQL_REDIS: PLAIN}

WIDER_THAN_ITS_TILE = """
    [...document.querySelectorAll('.face')]
        .filter(it => it.scrollWidth > it.clientWidth)
        .map(it => it.innerText)
"""


async def _invited(house: House) -> str:
    """A request is resolved and its customer asked; gives the survey's link."""
    await house.mail(ZHANG, "您好，系统登录不了。", subject="系统登录不了", name="张三")
    await _resolve(house)
    await house.pass_time(timedelta(hours=23))
    return link_in(await house.mail_of("csat_invitation", to=ZHANG), "s")


async def _resolve(house: House) -> None:
    """The handler of the newest request gives its result."""
    handler = (await house.mail_of("assignment")).recipient
    number = (await house.ticket()).number
    await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
    result = {"cause": "证书过期", "solution": "已更换证书", "precautions": ""}
    await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)


async def _tab_to(page: Page, selector: str) -> None:
    """From one thing to the next, as somebody without a mouse goes."""
    for _ in range(30):
        await page.keyboard.press("Tab")
        if await page.evaluate("it => document.activeElement.matches(it)", selector):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


async def test_a_tap_in_the_mail_is_sent_by_the_pages_button_and_opens_a_follow_up(backend: Backend) -> None:
    reader = READERS[backend.name]
    async with open_house(backend) as house, browsing(house.app, PUBLIC) as browser:
        link = await _invited(house)
        async with browser.page(reader) as page:
            await page.goto(f"{link}?score=2")
            if reader.script:
                await audit(page)
            await shoot(page, f"survey-{reader.name}")
            overall = page.locator("input[name=overall][value='2']")
            await expect(overall).to_be_checked()
            assert (await house.ticket()).state is TicketState.AWAITING_FEEDBACK, "looking is not answering"
            await page.locator("label:has(input[name=speed][value='1'])").click()
            await page.locator("textarea[name=comment]").fill("等了三天 <b>太慢</b>")
            async with page.expect_navigation():
                await page.locator("button[type=submit]").click()
            await expect(page.locator("form")).to_have_count(0)
            if reader.script:
                await audit(page)
            await shoot(page, f"survey-thanks-{reader.name}")
            await house.settle()
            await page.goto(link)
            await expect(page.locator("textarea[name=comment]")).to_have_value("等了三天 <b>太慢</b>")
            await shoot(page, f"survey-change-{reader.name}")
            await house.pass_time(timedelta(hours=25))
            await page.goto(link)
            await page.locator("textarea[name=message]").fill("谢谢")
            if reader.script:
                await audit(page)
            await shoot(page, f"survey-used-{reader.name}")
            await page.locator("button[type=submit]").click()
            await expect(page.locator("form")).to_have_count(0)
        alert = await house.mail_of("low_score_alert", to=CAROL)
        async with browser.page(PHONE_DARK) as page:
            await page.goto(link_in(alert, "t"))
            if reader.script:
                await audit(page)
            await shoot(page, f"take-{reader.name}")
            async with page.expect_navigation():
                await page.locator("button[type=submit]").first.click()
            await expect(page.locator("h1")).to_be_visible()
        await house.settle()
        (case,) = (await house.api("GET", "/followups"))["items"]
        assert case["owner"] == "SV001"


@pytest.mark.parametrize("backend", [SQLITE_INPROCESS], indirect=True)  # HTTP tests tell it of both
async def test_at_a_desk_all_is_done_by_keyboard_and_each_end_of_a_survey_explains_itself(
    backend: Backend,
) -> None:
    async with open_house(backend) as house, browsing(house.app, PUBLIC) as browser:
        for customer in (ANNA, BERT, CLEO):
            await house.mail(customer, "Hello, I cannot sign in to the portal.", subject="No sign-in")
            await _resolve(house)
        await house.pass_time(timedelta(hours=23))
        anna, bert, cleo = [
            link_in(await house.mail_of("csat_invitation", to=customer), "s")
            for customer in (ANNA, BERT, CLEO)
        ]
        async with browser.page(DESKTOP) as page:
            await page.goto(anna)
            await expect(page.locator("html")).to_have_attribute("lang", "en")
            await audit(page)
            await shoot(page, "survey-desktop")
            await page.emulate_media(forced_colors="active", reduced_motion="reduce")
            await page.locator("input[name=overall][value='4']").check()
            await audit(page)
            await shoot(page, "survey-forced-colours")
            await page.emulate_media(forced_colors="none")
            await page.reload()
            await _tab_to(page, "input[name=overall]")
            for _ in range(4):
                await page.keyboard.press("ArrowRight")
            await _tab_to(page, "textarea[name=comment]")
            await page.keyboard.type("Quick and friendly")
            await _tab_to(page, "button[type=submit]")
            await page.keyboard.press("Enter")
            await expect(page.locator("form")).to_have_count(0)
            await audit(page)
            await _tab_to(page, "main a")
            await page.keyboard.press("Enter")
            await expect(page.locator("textarea[name=comment]")).to_have_value("Quick and friendly")
        given = [one["state"] for one in (await house.api("GET", "/surveys"))["items"]]
        assert sorted(given) == ["answered", "invited", "invited"]
        await house.mail(BERT, "It fails again.", answers=await house.mail_of("csat_invitation", to=BERT))
        async with browser.page(PHONE) as page:
            await page.goto(f"{cleo}?lang=zh_CN")
            await _is_told_what_is_lacking(page)
            await page.goto(cleo)
            await page.evaluate("document.documentElement.style.fontSize = '200%'")
            await audit(page)
            assert await page.evaluate(WIDER_THAN_ITS_TILE) == []
            await shoot(page, "survey-text-200")
            await page.goto(bert)
            await audit(page)
            await shoot(page, "survey-withdrawn")
            await page.goto(f"{PUBLIC}/p")
            await audit(page)
            await page.locator("input[name=code]").fill("7KQ4M-2XPWN")
            await page.locator("button[type=submit]").click()
            await expect(page.get_by_role("alert")).to_be_visible()
            await audit(page)
            await shoot(page, "survey-code-unknown")
            house.clock.advance(timedelta(days=30))
            await page.goto(cleo)
            await expect(page.locator("textarea[name=message]")).to_be_visible()
            await audit(page)
            await shoot(page, "survey-expired")


async def _is_told_what_is_lacking(page: Page) -> None:
    """The language is changed, and words sent without a score: they are kept, beside what is lacking."""
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await page.locator("textarea[name=comment]").fill("Thank you")
    form = page.locator("form").first
    await form.evaluate("form => form.noValidate = true")
    await page.get_by_role("button", name=re.compile("Send|Submit")).click()
    await expect(page.locator(".summary")).to_be_visible()
    await audit(page)
    await shoot(page, "survey-lacking")
    await expect(page.locator("textarea[name=comment]")).to_have_value("Thank you")
    await expect(page.locator("[role=status]")).to_be_visible()
