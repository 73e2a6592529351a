"""What becomes of mails while a relay is away, has its limits, or wants to see a stranger twice."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from models.notifications import DeliveryAttempt, Notification
from models.vocabulary import NotificationState
from tests.conftest import Backend
from tests.factories import all_of
from tests.fakes_smtp import Action, ScriptedSmtp, refuse
from tests.house import House, open_house

pytestmark = pytest.mark.anyio

LILEI = "lilei@163.example"


async def _new(house: House, sender: str = LILEI) -> None:
    await house.mail(sender, "Please help with my order.", subject="Order")


def _seconds_left(house: House, row: Notification) -> float:
    assert row.free_at is not None
    return (row.free_at - house.clock.machine()).total_seconds()


async def test_being_throttled_is_no_try_and_has_its_reason(backend: Backend) -> None:
    async with ScriptedSmtp() as relay:
        url = f"{relay.url}&per_domain=1/h"
        async with open_house(backend, settings={"smtp_url": (url,)}) as house:
            house.relay = relay
            await _new(house, "a@one.example")
            await _new(house, "b@one.example")
            first, second = await house.notifications("receipt")
            assert (first.state, first.tries) == (NotificationState.SENT, 1)
            assert (second.state, second.reason, second.tries) == (NotificationState.QUEUED, "throttled", 0)
            assert _seconds_left(house, second) > 3000
            attempts = await all_of(
                house.workshop, DeliveryAttempt, DeliveryAttempt.notification_id == second.id
            )
            assert {(row.outcome, row.reason) for row in attempts} == {("not_started", "throttled")}


async def test_who_greylists_is_asked_again_after_a_minute_at_the_earliest(backend: Backend) -> None:
    async with open_house(backend) as house:
        house.relay.script.on("rcpt", refuse("451 4.7.1 try again later"), recipient=LILEI)
        before = house.clock.machine()
        await _new(house)
        (row,) = await house.notifications("receipt")
        assert (row.state, row.reason, row.tries) == (NotificationState.RETRYING, "greylisted", 1)
        assert row.free_at is not None
        assert row.free_at >= before + timedelta(minutes=1)
        assert _seconds_left(house, row) <= 300


async def test_a_warning_that_could_not_leave_in_time_expires_with_that_reason(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _new(house)
        limit = (await house.deadlines())["first_response"]
        warning = next(alarm for alarm in limit.alarms if alarm["step"] == "warning")
        sender = (await house.mail_of("assignment")).recipient
        too_late = asyncio.Event()
        late = Action(reply=b"451 4.3.0 try again later\r\n", held=too_late)
        house.relay.script.on("rcpt", late, recipient=sender)
        said = house.relay.count("RCPT")
        house.clock.set(datetime.fromisoformat(warning["at"]))
        await house.scheduler.round()
        await house.relay.until(lambda: house.relay.count("RCPT") > said)
        assert limit.limit_at is not None
        house.clock.set(limit.limit_at)
        too_late.set()
        await house.settle()
        rows = await house.notifications("first_response_warning")
        assert {(row.state, row.reason) for row in rows} == {(NotificationState.EXPIRED, "too_late")}
        assert {row.due_at for row in rows} == {None}


async def test_readiness_tells_of_a_relay_that_is_left_alone(backend: Backend) -> None:
    async with open_house(backend) as house:
        assert (await house.web.get("/readyz")).json()["checks"]["relay"] == "ok"
        house.relay.script.on("connect", refuse("535 5.7.8 who are you"))
        house.installation.metrics.relay_down.labels("relay.example:587").set(1)
        answer = await house.web.get("/readyz")
        assert answer.status_code == 200, "requests can be taken in all the same"
        assert "relay.example:587" in answer.json()["checks"]["relay"]
