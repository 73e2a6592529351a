"""Who is asked for a rating, when, by which way and what: rules of the policy, told through API and pages."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.crypto import KeyRing, new_key
from models.vocabulary import DeadlineKind, TicketState
from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.house import House, link_in, open_house, text_of
from workers.policy import Policy, load_policy, parse_policy

pytestmark = pytest.mark.anyio

RULES = """
[[survey.ask]]
kind = "ordering"
ask = false

[[survey.ask]]
category = "complaint"
share = 0.0

[[survey.ask]]
customer_group = "high_value"
ways = ["phone"]

[[survey.ask]]
category = "after_sales_technical"
periodic = true
periodic_delay = "3wd"

[[survey.ask]]
touchpoint = "pre_sales"
questionnaire = "short"
delay = "2h"

[survey.questionnaires.short]
dimensions = ["overall", "attitude"]
scale = "three"

[[survey.questionnaires.short.own]]
code = "clear"
en = "Was the answer clear?"
zh_CN = "答复是否清楚？"
"""


def policy(added: str = RULES) -> Policy:
    return parse_policy(f"{load_policy('support-response').version_text}\n{added}")


async def resolved(house: House, sender: str, category: str, **more: Any) -> str:
    """A request by API, resolved by its handler; gives its number."""
    customer = more.pop("customer", None)
    body = {"contact": {"email": sender}, "subject": "请求", "description": "说明", "category": category}
    shown = await house.api("POST", "/tickets", {**body, "priority": "medium", **more})
    number: str = shown["number"]
    if customer:
        await house.api("PATCH", f"/tickets/{number}", {"customer": customer})
    result = {"cause": "缺纸", "solution": "已补纸"}
    await house.api("POST", f"/tickets/{number}/resolve", result, by=shown["handler"])
    return number


async def survey_of(house: House, number: str) -> dict[str, Any]:
    (shown,) = (await house.api("GET", f"/surveys?ticket={number}"))["items"]
    return dict(await house.api("GET", f"/surveys/{shown['number']}"))


async def test_rules_say_who_is_asked_when_by_which_way_and_what(backend: Backend) -> None:
    async with open_house(backend, policy=policy()) as house:
        order = await resolved(house, "a@c.example", "pre_sales", subkind="ordering")
        complaint = await resolved(house, "b@c.example", "complaint")
        valued = await resolved(house, "c@c.example", "other", customer={"group": "high_value"})
        visit = await resolved(house, "d@c.example", "after_sales_technical")
        first = await resolved(house, "e@c.example", "pre_sales", order_number="SO-17")
        await house.pass_time(timedelta(hours=1))
        for number, reason in ((order, "by_rule"), (complaint, "not_sampled")):
            left_out = await survey_of(house, number)
            assert (left_out["state"], left_out["reason"]) == ("not_asked", reason)
        assert (await survey_of(house, valued))["channel"] == "phone"
        assert not await house.notifications("csat_invitation")
        await on_the_phone(house, valued)

        await house.pass_time(timedelta(hours=1))
        await on_three_levels(house, first)

        due = (await house.deadlines(visit))[DeadlineKind.SURVEY_INVITATION.value].limit_at
        assert due == datetime(2026, 3, 5, 10, tzinfo=UTC), "Thursday 18:00 in Shanghai, for Monday's result"
        await house.pass_time(until=due - timedelta(minutes=1))
        assert not (await house.api("GET", f"/surveys?ticket={visit}"))["items"]
        await house.pass_time(until=due)
        assert (await survey_of(house, visit))["touchpoint"] == "return_visit"

        await house.api("POST", f"/tickets/{complaint}/confirm", {"solved": True})
        assert (await house.ticket(complaint)).state is TicketState.CLOSED, (
            "who is not asked is not waited for"
        )


async def on_three_levels(house: House, number: str) -> None:
    """The mail and its page offer three words; what is kept can be compared with scores of 1 to 5."""
    mail = await house.mail_of("csat_invitation")
    page = await house.web.get(link_in(mail, "s") + "?score=4")
    assert 'id="overall-5" value="5" checked' in page.text, "4 is satisfied, so 5 of three levels"
    assert 'value="4"' not in page.text
    offered = [line for line in text_of(mail).splitlines() if "?score=" in line]
    assert [line[-1] for line in offered] == ["1", "3", "5"]
    assert [line.partition("：")[0] for line in offered] == ["不满意", "一般", "满意"]
    assert "只写“满意”“一般”或“不满意”" in text_of(mail)
    assert "答复是否清楚？" in page.text
    answer = await house.web.post(link_in(mail, "s"), data={"overall": "3", "clear": "4"})
    assert answer.status_code == 422, "4 is no score here"
    await house.tap(link_in(mail, "s"), {"overall": "3", "clear": "1"})
    asked = await survey_of(house, number)
    assert (asked["scores"], asked["verdict"]) == ({"overall": 3, "clear": 1}, "fair")
    assert asked["flagged"] == ["clear"], "a low score beside the overall one is in the record"
    assert asked["order_number"] == "SO-17"
    assert asked["followup"]["state"] == "open"
    assert asked["note"] == "已补纸"


async def on_the_phone(house: House, number: str) -> None:
    """A person asks at once; what the customer says is entered once, and stays."""
    (task,) = await house.notifications("survey_task")
    assert task.ticket_id == (await house.ticket(number)).id
    link = link_in(await house.mail_of("survey_task"), "a")
    page = await house.web.get(link)
    assert (page.status_code, 'name="speed"' in page.text, "不能修改" in page.text) == (200, True, True)
    assert "c@c.example" not in page.text
    assert (await house.web.post(link, data={"result": "answered"})).status_code == 422
    await house.tap(link, {"result": "not_reached"})
    assert (await survey_of(house, number))["state"] == "invited"
    said = {"result": "answered", "overall": "2", "speed": "1", "comment": "等了太久", "answer_q1": "电话"}
    await house.tap(link, said)
    survey = await survey_of(house, number)
    assert (survey["scores"], survey["source"]) == ({"overall": 2, "speed": 1}, "phone")
    assert survey["words"] == {"comment": "等了太久", "q1": "电话"}
    assert (await house.web.post(link, data={**said, "overall": "5"})).status_code == 410
    assert (await survey_of(house, number))["scores"]["overall"] == 2
    calls = [entry.facts["result"] for entry in await house.log(number) if entry.kind == "survey_call"]
    assert calls == ["not_reached", "answered"]


async def test_who_gave_the_result_is_rated_and_left_out_ones_are_asked_later(backend: Backend) -> None:
    async with open_house(backend, policy=policy()) as house:
        number = await resolved(house, "a@c.example", "other")
        left_out = await resolved(house, "b@c.example", "complaint")
        credited = (await house.api("GET", f"/tickets/{number}"))["handler"]
        other = "CS002" if credited == "CS001" else "CS001"
        handover = {"to": other, "reason": "班次交接"}
        await house.api("POST", f"/tickets/{number}/transfer", handover, by=credited)
        await house.pass_time(timedelta(hours=1))
        survey = await survey_of(house, number)
        assert survey["staff"] == credited, "a transfer after the result changes nothing"
        await house.api("POST", "/surveys", {"ticket": number}, expect=409)

        link = link_in(await house.mail_of("csat_invitation", to="a@c.example"), "s")
        await house.api("POST", f"/tickets/{number}/confirm", {"solved": False, "note": "又坏了"})
        assert (await survey_of(house, number))["state"] == "withdrawn"
        late = await house.web.post(link, data={"overall": "5"})
        assert (late.status_code, "我们仍在处理" in late.text) == (410, True)
        await house.pass_time(timedelta(days=15))
        assert len((await house.api("GET", f"/surveys?ticket={number}"))["items"]) == 1, (
            "nobody asks meanwhile"
        )
        await house.api("POST", f"/tickets/{number}/resolve", {"cause": "缺纸", "solution": "换纸"}, by=other)
        await house.pass_time(timedelta(hours=1))
        (again, first) = (await house.api("GET", f"/surveys?ticket={number}"))["items"]
        assert (first["state"], again["state"]) == ("withdrawn", "invited")
        assert again["staff"] == other, "the second result is another one's"
        link = link_in(house.mails_to("a@c.example", "请评价")[-1], "s")
        assert (await house.web.post(link, data={"overall": "5"})).status_code == 200

        visit = {"ticket": left_out, "touchpoint": "return_visit"}
        asked = await house.api("POST", "/surveys", visit, expect=201)
        assert (asked["state"], asked["touchpoint"], asked["reason"]) == ("invited", "return_visit", None)
        await house.api("POST", "/surveys", visit, expect=409)
        page = await house.web.get(link_in(await house.mail_of("csat_invitation", to="b@c.example"), "s"))
        assert page.text.count("<fieldset") == 1, "a return visit asks for the overall score only"


async def test_everybody_with_a_refund_lately_is_asked_once_by_a_command(
    backend: Backend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rules = '[[survey.ask]]\nkind = "returns"\nask = false\n'
    begun = datetime.now(UTC) - timedelta(hours=3)
    keys = f"test:{b64encode(new_key()).decode()}"
    ring = {"secret_keys": KeyRing.parse(keys)}
    async with open_house(backend, policy=policy(rules), start=begun, settings=ring) as house:
        refunds = [
            await resolved(house, sender, "after_sales_request", subkind="returns")
            for sender in ("a@c.example", "b@c.example")
        ]
        await resolved(house, "c@c.example", "after_sales_request", subkind="logistics")
        await house.pass_time(timedelta(hours=1))
        assert {(await survey_of(house, number))["reason"] for number in refunds} == {"by_rule"}
        closeloop = CommandLine(tmp_path / "data", monkeypatch, capsys)
        closeloop.set(DATABASE_URL=backend.database_url, SECRET_KEYS=keys)

        async def ask(*more: str) -> Any:
            wanted = (
                "--category",
                "售后请求",
                "--kind",
                "returns",
                "--resolved-within",
                "30d",
                "--json",
                *more,
            )
            return (await asyncio.to_thread(closeloop, "survey", "ask", *wanted)).json

        assert await ask("--dry-run") == {"asked": 2, "passed_over": 0, "dry_run": True}
        assert await ask("--return-visit") == {"asked": 2, "passed_over": 0, "dry_run": False}
        assert await ask() == {"asked": 0, "passed_over": 0, "dry_run": False}, "once per result"
        for number in refunds:
            survey = await survey_of(house, number)
            assert (survey["state"], survey["touchpoint"]) == ("invited", "return_visit")
        refused = await asyncio.to_thread(closeloop, "survey", "ask", "--resolved-within", "soon")
        assert refused.code == 2
        assert "30d or 72h" in refused.err
