"""Administrators and quality read the audit log in the console, which is noted; nobody else does."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text

from tests.callers import CAROL, new_request
from tests.conftest import Backend
from tests.house import ADMIN, open_house
from tests.journeys.test_sign_in import ALICE, browser, proof, signed_in
from workers import audit
from workers.rendering import LOCALES
from workers.rendering.environment import load_labels
from workers.web.console import audit_page
from workers.web.console.audit_page import area_of
from workers.web.rules import API, RULES

pytestmark = pytest.mark.anyio
PAGE = "/console/audit"
QUINN = "quinn@help.example"


async def test_the_log_is_read_in_plain_words_and_checked_and_that_is_noted(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_page, "PAGE", 3)
    async with open_house(backend) as house, browser(house) as web, browser(house) as other:
        number = await new_request(house)
        await house.api("GET", f"/tickets/{number}", by=ALICE)
        await house.api("GET", f"/tickets/{number}", by=CAROL)
        for person in (ALICE, CAROL):
            await signed_in(house, other, person)
            assert (await other.get(PAGE)).status_code == 403
            assert (await other.post(f"{PAGE}/verify", data={"form": "x"})).status_code == 403
            assert f'href="{PAGE}"' not in (await other.get("/console")).text

        await signed_in(house, web, ADMIN)
        english = {"lang": "en"}
        assert f'href="{PAGE}"' in (await web.get("/console")).text
        first = await web.get(PAGE, params=english)
        assert "Check it now" in first.text
        assert "none yet" in first.text
        chinese = (await web.get(PAGE, params={"lang": "zh_CN", "subject": number})).text
        assert all(words in chinese for words in ("审计日志", "查看", number, "CS001", "工单"))
        refused = (await web.get(PAGE, params={**english, "kind": "denied", "who": "cs001"})).text
        assert ("Audit log · GET /console/audit" in refused, "SV001" in refused) == (True, False)

        seen: list[str] = []
        address: str | None = f"{PAGE}?lang=en&who=SV001"
        while address:  # page by page, each entry once
            html = (await web.get(address)).text
            seen += re.findall(r"· ((?:GET|POST) [^<]+)<", html)
            onward = re.search(r'href="([^"]+cursor=[^"]+)"', html)
            address = onward[1].replace("&amp;", "&") if onward else None
        assert len(seen) == len(set(seen)) >= 3
        assert f"GET {API}/tickets/{{number}}" in seen
        for odd in ("from=2024-02-30", "to=0001-01-01", "to=9999-12-31", "cursor=x"):
            assert (await web.get(f"{PAGE}?{odd}")).status_code == 422, odd
        for odd in ("who=%27%3B--", f"subject={'x' * 3000}", "kind=stroll", "from=2099-12-31&to=2099-12-31"):
            assert (await web.get(f"{PAGE}?{odd}")).status_code == 200, odd

        await audit.seal(house.workshop)
        assert (await web.post(f"{PAGE}/verify", data={"form": "x"})).status_code == 403
        form = {"form": proof(await web.get(PAGE))}
        checked = await web.post(f"{PAGE}/verify", data=form, params=english)
        assert "1 seals over" in checked.text
        later = (await web.get(PAGE, params=english)).text
        assert re.search(r"<dt>Last check</dt><dd><span[^>]*>sound</span> ", later)
        read = (await house.api("GET", "/audit?kind=view"))["items"]
        mine = [(each["action"], each["subject"]) for each in read if "/console/audit" in each["action"]]
        assert ("POST /console/audit/verify", audit.SOUND) in mine
        assert {(f"GET {PAGE}", None), (f"GET {PAGE}", number)} <= set(mine), "reading it is noted"

        async with house.workshop.begin() as uow:
            on = " ON audit_entries" if "postgresql" in backend.database_url else ""
            await uow.session.execute(text(f"DROP TRIGGER audit_entries_stay{on}"))
            await uow.session.execute(text("UPDATE audit_entries SET status = 418 WHERE seal = 1"))
        await house.api(
            "POST", "/staff", {"number": "QA001", "name": "Quinn", "email": QUINN, "role": "quality"}
        )
        await signed_in(house, other, QUINN)
        form = {"form": proof(await other.get(PAGE))}
        checked = await other.post(f"{PAGE}/verify", data=form, params=english)
        assert "Changed</span>" in checked.text
        assert re.search(r"not as it was sealed</span>.*?QA001", (await other.get(PAGE, params=english)).text)


def test_every_place_kind_and_finding_has_its_words() -> None:
    routes = [route for route in RULES if route.split(" ")[1].startswith((API, "/console"))]
    areas = {area_of(route) for route in routes} | {area_of("closeloop purge"), area_of(f"GET {API}")}
    for locale in LOCALES:
        labels = load_labels(locale)
        assert areas <= labels["audit_area"].keys()
        assert set(audit.KINDS) <= labels["audit_kind"].keys()
        assert {audit.SOUND, audit.FAULTY} == labels["audit_outcome"].keys()
