"""Where time was lost is read from what happened; a repeated problem becomes a draft (rows A9, E8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Backend
from tests.house import House, open_house
from tests.journeys.test_sign_in import browser, signed_in
from workers.policy import load_policy, parse_policy
from workers.weak_links import Phase, finding, weak_links

pytestmark = pytest.mark.anyio

MINUTES = timedelta(minutes=1)
OFTEN = """
[knowledge]
frequent_from = 3
repeated_weeks = 9
repeated_customers = 3
"""


async def _wrote(house: House, who: str, words: str, category: str) -> str:
    body = {
        "contact": {"email": f"{who}@shop.example", "name": who.title()},
        "subject": "",
        "description": words,
        "priority": "low",
        "category": category,
    }
    made: dict[str, Any] = await house.api("POST", "/tickets", body)
    return str(made["number"])


async def _page(house: House) -> str:
    async with browser(house) as web:
        await signed_in(house, web, "carol@help.example")
        return str((await web.get("/console/weak-links?lang=en")).text)


async def test_each_wait_is_counted_where_it_was(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_house(backend) as house:
        since = house.clock.now()
        number = await _wrote(house, "anna", "登录不了", "after_sales_technical")
        by = (await house.api("GET", f"/tickets/{number}"))["handled_by"]["number"]
        other = "CS002" if by == "CS001" else "CS001"

        async def later(minutes: int, act: str = "", body: Any = None, who: str = "") -> None:
            await house.pass_time(minutes * MINUTES)
            if act:
                await house.api("POST", f"/tickets/{number}/{act}", body or {}, by=who or by)

        await later(7, "accept")
        await later(5, "transfer", {"to": other, "reason": "更熟悉"})
        await later(11, "accept", who=other)
        await later(3, "wait", {"question": "截图？"}, who=other)
        await later(20, "resume", who=other)
        await later(2, "cooperation", {"lead": "support", "cooperating": ["support"]}, who="SV001")
        result = {"cause": "证书过期", "solution": "已更换", "precautions": ""}
        await later(13, "resolve", result, who=other)
        await later(17, "confirm", {"solved": True}, who=other)
        await later(50)
        idle = await _wrote(house, "berta", "发票呢", "complaint")
        await later(9)

        async with house.workshop.read() as uow:
            found = await weak_links(uow, since, house.clock.now())
            none = await weak_links(uow, since, house.clock.now(), team="nobody")
        slow, quick = found.categories
        spans = {each.phase: each.seconds / 60 for each in slow.links}
        assert spans == {
            Phase.CUSTOMER: 20,
            Phase.CONFIRMATION: 17,
            Phase.OTHER_TEAMS: 13,
            Phase.TRANSFER: 11,
            Phase.ACCEPTANCE: 7,
            Phase.WORK: 10,
        }
        assert [each.phase for each in slow.links][-1] is Phase.WORK, "what is no weak link comes last"
        assert (slow.tickets, slow.transfers, slow.seconds) == (1, 1, 78 * 60)
        assert slow.links[0].share == pytest.approx(20 / 78)
        assert {each.phase: each.seconds / 60 for each in quick.links if each.tickets} == {
            Phase.ACCEPTANCE: 9
        }
        assert quick.links[0].worst == (idle,)
        assert (found.all.tickets, found.all.seconds) == (2, 87 * 60)
        assert (none.all.tickets, found.requests) == (0, 2)
        monkeypatch.setattr(finding, "MOST_READ", 1)
        async with house.workshop.read() as uow:
            sample = await weak_links(uow, since, house.clock.now())
        assert (sample.requests, sample.all.tickets) == (2, 1), "of many, some that lie evenly"
        assert "sample that lies evenly" in await _page(house)

        shown = await house.api("GET", "/reports/weak-links", by="SV001")
        assert shown["categories"][0]["links"][0]["phase"] == "customer"
        assert shown["problems"] == []
        await house.api("GET", "/reports/weak-links", by="CS001", expect=403)
        await house.api("GET", "/reports/weak-links?since=2020-01-01T00:00:00Z", by="SV001", expect=422)
        await house.api("GET", "/reports/weak-links?team=nobody", by="SV001", expect=404)


async def test_a_repeated_problem_becomes_a_draft_in_one_step(backend: Backend) -> None:
    policy = parse_policy(load_policy("support-response").version_text + OFTEN)
    async with open_house(backend, policy=policy) as house:
        for who in ("anna", "berta", "carla"):
            await _wrote(house, who, f"打印机又脱机了 Quagga ({who})", "after_sales_technical")
        await house.pass_time(timedelta(seconds=10))
        (problem,) = (await house.api("GET", "/reports/weak-links", by="SV001"))["problems"]
        assert "quagga" in problem["words"]
        assert (problem["cases"], problem["customers"], problem["entries"]) == (3, 3, [])

        # Nobody has solved one yet: the draft has the problem, and its solution is to be written.
        body = {"tickets": problem["samples"]}
        await house.api("POST", "/reports/weak-links/draft", body, by="CS001", expect=403)
        none = {"tickets": ["CS190001010001"]}
        await house.api("POST", "/reports/weak-links/draft", none, by="SV001", expect=404)
        draft = await house.api("POST", "/reports/weak-links/draft", body, by="SV001")
        (words,) = draft["texts"].values()
        assert "打印机又脱机了" in words["problem"]
        assert words["solution"] == ""
        assert sorted(draft["sources"]) == sorted(problem["samples"])
        assert draft["state"] == "draft"
        again = await house.api("POST", "/reports/weak-links/draft", body, by="SV001")
        assert again["number"] == draft["number"], "one draft, however often it is asked for"
        assert "knowledge_drafted" in await house.log_kinds(draft["sources"][0])
