"""Hostile words that are kept, in each page that shows them: they are shown, and nothing of them runs."""

from __future__ import annotations

import re
from datetime import timedelta
from email.message import EmailMessage

import httpx
import pytest
from sqlalchemy import select

from models.reports import PeriodReport
from models.vocabulary import Role
from tests.conftest import Backend
from tests.house import ADMIN, SUPPORT, House, link_in, open_house
from tests.integration.test_attacks_filters import Tags
from tests.journeys.test_sign_in import browser
from tests.journeys.test_sign_in import signed_in as enter
from tests.small_world import ENDPOINT
from tests.unit.test_rules import routes
from workers.web.rules import RULES

pytestmark = pytest.mark.anyio

OTHERWISE = ("/pass-on", "/policy/1", "/live.js", "/export")
"""What needs more than a ticket, has no stored words, or is no page."""
COMPUTED = "829348951"
EVIL = "<xss onmouseover=alert(1)>\"'><script>alert(1)</script>{{7919*104729}}${7919*104729}"
SHORT = "\"'><xss onload=x>{{7919*104729}}"
FOLDED = "x\r\nBcc: thief@evil.example"
LI = "li@customer.example"
FROM = f'From: "<xss onload=x>{{{{7919*104729}}}}" <{LI}>\r\n'.encode()


async def test_hostile_words_of_customers_and_staff_are_only_shown(backend: Backend) -> None:
    async with open_house(backend) as house:
        world = await kept(house)
        web = await signed_in(house)
        shown = []
        for path in pages(world):
            answer = await web.get(path)
            assert answer.status_code == 200, (path, answer.status_code)
            policy = answer.headers["content-security-policy"]
            assert ("default-src 'none'" in policy, "unsafe" in policy) == (True, False), path
            assert answer.headers["cache-control"] == "no-store", path
            if "html" in answer.headers["content-type"]:
                assert Tags(answer.text).ran == [], path
                assert COMPUTED not in answer.text, path
                if "&lt;xss" in answer.text:
                    shown.append(re.sub(r"[A-Z]*\d.*", "", path))
        await web.aclose()
        assert {"/console/tickets/", "/console/communications/", "/console/knowledge/"} <= set(shown), shown
        await mails_stay_mails(house)


async def kept(house: House) -> dict[str, str]:
    """Hostile words in everything that is kept; gives what pages are about, by its place in addresses."""
    mail = EmailMessage()
    mail["To"], mail["Message-ID"] = SUPPORT, "<evil@customer.example>"
    mail["Subject"] = EVIL
    mail.set_content(EVIL)
    mail.add_alternative(f"<p>{EVIL}</p>", subtype="html")
    mail.add_attachment(b"x", maintype="text", subtype="html", filename='"><xss onload=x>.html')
    raw = FROM + mail.as_bytes()
    assert (await house.post_mail(raw, sender=LI)).status_code == 200
    await house.settle()
    ticket = await house.ticket()
    number = ticket.number
    shown = await house.api("GET", f"/tickets/{number}")
    code = shown["customer"]["code"]
    await house.api("PATCH", f"/customers/{code}", {"orders": [SHORT], "industry": SHORT}, by="SV001")
    await house.api("PATCH", "/staff/CS001", {"name": SHORT})
    await house.api("POST", f"/tickets/{number}/note", {"text": EVIL + FOLDED})
    await house.api("POST", f"/tickets/{number}/progress", {"text": EVIL})
    words = {"description": EVIL, "summary": EVIL, "solution": EVIL, "closed": True, "evidence": SHORT}
    talk = await house.api("POST", "/communications", {"channel": "phone", "ticket": number, **words})
    text = {"title": SHORT, "problem": EVIL, "cause": EVIL, "solution": EVIL, "precautions": EVIL}
    entry = await house.api("POST", "/knowledge", {"texts": {"en": text, "zh_CN": text}, "product": SHORT})
    endpoint = await house.api("POST", "/webhooks", ENDPOINT)
    await house.api("POST", f"/tickets/{number}/resolve", {"cause": EVIL, "solution": EVIL}, by="SV001")
    await house.pass_time(timedelta(hours=24))
    survey = link_in(await house.mail_of("csat_invitation", to=LI), "s")
    await house.tap(survey, {"overall": "1", "comment": EVIL})
    cases = (await house.api("GET", "/followups"))["items"]
    notices = (await house.api("GET", f"/notifications?ticket={number}"))["items"]
    events = (await house.api("GET", "/intake"))["items"]
    owned = {"owner": "CS001", "department": SHORT}
    plan = {
        "measure": EVIL,
        "kind": "other",
        "cause": "process",
        "due_at": "2026-04-01T00:00:00Z",
        "theme": SHORT,
    }
    improvement = await house.api("POST", "/improvements", {**plan, **owned}, by="SV001")
    await house.api("POST", f"/improvements/{improvement['number']}/progress", {"text": EVIL}, by="SV001")
    aim = {"title": SHORT, "measure": "first_response_mean", "start": 3600, "goal": 1800, "months": 1}
    target = await house.api("POST", "/targets", {**aim, **owned}, by="SV001")
    await house.pass_time(timedelta(days=7))
    async with house.workshop.read() as uow:
        report = await uow.session.scalar(select(PeriodReport.id).order_by(PeriodReport.id.desc()).limit(1))
    assert report is not None
    return {
        "improvements": improvement["number"],
        "targets": target["number"],
        "reports": report.hex,
        "tickets": number,
        "customers": code,
        "communications": talk["number"],
        "knowledge": entry["number"],
        "followups": cases[0]["id"],
        "messages": notices[0]["id"],
        "intake": events[0]["id"],
        "staff": "CS001",
        "policy": "1",
        "webhooks": endpoint["id"],
    }


def pages(world: dict[str, str]) -> list[str]:
    """Each page of the console that an administrator may open, on what there is."""
    found = []
    for each in sorted(routes()):
        method, _, route = each.partition(" ")
        if method != "GET" or not route.startswith("/console") or RULES[each].roles is None:
            continue
        if route.endswith("{delivery}"):  # nothing of a ticket's words is told there; its own story opens it
            continue
        if Role.ADMINISTRATOR in (RULES[each].roles or ()):
            place = route.split("/")[2] if route.count("/") > 1 else ""
            found.append(re.sub(r"{\w+}", world.get(place, ""), route))
    return [each for each in found if not each.endswith(OTHERWISE)]


async def signed_in(house: House) -> httpx.AsyncClient:
    """The administrator's browser."""
    web = browser(house)
    await enter(house, web, ADMIN)
    return web


async def mails_stay_mails(house: House) -> None:
    """No mail that left has a header or a recipient that hostile words brought, or a computed word."""
    for mail in house.relay.mails:
        assert "evil.example" not in mail.recipient
        assert not mail.message.get_all("Bcc")
        assert COMPUTED not in str(mail.message)
        for part in mail.message.walk():
            if part.get_content_type() == "text/html":
                page = part.get_content()
                assert "<xss" not in page
                assert "<script" not in page
