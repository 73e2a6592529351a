"""An escalation is acknowledged by a mail, and an out-of-office answer to it is a broken rung."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conftest import Backend
from tests.house import House, open_house, text_of

pytestmark = pytest.mark.anyio

CUSTOMER = "lilei@shop.example"
CAROL, DORA = "carol@help.example", "dora@help.example"
AWAY = {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"}


async def _overdue(house: House, count: int = 1) -> list[str]:
    numbers = []
    for each in range(count):
        body = {
            "contact": {"email": CUSTOMER, "name": "Li Lei"},
            "subject": f"Order {each}",
            "description": "It has not arrived.",
            "priority": "high",
            "category": "other",
        }
        numbers.append(str((await house.api("POST", "/tickets", body))["number"]))
    await house.pass_time(until=(await house.deadlines(numbers[0]))["first_response"].limit_at)
    return numbers


async def test_got_it_by_mail_stops_the_ladder_and_reaches_no_customer(backend: Backend) -> None:
    async with open_house(backend) as house:
        for words in ("#知悉", "收到。\n\nCarol\nSupport"):
            (number,) = await _overdue(house)
            told = house.mails_to(CAROL, f"[{number}] 首次响应已超时")[-1]
            sent = len(house.mails_to(CUSTOMER))
            await house.mail("mallory@elsewhere.example", words, answers=told)
            assert "acknowledged" not in await house.log_kinds(number), "only from the person's own address"
            await house.mail(CAROL, words, answers=told)
            assert (await house.log_kinds(number)).count("acknowledged") == 1
            await house.pass_time(timedelta(minutes=3))
            assert len(house.mails_to(CUSTOMER)) == sent
            await house.mail(CAROL, "收到", answers=told)
            await house.pass_time(timedelta(minutes=3))
            assert len(house.mails_to(CUSTOMER)) == sent, "said once more it is still for us"

        numbers = await _overdue(house, 5)
        await house.pass_time(timedelta(minutes=1))
        digest = house.mails_to(CAROL, "个工单已超时")[-1]
        await house.mail(CAROL, "收到", headers={"In-Reply-To": digest.message_id})
        assert all(["acknowledged" in await house.log_kinds(number) for number in numbers])


async def test_an_out_of_office_answer_advances_the_ladder(backend: Backend) -> None:
    async with open_house(backend) as house:
        (number,) = await _overdue(house)
        told = house.mails_to(CAROL, f"[{number}] 首次响应已超时")[-1]
        assert not house.mails_to(DORA, f"[{number}]")
        subject = "Automatic reply: out of office"
        words = "I am out of the office until Monday."
        # To the return path, as RFC 3834 asks; a copy of it changes nothing.
        for _ in range(2):
            await house.mail(
                CAROL,
                words,
                subject=subject,
                to=told.sender,
                headers={**AWAY, "In-Reply-To": told.message_id},
            )
        entries = [entry for entry in await house.log(number) if entry.kind == "rung_broken"]
        assert [(entry.facts["reason"], entry.facts["passed_on_to"]) for entry in entries] == [
            ("out_of_office", ["HD001"])
        ]
        assert len(house.mails_to(DORA, f"[{number}] 首次响应已超时")) == 1

        # To the reply address, without a word of which mail it answers; and to a digest.
        await house.mail(
            DORA,
            words,
            subject=subject,
            to=str(house.mails_to(DORA, number)[-1].message["Reply-To"]),
            headers=AWAY,
        )
        assert [entry.kind for entry in await house.log(number)].count("rung_broken") == 2
        numbers = await _overdue(house, 5)
        await house.pass_time(timedelta(minutes=1))
        digest = house.mails_to(CAROL, "个工单已超时")[-1]
        await house.mail(CAROL, words, subject=subject, headers={**AWAY, "In-Reply-To": digest.message_id})
        await house.pass_time(timedelta(minutes=1))
        (passed_on,) = house.mails_to(DORA, "个工单已超时")
        assert all(each in text_of(passed_on) for each in numbers)
        assert all(["rung_broken" in await house.log_kinds(each) for each in numbers])
