"""A request misses two limits: each tells everybody once, and whoever takes it on stops both ladders."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.people import Staff
from tests.conftest import Backend
from tests.factories import all_of
from tests.house import open_house

pytestmark = pytest.mark.anyio

CAROL, DORA = "carol@help.example", "dora@help.example"


async def test_rungs_of_one_moment_are_one_mail_and_one_word_stops_all_ladders(backend: Backend) -> None:
    async with open_house(backend) as house:
        body = {
            "contact": {"email": "lilei@shop.example", "name": "Li Lei"},
            "subject": "The till stands still",
            "description": "Since this morning.",
            "priority": "high",
            "category": "other",
        }
        number = str((await house.api("POST", "/tickets", body))["number"])
        plan = (await house.deadlines(number))["plan"].limit_at
        assert plan is not None
        # An outage until the second limit: breach and rungs of the first are all found in one go.
        await house.pass_time(until=plan)
        (carol,) = await all_of(house.workshop, Staff, Staff.number == "SV001")
        for words in ("首次响应已超时", "处理方案已超时"):
            assert len(house.mails_to(CAROL, f"[{number}] {words}")) == 1
        merged = [row for row in await house.notifications("breach") if row.reason == "told_just_now"]
        assert carol.id in {row.staff_id for row in merged}
        assert all(row.digest_id is None for row in merged)

        before = {who: len(house.mails_to(who, number)) for who in (CAROL, DORA)}
        await house.api("POST", f"/tickets/{number}/acknowledge", {}, by="SV001")
        (line,) = [entry for entry in await house.log(number) if entry.kind == "acknowledged"]
        assert line.facts == {"ladders": 2}
        await house.pass_time(timedelta(days=1))
        assert {who: len(house.mails_to(who, number)) for who in (CAROL, DORA)} == before
