"""A story of a customer who asks where the ticket stands, and of strangers who learn nothing (row B1)."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Backend
from tests.house import PUBLIC, House, open_house, text_of
from tests.journeys.test_sign_in import browser

pytestmark = pytest.mark.anyio

LILEI, HAN = "lilei@163.example", "han@163.example"


def link_of(text: str) -> str:
    """The path of the link to the progress in a mail."""
    return str(re.findall(rf"{PUBLIC}(/q/CS\d+/[0-9a-f]+)", text)[0])


async def asked(house: House, number: str, contact: str) -> tuple[int, str, str]:
    """Somebody asks at /q; gives what they see of the answer."""
    answer = await house.web.post("/q", data={"number": number, "contact": contact})
    await house.settle()
    return answer.status_code, answer.headers.get("location", ""), answer.text


async def test_a_customer_sees_where_it_stands_and_a_stranger_learns_nothing(backend: Backend) -> None:
    async with open_house(backend) as house, browser(house) as phone:
        await house.mail(LILEI, "我的订单一直没到，非常着急。", subject="订单没到")
        number = (await house.ticket()).number
        handler = (await house.mail_of("assignment")).recipient
        link = link_of(text_of(await house.mail_of("receipt")))
        await house.mail(HAN, "Another request.", subject="Other")
        other = (await house.ticket()).number

        page = await phone.get(link)
        assert page.status_code == 200
        assert all(word in page.text for word in (number, "订单没到", "处理中", "答复时间", "已收到"))
        await house.api("POST", f"/tickets/{number}/note", {"text": "an odd customer"}, by=handler)
        await house.api("POST", f"/tickets/{number}/accept", by=handler)
        await house.api("POST", f"/tickets/{number}/answer", {"text": "我们在查。"}, by=handler)
        page = await phone.get(link)
        assert "已有专人处理" in page.text
        hidden = ("an odd customer", "我们在查", "Alice", "Bob", "CS001", "CS002", LILEI, "非常着急")
        assert not [word for word in hidden if word in page.text]

        token = link.rpartition("/")[2]
        for wrong in (
            f"/q/{other}/{token}",
            f"/q/{number}/{'0' * 32}",
            f"/q/CS209901010001/{token}",
            f"/q/x/{token}",
        ):
            assert (await phone.get(wrong)).status_code == 404, wrong

        told = [
            await asked(house, number, LILEI),
            await asked(house, number, HAN),
            await asked(house, "CS209901010001", LILEI),
            await asked(house, number.lower(), f" {LILEI.upper()} "),
        ]
        assert len(set(told)) == 1, "the same answer whatever there is"
        sent = await house.notifications("lookup")
        assert len(sent) == 2, "to the known contact alone"
        assert {
            mail.recipient for mail in house.mails_to(LILEI) if "进度" in str(mail.message["Subject"])
        } == {LILEI}
        assert not [mail for mail in house.mails_to(HAN) if number in str(mail.message["Subject"])]
        assert (await phone.get(link_of(text_of(await house.mail_of("lookup"))))).status_code == 200
        for _ in range(3):
            await asked(house, number, LILEI)
        assert len(await house.notifications("lookup")) == 3, "a few times a day"
        assert (await asked(house, number, "nobody"))[0] == 422
        for _ in range(20):
            last = await asked(house, number, HAN)
        assert last[0] == 429

        await house.mail(LILEI, "还是没到！", subject="订单又没到")
        second = (await house.ticket()).number
        mine = link_of(text_of(await house.mail_of("receipt", to=LILEI)))
        assert second in mine
        await house.api("POST", f"/tickets/{second}/merge", {"into": number}, by="SV001")
        assert f"工单 {number}" in (await phone.get(mine)).text, "it goes on there"
