"""Mails as their readers see them: Chromium at 320 and 600 px, by day and by night, without pictures.

Samples are made worse beforehand: subjects, names and words without a blank in them. All in one browser.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browsing import RULES, audit, chromium, shoot
from tests.report_sample import sample_report
from tests.unit.test_templates import CUSTOMER, hrefs, sample
from workers.rendering import LOCALES, RenderedMail, Renderer
from workers.reports import Press, as_json

pytestmark = pytest.mark.anyio

STAFF = [
    *("assignment", "breach_digest", "escalation_request", "low_score_alert"),
    *("improvement_due", "followup_monthly", "target_standing"),
]
WCAG = [rule for rule in RULES if rule != "best-practice"]  # of landmarks and headings on web pages
LEAST_TAP = 44
UNBROKEN = {
    "en": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "zh_CN": "结账页面无法付款而且客户一直在等请尽快帮忙看看" * 4,
}
ADDRESS = "https://shop.example.com/checkout/" + "a1b2c3d4e5f6" * 12
renderer = Renderer()


@pytest.fixture(scope="module")
async def window(anyio_backend: str) -> AsyncIterator[Page]:
    """One window for all mails, which may fetch nothing: neither pictures nor fonts."""
    async with chromium() as browser:
        page = await browser.new_page()
        await page.route("**/*", lambda route: route.abort())
        yield page


def hard(message: str, locale: str) -> RenderedMail:
    """The mail with facts that are hard to lay out."""
    facts: dict[str, Any] = sample(message, locale)
    if "ticket" in facts:
        words = f"{facts['ticket']['description']}\n{UNBROKEN[locale]}\n{ADDRESS}"
        facts["ticket"] |= {"subject": UNBROKEN[locale], "description": words}
    for name in ("comment", "text", "solution", "precautions"):
        if isinstance(facts.get(name), str):
            facts[name] += f"\n{UNBROKEN[locale]}\n{ADDRESS}"
    facts["recipient"]["name"] = UNBROKEN[locale][:60]
    return renderer.render_mail(message, locale, facts)


async def small_taps(page: Page) -> list[str]:
    """Buttons and scores that are smaller than a thumb."""
    found: list[str] = await page.evaluate(
        """least => [...document.querySelectorAll('.score-link, .button-link, .button-quiet-link')]
            .map(link => [link.getBoundingClientRect(), link.innerText])
            .filter(([box]) => box.width < least || box.height < least)
            .map(([box, words]) => `${words} ${box.width} x ${box.height}`)""",
        LEAST_TAP,
    )
    return found


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("message", [*CUSTOMER, *STAFF])
async def test_a_mail_is_readable_on_a_phone_by_night_and_without_pictures(
    window: Page, message: str, locale: str
) -> None:
    html = hard(message, locale).html
    asked: list[str] = []
    window.on("request", lambda request: asked.append(request.url))
    await window.set_content(html)
    for width, scheme in ((320, "light"), (600, "dark")):
        await window.set_viewport_size({"width": width, "height": 700})
        await window.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await audit(window, WCAG)
        assert await small_taps(window) == []
        await shoot(window, f"mail-{message}-{locale}-{width}-{scheme}")
    assert asked == []
    shown = await window.locator("a:visible").count()
    assert shown == len(hrefs(html)), "each link can be seen"


@pytest.mark.parametrize("locale", LOCALES)
async def test_a_report_is_readable_on_a_phone_by_night_and_without_pictures(
    window: Page, locale: str
) -> None:
    name, title = UNBROKEN[locale][:40], UNBROKEN[locale]
    document = {"document": as_json(sample_report(name, title)), "attach": "none"}
    enclosed = Press(renderer, "https://support.example.com").enclose(document, locale)
    facts = {**renderer.sample("period_report", locale), **enclosed.facts}
    html = renderer.render_mail("period_report", locale, facts).html
    await window.set_content(html)
    for width, scheme in ((320, "light"), (600, "dark"), (320, "dark"), (600, "light")):
        await window.set_viewport_size({"width": width, "height": 700})
        await window.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        await audit(window, WCAG)
        assert await small_taps(window) == []
        await shoot(window, f"mail-period_report-{locale}-{width}-{scheme}")
    pictures = await window.locator("img").evaluate_all("all => all.map(each => [each.alt, each.complete])")
    assert len(pictures) == len(enclosed.images)
    assert all(words for words, _ in pictures), "what is not shown is said"
