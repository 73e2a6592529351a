"""A result that nobody confirms: asked again by mail and by a person, closed with a reason (rows A8, B11)."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from models.vocabulary import TicketState
from tests.conftest import Backend
from tests.house import PUBLIC, House, link_in, open_house, text_of

pytestmark = pytest.mark.anyio

ZHANG, WANG = "zhangsan@qq.example", "wang@qq.example"
RESULT = {"cause": "证书过期", "solution": "已更换证书"}


async def resolved(house: House, sender: str) -> tuple[str, str]:
    """A request that was answered by phone and solved; its number, and who handled it."""
    await house.mail(sender, "您好，系统登录不了，请帮忙看看。", subject="系统登录不了")
    number = (await house.ticket()).number
    handler = (await house.mail_of("assignment")).recipient
    await house.api("POST", f"/tickets/{number}/first-response", {"channel": "phone"}, by=handler)
    await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=handler)
    return number, handler


async def look(house: House, link: str) -> httpx.Response:
    return await house.web.get(link.removeprefix(PUBLIC))


async def days(house: House, number: int) -> None:
    for _ in range(number):
        await house.pass_time(timedelta(days=1))


async def test_whoever_rings_up_notes_why_and_with_that_reason_it_closes(backend: Backend) -> None:
    async with open_house(backend) as house:
        number, handler = await resolved(house, ZHANG)
        await days(house, 3)
        reminder = text_of(await house.mail_of("csat_reminder", to=ZHANG))
        assert "问题已经解决了吗？" in reminder, "one mail asks for rating and confirmation"
        await days(house, 1)
        task = await house.mail_of("survey_task")
        assert not await house.notifications("confirmation_reminder")
        assert not await house.notifications("confirmation_task")
        page = link_in(task, "t")
        assert "系统维护中" in (await look(house, page)).text
        assert (await house.ticket(number)).unconfirmed_reason is None, "looking writes nothing"
        for wrong in ({}, {"outcome": "other"}, {"outcome": "nonsense"}):
            assert (await house.tap(page, {"note": "", **wrong})).status_code == 422
        noted = await house.tap(page, {"outcome": "needs_followup", "note": "下周再打"})
        assert (noted.status_code, "未确认原因已登记" in noted.text) == (200, True)
        shown = await house.api("GET", f"/tickets/{number}")
        assert shown["missing_for_closing"] == ["confirmation", "rating"], "there is time left to confirm"
        await house.mail(handler, "#未确认 系统维护中 周末升级\n#关闭", answers=task)
        told = text_of(await house.mail_of("commands_read"))
        assert "已登记未确认原因：系统维护中" in told
        assert "还不能关闭，尚缺：客户确认, 评价" in told
        ticket = await house.ticket(number)
        assert (ticket.unconfirmed_reason, ticket.state) == (
            "system_maintenance",
            TicketState.AWAITING_FEEDBACK,
        )
        refused = await house.api("POST", f"/tickets/{number}/close", {}, by=handler, expect=409)
        assert refused["missing"] == [
            {"code": "confirmation", "text": "客户确认"},
            {"code": "rating", "text": "评价"},
        ]
        await days(house, 7)
        ticket = await house.ticket(number)
        assert ticket.state is TicketState.CLOSED
        assert (ticket.unconfirmed_reason, ticket.unrated_reason) == ("system_maintenance", "followed_up")
        assert (await look(house, page)).status_code == 410
        again = {"reason": "unreachable"}
        await house.api("POST", f"/tickets/{number}/unconfirmed", again, by=handler, expect=409)
        entries = [entry for entry in await house.log(number) if entry.kind == "unconfirmed_reason"]
        assert [entry.facts["reason"] for entry in entries] == ["needs_followup", "system_maintenance"]


async def test_who_rates_anonymously_and_confirms_nothing_is_asked_by_a_mail_of_its_own(
    backend: Backend,
) -> None:
    async with open_house(backend) as house:
        number, handler = await resolved(house, ZHANG)
        await days(house, 1)
        survey = link_in(await house.mail_of("csat_invitation", to=ZHANG), "s")
        await house.tap(survey, {"overall": "5", "anonymous": "1"})
        await days(house, 2)
        reminder = await house.mail_of("confirmation_reminder", to=ZHANG)
        assert not await house.notifications("csat_reminder")
        await days(house, 1)
        page = link_in(await house.mail_of("confirmation_task", to=handler), "t")
        again = await house.tap(page, {"outcome": "not_resolved", "note": "还是登录不了"})
        assert "工单已重新受理" in again.text
        assert (await house.ticket(number)).opening == 2
        assert (await look(house, page)).status_code == 410, "the link is about the first result"
        await house.api("POST", f"/tickets/{number}/resolve", RESULT, by=handler)
        assert (await look(house, page)).status_code == 410, "nor about the second one"
        await house.tap(link_in(reminder, "c"), {"answer": "confirmed"})
        ticket = await house.ticket(number)
        assert (ticket.confirmed_by, ticket.unconfirmed_reason) == ("customer", None)
        await house.api(
            "POST", f"/tickets/{number}/unconfirmed", {"reason": "declined"}, by=handler, expect=409
        )
