"""Customers of requests that stay open are kept informed (B15); the handler is asked for news before."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.vocabulary import NotificationState
from tests.conftest import Backend
from tests.house import House, open_house, text_of

pytestmark = pytest.mark.anyio

LILEI = "lilei@shop.example"
STILL = "We are still working on it"


async def _notices(house: House) -> int:
    return len(house.mails_to(LILEI, STILL))


async def test_a_customer_hears_where_an_open_request_stands(backend: Backend) -> None:
    async with open_house(backend) as house:  # Monday, 10:00 in Shanghai; "2wd": Wednesday at closing time
        await house.mail(LILEI, "It has not arrived.", subject="Order", name="Li Lei")
        number = (await house.ticket()).number
        assignment = await house.mail_of("assignment")
        handler = assignment.recipient
        await house.mail(handler, "#accept\n#note a secret of ours", answers=assignment)
        await house.api("POST", f"/tickets/{number}/progress", {"text": "The depot was asked."}, by=handler)
        closing = house.clock.now().replace(hour=10) + timedelta(days=2)
        await house.pass_time(until=closing - timedelta(hours=2))
        wanted = await house.mail_of("progress_wanted")
        assert wanted.recipient == handler
        assert await _notices(house) == 0
        # What the handler writes then goes out at once, and the notice is put off.
        await house.mail(handler, "#inform The parcel was found in the depot.", answers=wanted)
        assert "found in the depot" in text_of(house.mails_to(LILEI)[-1])
        await house.pass_time(until=closing)
        assert await _notices(house) == 0

        # Friday: nobody writes. The notice says the last public word, nothing of what stays inside.
        await house.pass_time(until=closing + timedelta(days=2))
        (notice,) = house.mails_to(LILEI, STILL)
        assert "found in the depot" in text_of(notice)
        assert "secret" not in text_of(notice)
        assert "asked" not in text_of(notice)
        assert notice.message["Auto-Submitted"] == "auto-generated"
        assert len(await house.notifications("progress_wanted")) == 2

        # While the customer is waited for nothing is sent; afterwards it goes on.
        await house.api("POST", f"/tickets/{number}/wait", {"question": "Which colour?"}, by=handler)
        await house.pass_time(until=closing + timedelta(days=6))
        assert await _notices(house) == 1
        await house.mail(LILEI, "Blue.", answers=notice)
        await house.pass_time(until=closing + timedelta(days=8))
        assert await _notices(house) == 2

        # The result ends it.
        result = {"cause": "Lost on the way", "solution": "Sent anew", "precautions": ""}
        await house.api("POST", f"/tickets/{number}/resolve", result, by=handler)
        await house.pass_time(until=closing + timedelta(days=12))
        assert await _notices(house) == 2
        assert (await house.deadlines(number))["progress"].ended_reason == "resolved"


async def test_machines_and_the_night_hear_nothing(backend: Backend) -> None:
    async with open_house(backend, settings={"policy": "after-sales"}) as house:
        loud = {"Auto-Submitted": "auto-generated"}
        await house.mail("alarm@shop.example", "Disk full", subject="Alarm", headers=loud)
        machine = await house.ticket()
        await house.api(
            "POST", f"/tickets/{machine.number}/accept", {}, by=(await house.mail_of("assignment")).recipient
        )
        body = {
            "contact": {"email": LILEI, "name": "Li Lei"},
            "subject": "Order",
            "description": "It has not arrived.",
            "priority": "urgent",
            "category": "other",
        }
        number = str((await house.api("POST", "/tickets", body))["number"])
        evening = house.clock.now().replace(hour=14)  # 22:00 in Shanghai
        await house.pass_time(until=evening)
        handler = (await house.api("GET", f"/tickets/{number}"))["handler"]
        await house.api("POST", f"/tickets/{number}/accept", {}, by=handler)
        # Urgent: 24 hours on the clock later it is 22:00 again; the notice waits for the morning.
        await house.pass_time(until=evening + timedelta(days=1))
        (row,) = [
            row
            for row in await house.notifications("progress_update")
            if row.state is not NotificationState.SUPPRESSED
        ]
        assert (row.state, row.reason) == (NotificationState.QUEUED, "quiet_hours")
        await house.pass_time(until=evening + timedelta(days=1, hours=11))
        assert len([m for m in house.mails_to(LILEI) if m.message_id == row.message_id]) == 1
        silent = [row for row in await house.notifications("progress_update") if row.ticket_id == machine.id]
        assert {row.state for row in silent} == {NotificationState.SUPPRESSED}
