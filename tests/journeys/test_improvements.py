"""An improvement measure is carried out, judged not met, reviewed and taken up again (row A10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Backend
from tests.copies import copies
from tests.house import House, open_house, text_of
from workers.improvements import reevaluations_due
from workers.improvements.comparing import superiority

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
BOB, CAROL = "bob@help.example", "carol@help.example"
PLAN: dict[str, Any] = {
    "measure": "退款受理后 24 小时内主动告知进度",
    "kind": "script",
    "cause": "process",
    "department": "客服部",
    "owner": "CS002",
    "due_at": "2026-03-05T10:00:00Z",
    "cycle_days": 14,
    "figure": "first_response_mean",
}


def _at(month: int, day: int, hour: int = 1, minute: int = 5) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


async def _ticket(house: House) -> str:
    body = {
        "contact": {"email": "li@shop.example"},
        "subject": "退款",
        "description": "退款没有进度",
        "priority": "low",
        "category": "after_sales_request",
    }
    return str((await house.api("POST", "/tickets", body))["number"])


async def test_a_measure_that_was_not_met_is_reviewed_and_begins_anew(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _ticket(house)
        await house.api("POST", "/improvements", {**PLAN, "ticket": number}, by="CS002", expect=403)
        both = {**PLAN, "ticket": number, "theme": "退款"}
        assert (
            "one thing" in (await house.api("POST", "/improvements", both, by="SV001", expect=422))["detail"]
        )
        made = await house.api("POST", "/improvements", {**PLAN, "ticket": number}, by="SV001")
        path = f"/improvements/{made['number']}"
        assert (made["state"], made["round"], made["effect"]["verdict"]) == ("to_verify", 1, "not_yet")
        assert made["category"] == "after_sales_request"
        await house.api("GET", path, by="CS001", expect=404)
        (own,) = (await house.api("GET", f"/improvements?ticket={number}", by="CS002"))["items"]
        assert own["number"] == made["number"]

        await house.pass_time(until=_at(3, 5))
        assert len(house.mails_to(BOB, f"{made['number']} 应于")) == 1
        await house.pass_time(until=_at(3, 5, 10))
        await house.api("POST", f"{path}/carried-out", {"text": "话术已上线"}, by="CS002")
        await house.api("POST", f"{path}/carried-out", {}, by="CS002", expect=409)
        assert (await house.api("GET", path))["verify_at"] == "2026-03-20T01:00:00Z", (
            "its cycle, from then on"
        )

        # Before and after: 25 cases each, a third of the time; and of too few nothing is said.
        await copies(house.workshop, number, [_at(2, 9) + step * HOUR for step in range(25)], 3 * HOUR)
        shown = await house.api("GET", path)
        assert (shown["effect"]["before"]["cases"], shown["effect"]["verdict"]) == (25, "not_yet")
        await house.pass_time(until=_at(3, 19))
        after = [_at(3, 6) + step * HOUR for step in range(25)]
        await copies(house.workshop, number, after[:12], HOUR)
        shown = await house.api("GET", path)
        assert (shown["effect"]["verdict"], shown["effect"]["low"]) == ("too_few", None)
        await house.pass_time(until=_at(3, 20))
        told = house.mails_to(BOB, "待验证")
        assert len(told) == len(house.mails_to(CAROL, "待验证")) == 1
        assert "案例太少，无法判断" in text_of(told[0])
        await copies(house.workshop, number, after[12:], HOUR)
        effect = (await house.api("GET", path))["effect"]
        assert (effect["before"]["value"], effect["after"]["value"], effect["verdict"]) == (
            10800,
            3600,
            "better",
        )
        assert effect["low"] > 0.5

        # People decide: not met asks for a report by mail, and a new round.
        await house.api("POST", f"{path}/evaluate", {"met": False}, by="CS002", expect=403)
        await house.api("POST", f"{path}/evaluate", {"met": False, "note": "客户仍在催"}, by="SV001")
        asked = text_of(house.mails_to(BOB, "请提交复盘报告")[0])
        assert "客户仍在催" in asked
        assert "变好，超出偶然范围" in asked
        await house.api("POST", f"{path}/carried-out", {}, by="CS002", expect=409)
        await house.pass_time(until=_at(3, 27, 12))
        assert len(house.mails_to(CAROL, "复盘报告已到期")) == 1
        assert (await house.api("GET", "/improvements/due", by="SV001"))["items"][0]["overdue"]
        await house.api("GET", "/improvements/due", by="CS002", expect=403)
        again = {**PLAN, "measure": "每天自动发送进度", "kind": "tool", "due_at": "2026-03-30T10:00:00Z"}
        await house.api("POST", f"{path}/review", {**again, "report": " "}, by="CS002", expect=422)
        shown = await house.api("POST", f"{path}/review", {**again, "report": "话术没人用"}, by="CS002")
        assert (shown["state"], shown["round"], shown["kind"]) == ("to_verify", 2, "tool")

        # The month's list has it, once; what is verified is out of it.
        await house.pass_time(until=_at(4, 1))
        listed = text_of(await house.mail_of("followup_monthly", to=CAROL))
        assert made["number"] in listed
        assert "第 2 轮" in listed
        async with house.workshop.read() as uow:
            (due,) = await reevaluations_due(uow, _at(5, 1))
        assert (due.of, due.number, due.round, due.owner) == ("improvement", made["number"], 2, "Bob")
        await house.api("POST", f"{path}/evaluate", {"met": True}, by="SV001")
        shown = await house.api("GET", path)
        assert shown["state"] == "met"
        kinds = [each["kind"] for each in shown["log"]]
        assert kinds == ["opened", "carried_out", "evaluated", "reviewed", "opened", "evaluated"]
        assert shown["log"][2]["facts"]["figure"]["verdict"] == "better"
        log = await house.log_kinds(number)
        named = [kind for kind in log if kind.startswith("improvement")]
        assert named == [
            "improvement_opened",
            "improvement_evaluated",
            "improvement_round",
            "improvement_evaluated",
        ]
        before = len(house.mails_to(BOB))
        await house.pass_time(until=_at(4, 17))
        assert len(house.mails_to(BOB)) == before, "what is over says nothing any more"
        assert len(await house.notifications("followup_monthly")) == 1


async def test_a_measure_carried_out_late_is_to_be_verified_once_more(backend: Backend) -> None:
    async with open_house(backend) as house:
        made = await house.api("POST", "/improvements", {**PLAN, "theme": "退款"}, by="SV001")
        path = f"/improvements/{made['number']}"
        await house.pass_time(until=_at(3, 25, 10))
        assert len(house.mails_to(CAROL, "待验证")) == 1, "its cycle, counted from when it was due"
        overdue = len(house.mails_to(CAROL, made["number"]))
        assert overdue == 2, "to be verified, and that nobody did"

        await house.api("POST", f"{path}/carried-out", {"text": "话术已上线"}, by="CS002")
        assert (await house.api("GET", path))["verify_at"] == "2026-04-09T01:00:00Z"
        await house.pass_time(until=_at(4, 8))
        assert len(house.mails_to(CAROL, made["number"])) == overdue
        await house.pass_time(until=_at(4, 9))
        assert len(house.mails_to(CAROL, "待验证")) == len(house.mails_to(BOB, "待验证")) == 2
        await house.pass_time(until=_at(4, 20))
        assert len(house.mails_to(CAROL, made["number"])) == 2 * overdue


def test_the_chance_to_be_quicker_has_an_interval() -> None:
    low, high = superiority([10, 10, 10], [10, 10, 10])
    assert low < 0.5 < high
    assert superiority([0, 0, 30], [30, 0, 0]) == (1.0, 1.0)
    assert superiority([30, 0, 0], [0, 0, 30]) == (0.0, 0.0)
    # By pairs, as Mann and Whitney count them: 12 of 40 cases quicker, 24 ties, of 10 × 20.
    before, after = [4, 6], [14, 6]
    low, high = superiority(before, after)
    middle = (6 * 14 + (4 * 14 + 6 * 6) / 2) / 200
    assert abs((low + high) / 2 - middle) < 1e-9
    assert 0.4 < low < middle < high < 0.9
