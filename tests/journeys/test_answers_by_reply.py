"""A team without a public address: customers rate by replying to the SMS or to the mail itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.vocabulary import TicketState
from tests.conftest import Backend
from tests.house import House, open_house, text_of
from workers.policy import load_policy, parse_policy

pytestmark = pytest.mark.anyio

THREE = load_policy("support-response").version_text.replace(
    "[survey.questionnaires.default]\n", '[survey.questionnaires.default]\nscale = "three"\n'
)
LI, ZHANG = "+8613912345678", "zhangsan@qq.example"


async def _resolved(house: House) -> str:
    handler = (await house.mail_of("assignment")).recipient
    number = (await house.ticket()).number
    await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
    await house.api("POST", f"/tickets/{number}/first-response", {"channel": "phone"}, by=handler)
    await house.api("POST", f"/tickets/{number}/resolve", {"cause": "缺纸", "solution": "已补纸"}, by=handler)
    await house.pass_time(timedelta(hours=23))
    return number


async def _survey(house: House) -> dict[str, object]:
    (shown,) = (await house.api("GET", "/surveys"))["items"]
    return dict(await house.api("GET", f"/surveys/{shown['number']}"))


async def test_an_unclear_sms_is_asked_back_once_and_then_understood(backend: Backend) -> None:
    """On a scale of three levels, by its words; a number is put on it."""
    async with open_house(backend, policy=parse_policy(THREE)) as house:
        await house.sms(LI, "打印机坏了")
        await _resolved(house)
        assert "请直接回复“满意”“一般”或“不满意”" in house.sms_provider.messages[-1].body
        await house.sms(LI, "还行")
        assert (await _survey(house))["state"] == "invited"
        assert "请只回复“满意”“一般”或“不满意”" in house.sms_provider.messages[-1].body
        assert "rating_unclear" in await house.log_kinds()
        assert (await house.ticket()).state is not TicketState.IN_PROGRESS, "nothing is opened again by it"
        await house.sms(LI, "不满意，太慢了")
        survey = await _survey(house)
        assert (survey["state"], survey["scores"], survey["source"]) == ("answered", {"overall": 1}, "sms")
        assert (survey["words"], survey["verdict"]) == ({"comment": "不满意，太慢了"}, "dissatisfied")
        (case,) = (await house.api("GET", "/followups"))["items"]
        assert case["state"] == "open"


async def test_who_stays_unclear_is_read_by_a_person(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.sms(LI, "打印机坏了")
        await _resolved(house)
        for _ in range(2):
            await house.sms(LI, "3或4")
        assert len(await house.notifications("csat_unclear")) == 1
        assert (await house.log_kinds()).count("customer_wrote") == 1
        assert (await _survey(house))["state"] == "withdrawn", (
            "words that are no thanks take the work up again"
        )


async def test_a_reply_to_the_mail_is_a_rating_or_asked_back(backend: Backend) -> None:
    async with open_house(backend) as house:
        await house.mail(ZHANG, "您好，打印机坏了。", subject="打印机")
        await _resolved(house)
        invitation = await house.mail_of("csat_invitation", to=ZHANG)
        await house.mail(ZHANG, "不错", answers=invitation)
        asked_back = await house.mail_of("csat_unclear", to=ZHANG)
        assert "只写一个数字" in text_of(asked_back)
        await house.mail(ZHANG, "2\n\n等了太久", answers=asked_back)
        survey = await _survey(house)
        assert (survey["scores"], survey["source"]) == ({"overall": 2}, "mail")
        (case,) = (await house.api("GET", "/followups"))["items"]
        assert case["state"] == "open"
