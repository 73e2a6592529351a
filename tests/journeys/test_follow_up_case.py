"""A low score becomes a case that is led to its end on a phone, by links from mails alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.vocabulary import TicketState
from tests.conftest import Backend
from tests.house import House, link_in, open_house, text_of

pytestmark = pytest.mark.anyio

ZHANG = "zhangsan@qq.example"
CAROL = "carol@help.example"


async def rated(house: House) -> str:
    """A request is resolved and rated badly; gives the survey's link."""
    await house.mail(ZHANG, "您好，系统登录不了。", subject="系统登录不了", name="张三")
    handler = (await house.mail_of("assignment")).recipient
    number = (await house.ticket()).number
    await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
    result = {"cause": "证书过期", "solution": "已更换证书", "precautions": ""}
    await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)
    await house.pass_time(timedelta(hours=23))
    link = link_in(await house.mail_of("csat_invitation", to=ZHANG), "s")
    await house.tap(link, {"overall": "2", "speed": "1", "comment": "太慢"})
    return link


async def _case(house: House) -> dict[str, Any]:
    (case,) = (await house.api("GET", "/followups"))["items"]
    shown: dict[str, Any] = await house.api("GET", f"/followups/{case['id']}")
    return shown


async def _press(house: House, link: str, act: str, expect: int = 303, **form: str) -> str:
    """Press a button on the page of the case as it is now; gives the page's answer."""
    version = str((await _case(house))["version"])
    answer = await house.tap(link, {"act": act, "version": version, **form})
    assert answer.status_code == expect, answer.text
    return answer.text


async def test_a_case_is_led_by_links_until_its_measure_works(backend: Backend) -> None:
    async with open_house(backend) as house:
        survey = await rated(house)
        alert = await house.mail_of("low_score_alert", to=CAROL)
        link = link_in(alert, "t", 1)
        shown = await house.web.get(link)
        assert shown.status_code == 200
        assert "太慢" in shown.text

        # The customer changes the rating: the case runs on with the new scores.
        await house.tap(survey, {"overall": "4", "speed": "2", "comment": "其实还行"})
        assert "其实还行" in text_of(await house.mail_of("low_score_alert", to=CAROL))
        case = await _case(house)
        assert (case["scores"]["overall"], case["state"], case["flagged"]) == (4, "open", ["speed"])

        await _press(house, link, "take")
        for _ in range(3):
            await _press(house, link, "contact", reached="no", text="无人接听")
        assert "3" in str((await house.mail_of("followup_unreached", to=CAROL)).message["Subject"])
        lacking = await _press(house, link, "contact", expect=422, reached="yes", suggestions="多派人")
        assert "多派人" in lacking
        await _press(house, link, "measure", expect=422)
        await _press(house, link, "contact", reached="yes", text="已致歉", suggestions="多派人手")
        again = {"act": "contact", "version": "1", "reached": "yes", "text": "已致歉"}
        assert (await house.tap(link, again)).status_code == 422, "an old page does nothing"
        case = await _case(house)
        assert (case["owner"], case["tries"], case["state"]) == ("SV001", 3, "started")
        assert case["started_in_time"]
        assert case["due_at"] is not None, "a measure is waited for, too"

        # The customer writes again: the ticket is re-opened, the case is not touched.
        await house.mail(ZHANG, "还是登录不了，请再看看", answers=await house.mail_of("result_feedback"))
        assert (await house.ticket()).state is TicketState.IN_PROGRESS
        assert (await _case(house))["state"] == "started"

        measure: dict[str, Any] = {
            "cause": "process",
            "term": "long",
            "department": "运维",
            "measure": "证书到期前提醒",
        }
        wrong: dict[str, Any] = {**measure, "due_on": "2026-03-01", "owner": "XX999"}
        await _press(house, link, "measure", expect=422, **wrong)
        await _press(house, link, "measure", **measure, due_on="2026-03-12", owner="CS002")
        due = datetime(2026, 3, 12, 15, 59, tzinfo=UTC)
        told = []
        for moment in (due - timedelta(hours=72), due, due + timedelta(hours=25)):
            await house.pass_time(until=moment)
            told.append({row.staff_id for row in await house.notifications("followup_due")})
        assert [len(people) for people in told] == [1, 1, 2], "the supervisor hears what is overdue"
        assert link_in(await house.mail_of("followup_due", to="bob@help.example"), "t")
        assert (await house.api("GET", "/followups?overdue=true&owner=CS002"))["items"]
        assert not (await house.api("GET", "/followups?overdue=false"))["items"]
        assert not (await house.api("GET", "/followups?team=nobody"))["items"]

        await _press(house, link, "evaluate", expect=422, met="no", note="仍有投诉")
        await _press(house, link, "evaluate", met="no", review_report="提醒没有送达", next_on="2026-03-20")
        case = await _case(house)
        assert (case["state"], case["round"], case["due_at"]) == ("not_met", 2, "2026-03-20T15:59:00Z")

        await house.pass_time(until=datetime(2026, 4, 1, 1, 30, tzinfo=UTC))
        assert len(await house.notifications("followup_monthly")) == 1
        listed = text_of(await house.mail_of("followup_monthly", to=CAROL))
        assert str((await house.ticket()).number) in listed
        later = link_in(await house.mail_of("followup_due", to=CAROL), "t")
        await _press(house, later, "measure", **measure, due_on="2026-04-10")
        await _press(house, later, "evaluate", met="yes")
        case = await _case(house)
        assert [(one["round"], one["met"]) for one in case["rounds"]] == [(1, False), (2, True)]
        assert case["rounds"][0]["review_report"] == "提醒没有送达"
        assert not case["effect"]["service"]["enough"], "so few scores say nothing"
        await house.pass_time(until=datetime(2026, 5, 6, 1, 30, tzinfo=UTC))
        assert len(await house.notifications("followup_monthly")) == 1, "nothing runs any more"


async def test_who_is_named_for_a_case_that_has_started_hears_of_it_at_once(backend: Backend) -> None:
    async with open_house(backend) as house:
        await rated(house)
        number = (await house.ticket()).number
        (case,) = (await house.api("GET", "/followups"))["items"]
        path = f"/followups/{case['id']}"
        contact = {"text": "apologised", "reached": True}
        await house.api("POST", f"{path}/contact", contact, by="SV001")
        for _ in range(2):
            await house.api("POST", f"{path}/owner", {"staff": "HD001"}, by="SV001")
        named = await house.notifications("followup_due")
        assert len(named) == 2, "each time"
        assert number in str((await house.mail_of("followup_due", to="dora@help.example")).message["Subject"])
