"""What nobody takes on: the ladder is climbed to its top, then told again daily until somebody does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from models.deadlines import Deadline
from models.vocabulary import DeadlineKind, DeadlineState
from tests.conftest import Backend
from tests.house import ADMIN, House, link_in, open_house

pytestmark = pytest.mark.anyio

CAROL = "carol@help.example"


async def _open(house: House, number: int = 1, priority: str = "urgent") -> str:
    body = {
        "contact": {"email": f"customer{number}@shop.example", "name": f"Customer {number}"},
        "subject": f"Order {number}",
        "description": "It has not arrived.",
        "priority": priority,
        "category": "other",
    }
    return str((await house.api("POST", "/tickets", body))["number"])


async def _levels(house: House, number: str) -> list[int]:
    """The levels that were told of the missed first response, in order."""
    said = [entry.facts for entry in await house.log(number) if entry.kind == "escalated"]
    return [facts["level"] for facts in said if facts["clock"] == "first_response"]


async def test_what_nobody_takes_on_is_told_again_every_day_until_somebody_does(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _open(house)
        limit = (await house.deadlines(number))["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit)
        assert await _levels(house, number) == []
        for minutes, levels in ((15, [1]), (30, [1, 2]), (60, [1, 2, 3])):
            await house.pass_time(until=limit + timedelta(minutes=minutes))
            assert await _levels(house, number) == levels
        for days in (1, 2, 3):
            before = len(house.mails_to(ADMIN))
            await house.pass_time(until=limit + timedelta(days=days, hours=1, minutes=-1))
            assert len(await _levels(house, number)) == 2 + days, "a day is not over"
            await house.pass_time(until=limit + timedelta(days=days, hours=1))
            assert len(await _levels(house, number)) == 3 + days
            assert len(house.mails_to(ADMIN)) > before
        heard = [mail for mail in house.mails_to(ADMIN) if number in str(mail.message["Subject"])]
        await house.tap(link_in(heard[-1], "t", 0))
        told = await _levels(house, number)
        await house.pass_time(timedelta(days=3))
        assert await _levels(house, number) == told


async def test_a_rung_that_is_heard_after_the_answer_tells_nobody(backend: Backend) -> None:
    """The answer ends the ladder itself; should it ever not have, the rung looks once more."""
    async with open_house(backend) as house:
        number = await _open(house)
        limit = (await house.deadlines(number))["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit)
        async with house.workshop.begin() as uow:
            answered = update(Deadline).where(Deadline.kind == DeadlineKind.FIRST_RESPONSE)
            await uow.session.execute(answered.values(met_at=limit + timedelta(minutes=5)))
        before = len(house.mails_to(CAROL))
        await house.pass_time(until=limit + timedelta(minutes=20))
        assert await _levels(house, number) == []
        assert len(house.mails_to(CAROL)) == before
        ladder = (await house.deadlines(number))["escalation"]
        assert (ladder.state, ladder.ended_reason) == (DeadlineState.WITHDRAWN, "met_late")


async def test_so_many_tickets_as_the_policy_says_are_a_storm_and_one_less_is_none(backend: Backend) -> None:
    async with open_house(backend) as house:
        for count, digests in ((4, 0), (5, 1)):
            numbers = [await _open(house, 10 * count + each, "medium") for each in range(count)]
            before = len(house.mails_to(CAROL, "个工单已超时"))
            limit = (await house.deadlines(numbers[0]))["first_response"].limit_at
            assert limit is not None
            await house.pass_time(until=limit)
            await house.pass_time(timedelta(minutes=2))
            assert len(house.mails_to(CAROL, "个工单已超时")) - before == digests
            for number in numbers:
                await house.api("POST", f"/tickets/{number}/acknowledge", {}, by=CAROL)
            await house.pass_time(until=house.clock.now().replace(hour=1, minute=0) + timedelta(days=1))
