"""Who is away is stood in for; at night and on holidays who is on duty hears first; reviews are on time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conftest import Backend
from tests.house import ADMIN, House, open_house
from workers.tickets.auditing import audit_batch

pytestmark = pytest.mark.anyio

ALICE, BOB, CAROL, DORA = (f"{name}@help.example" for name in ("alice", "bob", "carol", "dora"))


async def _open(house: House, priority: str = "medium") -> str:
    body = {
        "contact": {"email": "lilei@shop.example", "name": "Li Lei"},
        "subject": "Order",
        "description": "It has not arrived.",
        "priority": priority,
        "category": "other",
    }
    return str((await house.api("POST", "/tickets", body))["number"])


async def _away(house: House, number: str, hours: float, *, after: float = 0, substitute: str = "") -> str:
    now = house.clock.now()
    body = {
        "starts_at": (now + timedelta(hours=after)).isoformat(),
        "ends_at": (now + timedelta(hours=after + hours)).isoformat(),
        "substitute": substitute or None,
    }
    return str((await house.api("POST", f"/staff/{number}/absences", body))["id"])


async def test_who_is_away_is_stood_in_for(backend: Backend) -> None:
    async with open_house(backend) as house:
        first, second = await _open(house), await _open(house)
        handlers = {number: await _handler(house, number) for number in (first, second)}
        assert set(handlers.values()) == {"CS001", "CS002"}
        (of_alice,) = [number for number, handler in handlers.items() if handler == "CS001"]
        third = await _open(house)
        if await _handler(house, third) != "CS001":
            third = await _open(house)
        await house.api("POST", f"/tickets/{third}/accept", {}, by="CS001")

        # It begins in an hour: until then nothing moves, then what is not accepted goes to the colleague.
        await _away(house, "CS001", 48, after=1, substitute="CS002")
        assert await _handler(house, of_alice) == "CS001"
        await house.pass_time(timedelta(hours=1))
        assert await _handler(house, of_alice) == "CS002"
        assert await _handler(house, third) == "CS001"
        moved = next(entry for entry in await house.log(of_alice) if entry.kind == "transferred")
        assert moved.facts["why"] == "absent"
        assert [mail.recipient for mail in house.mails_to(BOB, f"[{of_alice}]")]
        assert await _handler(house, await _open(house)) == "CS002"

        # What the customer writes on the accepted one is told to both.
        receipt = next(mail for mail in house.mails_to("lilei@shop.example", f"[{third}]"))
        before = len(await house.notifications("customer_reply"))
        await house.mail("lilei@shop.example", "And this one?", answers=receipt)
        assert {mail.recipient for mail in house.relay.mails[-2:]} == {ALICE, BOB}
        assert len(await house.notifications("customer_reply")) == before + 2

        # The supervisor and her substitute are away: the next of the chain; with nobody the administrator.
        await _away(house, "SV001", 48, substitute="CS002")
        gone = await _away(house, "CS002", 48, substitute="HD001")
        urgent = await _open(house, "urgent")
        await house.pass_time(timedelta(hours=2))
        assert house.mails_to(DORA, f"[{urgent}] 首次响应已超时")
        assert not house.mails_to(CAROL, f"[{urgent}]")
        await house.api("DELETE", f"/staff/CS002/absences/{gone}")
        await _away(house, "CS002", 48)
        await _away(house, "HD001", 48)
        last = await _open(house, "urgent")
        await house.pass_time(timedelta(hours=2))
        assert house.mails_to(ADMIN, f"[{last}] 首次响应已超时")
        shown = (await house.api("GET", "/staff/SV001/absences"))["items"]
        assert [item["substitute"] for item in shown] == ["CS002"]


async def test_what_is_handed_on_for_an_absence_is_judged_by_its_log_like_any_other(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _open(house)
        handler = await _handler(house, number)
        await _away(house, handler, 48, after=1)
        await house.pass_time(timedelta(hours=9))
        (moved,) = [entry for entry in await house.log(number) if entry.kind == "transferred"]
        assert moved.facts["case"]["team"] == "support"
        assert (await house.deadlines(number))["acceptance"].started_at == moved.at
        async with house.workshop.read() as uow:
            (audited,) = await audit_batch(uow)
        assert (audited.known, audited.differences) == (True, ())


async def test_at_night_whoever_is_on_duty_hears_first(backend: Backend) -> None:
    async with open_house(backend) as house:
        start = house.clock.now().replace(hour=10)  # 18:00 in Shanghai
        body = {
            "staff": "HD001",
            "starts_at": start.isoformat(),
            "ends_at": (start + timedelta(hours=8)).isoformat(),
        }
        await house.api("POST", "/duties", body)
        roster = await house.api("GET", "/duties?days=2")
        assert [item["staff"] for item in roster["items"]] == ["HD001"]
        assert roster["gaps"], "from 02:00 to 09:00 nobody is there"

        await house.pass_time(until=start + timedelta(hours=1))
        number = await _open(house, "urgent")
        assert await _handler(house, number) == "HD001"
        await house.pass_time(timedelta(hours=2))
        assert house.mails_to(DORA, f"[{number}] 首次响应已超时")
        assert not house.mails_to(CAROL, f"[{number}] 首次响应已超时")
        await house.pass_time(timedelta(minutes=15))
        assert house.mails_to(CAROL, f"[{number}] 首次响应已超时"), "nobody acknowledged: the ladder goes on"

        # In the gap everything goes its usual way.
        await house.pass_time(until=start + timedelta(hours=9))
        late = await _open(house, "urgent")
        assert await _handler(house, late) in ("CS001", "CS002")
        await house.pass_time(timedelta(hours=2))
        assert house.mails_to(CAROL, f"[{late}] 首次响应已超时")

        # The first of a quarter is a working day here: those who lead are reminded once.
        await house.pass_time(until=start.replace(month=4, day=1, hour=1))
        await house.pass_time(timedelta(hours=1))
        await house.pass_time(timedelta(days=2))
        assert len(house.mails_to(CAROL, "标准复审")) == len(house.mails_to(ADMIN, "标准复审")) == 1
        assert not house.mails_to(ALICE, "标准复审")


async def test_one_person_with_every_role_gets_one_mail_about_one_fact(backend: Backend) -> None:
    async with open_house(backend) as house:
        for number in ("CS001", "CS002", "SV001", "HD001"):
            await house.api("PATCH", f"/staff/{number}", {"active": False})
        number = await _open(house, "high")
        limit = (await house.deadlines(number))["first_response"].limit_at
        assert limit is not None
        await house.pass_time(until=limit - timedelta(minutes=30))
        for moment in (limit, limit + timedelta(minutes=30), limit + timedelta(hours=2)):
            before = len(house.mails_to(ADMIN, f"[{number}]"))
            await house.pass_time(until=moment)
            assert len(house.mails_to(ADMIN, f"[{number}]")) == before + 1, moment
        assert {row.staff_id for row in await house.notifications("breach")} == {
            (await house.ticket()).handler_id
        }


async def _handler(house: House, number: str) -> str:
    return str((await house.api("GET", f"/tickets/{number}"))["handler"])
