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
from tests.house import House, link_in, open_house
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
    """A request by API, answered by phone and resolved by its handler; gives its number."""
    customer = more.pop("customer", None)
    body = {
        "contact": {"email": sender},
        "subject": "请求",
        "description": "说明",
        "category": category,
        **more,
    }
    number: str = (await house.api("POST", "/tickets", {**body, "priority": "medium"}))["number"]
    if customer:
        await house.api("PATCH", f"/tickets/{number}", {"customer": customer})
    handler = (await house.api("GET", f"/tickets/{number}"))["handler"]
    await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
    await house.api("POST", f"/tickets/{number}/first-response", {"channel": "phone"}, by=handler)
    await house.api("POST", f"/tickets/{number}/resolve", {"cause": "缺纸", "solution": "已补纸"}, by=handler)
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
        left_out = [await survey_of(house, number) for number in (order, complaint)]
        assert [(one["state"], one["reason"]) for one in left_out] == [
            ("not_asked", "by_rule") if one["touchpoint"] == "ordering" else ("not_asked", "not_sampled")
            for one in left_out
        ], left_out
        assert (await survey_of(house, valued))["channel"] == "phone"
        assert len(await house.notifications("survey_task")) == 1, "a person asks at once"
        assert not await house.notifications("csat_invitation")

        await house.pass_time(timedelta(hours=1))
        page = await house.web.get(link_in(await house.mail_of("csat_invitation"), "s") + "?score=4")
        assert 'id="overall-5" value="5" checked' in page.text, "4 is satisfied, so 5 of three levels"
        assert 'value="4"' not in page.text
        assert "答复是否清楚？" in page.text
        mail = await house.mail_of("csat_invitation")
        answer = await house.web.post(link_in(mail, "s"), data={"overall": "3", "clear": "4"})
        assert answer.status_code == 422, "4 is no score here"
        await house.tap(link_in(mail, "s"), {"overall": "3", "clear": "1"})
        asked = await survey_of(house, first)
        assert (asked["scores"], asked["verdict"]) == ({"overall": 3, "clear": 1}, "fair")
        assert asked["order_number"] == "SO-17"
        assert asked["followup"]["state"] == "open"
        assert asked["note"] == "已补纸"

        due = (await house.deadlines(visit))[DeadlineKind.SURVEY_INVITATION.value].limit_at
        assert due is not None
        await house.pass_time(until=due + timedelta(hours=20))
        visited = await survey_of(house, visit)
        assert visited["touchpoint"] == "return_visit"
        assert (due - house.installation.policy.calendar.next_opening(due)).days <= 0
        await house.api("POST", f"/tickets/{complaint}/confirm", {"solved": True})
        assert (await house.ticket(complaint)).state is TicketState.CLOSED, (
            "who is not asked is not waited for"
        )


async def test_who_gave_the_result_is_rated_and_left_out_ones_are_asked_later(backend: Backend) -> None:
    rules = '[[survey.ask]]\ncategory = "complaint"\nask = false\n'
    async with open_house(backend, policy=policy(rules)) as house:
        number = await resolved(house, "a@c.example", "other")
        credited = (await house.api("GET", f"/tickets/{number}"))["handler"]
        other = "CS002" if credited == "CS001" else "CS001"
        await house.api(
            "POST", f"/tickets/{number}/transfer", {"to": other, "reason": "班次交接"}, by=credited
        )
        await house.pass_time(timedelta(hours=1))
        survey = await survey_of(house, number)
        assert survey["staff"] == credited, "a transfer after the result changes nothing"
        await house.api("POST", "/surveys", {"ticket": number}, expect=409)

        await house.api("POST", f"/tickets/{number}/confirm", {"solved": False, "note": "又坏了"})
        assert (await survey_of(house, number))["state"] == "withdrawn"
        await house.pass_time(timedelta(days=1))
        assert len((await house.api("GET", f"/surveys?ticket={number}"))["items"]) == 1

        left_out = await resolved(house, "b@c.example", "complaint")
        await house.pass_time(timedelta(hours=1))
        assert (await survey_of(house, left_out))["reason"] == "by_rule"
        visit = {"ticket": left_out, "touchpoint": "return_visit"}
        asked = await house.api("POST", "/surveys", visit, expect=201)
        assert (asked["state"], asked["touchpoint"], asked["reason"]) == ("invited", "return_visit", None)
        await house.api("POST", "/surveys", visit, expect=409)
        page = await house.web.get(link_in(await house.mail_of("csat_invitation", to="b@c.example"), "s"))
        assert page.text.count("<fieldset") == 1, "a return visit asks for the overall score only"


async def test_what_was_said_on_the_phone_is_entered_once_by_whoever_rang_up(backend: Backend) -> None:
    rules = '[[survey.ask]]\nways = ["phone"]\n'
    async with open_house(backend, policy=policy(rules)) as house:
        number = await resolved(house, "a@c.example", "complaint")
        await house.pass_time(timedelta(hours=1))
        link = link_in(await house.mail_of("survey_task"), "a")
        page = await house.web.get(link)
        assert page.status_code == 200
        assert 'name="solved"' in page.text
        assert "a@c.example" not in page.text
        assert (await house.web.post(link, data={"result": "answered"})).status_code == 422
        await house.tap(link, {"result": "not_reached"})
        assert (await survey_of(house, number))["state"] == "invited"
        said = {
            "result": "answered",
            "overall": "2",
            "solved": "1",
            "comment": "等了太久",
            "answer_q1": "电话",
        }
        assert "不能修改" in page.text
        await house.tap(link, said)
        survey = await survey_of(house, number)
        assert (survey["scores"], survey["source"]) == ({"overall": 2, "solved": 1}, "phone")
        assert survey["words"] == {"comment": "等了太久", "q1": "电话"}
        assert (await house.web.post(link, data={**said, "overall": "5"})).status_code == 410
        assert (await survey_of(house, number))["scores"]["overall"] == 2
        entries = await house.log(number)
        assert [entry.facts["result"] for entry in entries if entry.kind == "survey_call"] == [
            "not_reached",
            "answered",
        ]


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
