"""Delivery on its edges: nothing holds up a lane, nothing is given up too early or sent too late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice

import pytest
from sqlalchemy import select, update

from models.base import new_id
from models.keys import DataKey
from models.notifications import DeliveryAttempt, Notification
from models.vocabulary import (
    Lane,
    Medium,
    NotificationState,
)
from tests.conftest import Backend
from tests.house import House, open_house
from tests.undisturbed import undisturbed
from tests.workbench import BellBook
from workers import escalations, tickets
from workers.actors import DESKS, Bench
from workers.bells import slot_of
from workers.channels.port import Outcome, Outgoing, Report, Verdict
from workers.delivery.courier import Courier
from workers.directory import Contact, staff_by_number
from workers.errors import TemplateError
from workers.rendering import Renderer
from workers.scheduler import Scheduler

pytestmark = pytest.mark.anyio

QUEUED, SENT = NotificationState.QUEUED, NotificationState.SENT
LILEI = "lilei@163.example"
CAROL = "carol@help.example"
RESULT = {"cause": "a stale token", "solution": "renewed it"}


async def _new(house: House, words: str = "Please help with my order.") -> str:
    await house.mail(LILEI, words, subject="Order", name="Li Lei")
    return (await house.ticket()).number


async def _handler(house: House) -> str:
    return (await house.mail_of("assignment")).recipient


async def test_one_erased_customer_does_not_hold_up_the_lane(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _later(house, Contact(email=LILEI))
        erased = await house.ticket()
        await _later(house, Contact(email="other@shop.example"))
        async with house.workshop.begin() as uow:
            gone = update(DataKey).where(DataKey.id == erased.data_key_id).values(wrapped=None)
            await uow.session.execute(gone)
        house.clock.advance(timedelta(hours=1))
        workshop = house.installation.workshop()  # with a memory of its own
        courier = house.installation.courier(workshop)
        await courier.deliver(Lane.BULK)
        first, second = await house.notifications("receipt")
        assert (first.state, first.reason) == (NotificationState.FAILED, "erased")
        assert second.state is NotificationState.SENT
        await courier.aclose()
        await workshop.engine.dispose()


async def test_what_waits_for_long_is_left_to_the_sweeps_bell(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _later(house, Contact(email=LILEI))
        house.clock.advance(timedelta(minutes=30))
        await _later(house, Contact(email="other@shop.example"))
        house.clock.advance(timedelta(hours=1))
        workshop = house.installation.workshop()
        courier = house.installation.courier(workshop)
        bench = Bench(workshop, courier, lambda bells: None)
        assert await bench.hear("delivery", Lane.BULK, slot_of(house.clock.now())) == 1
        assert [row.state for row in await house.notifications("receipt")] == [QUEUED, SENT]
        rung = BellBook()
        await Scheduler(workshop, rung, DESKS).round()
        (bell,) = (each for each in rung.rung if (each.desk, each.lane) == ("delivery", Lane.BULK))
        assert await bench.hear(*bell) == 1
        assert [row.state for row in await house.notifications("receipt")] == [SENT, SENT]
        await bench.aclose()


async def _later(house: House, contact: Contact) -> None:
    """A request whose receipt is due in an hour, in a lane of its own."""
    async with house.workshop.begin() as uow:
        by_phone = Medium.SMS if contact.phone else Medium.EMAIL
        ticket = await tickets.open_ticket(uow, _question(house, contact, by_phone))
        await uow.session.execute(
            update(Notification)
            .where(Notification.ticket_id == ticket.id, Notification.kind == "receipt")
            .values(lane=Lane.BULK, due_at=house.clock.now() + timedelta(hours=1))
        )


def _question(house: House, contact: Contact, channel: Medium) -> tickets.Request:
    return tickets.Request(
        contact=contact,
        channel=channel,
        subject="Question",
        description="Where is my parcel?",
        received_at=house.clock.now(),
    )


async def test_a_notice_of_the_night_is_tried_for_two_days_from_when_it_is_due(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _later(house, Contact(email=LILEI))
        async with house.workshop.begin() as uow:
            due_at = house.clock.now() + timedelta(days=5)
            receipt = update(Notification).where(Notification.kind == "receipt")
            await uow.session.execute(receipt.values(due_at=due_at))
        await house.settle()
        await house.relay.stop()
        house.clock.set(due_at)
        workshop = house.installation.workshop()
        courier = house.installation.courier(workshop)
        await courier.deliver(Lane.BULK)
        (row,) = await house.notifications("receipt")
        assert row.state is NotificationState.RETRYING
        await courier.aclose()
        await workshop.engine.dispose()
        await house.relay.start()


async def test_an_agent_hears_that_an_answer_could_not_be_made(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_house(backend) as house:
        number = await _new(house)
        handler = await _handler(house)
        render = Renderer.render_mail

        def fails(self: Renderer, message: str, locale: str, facts: dict[str, object]) -> object:
            if message == "reply_to_customer":
                raise TemplateError("broken")
            return render(self, message, locale, facts)

        monkeypatch.setattr(Renderer, "render_mail", fails)
        await house.api("POST", f"/tickets/{number}/answer", {"text": "Hello"}, by=handler)
        await house.pass_time(timedelta(minutes=2))
        (row,) = await house.notifications("reply_to_customer")
        assert row.state is NotificationState.FAILED
        assert (await house.mail_of("answer_bounced")).recipient == handler


async def test_what_a_stopped_ladder_had_claimed_is_not_tried_again(backend: Backend) -> None:
    async with open_house(backend) as house:
        number = await _new(house)
        await house.relay.stop()
        limit = (await house.deadlines())["first_response"].limit_at
        await house.pass_time(until=limit)
        async with house.workshop.begin() as uow:  # as if a worker had claimed it when somebody acknowledged
            await uow.session.execute(
                update(Notification)
                .where(Notification.kind == "breach")
                .values(
                    state=NotificationState.CLAIMED,
                    lease_token=new_id(),
                    free_at=house.clock.machine() + timedelta(hours=1),
                )
            )
        async with house.workshop.begin() as uow:
            ticket = await tickets.ticket_by_number(uow, number)
            await escalations.acknowledge(uow, ticket, await staff_by_number(uow, "SV001"))
        async with house.workshop.begin() as uow:
            await uow.session.execute(
                update(Notification)
                .where(Notification.kind == "breach")
                .values(state=NotificationState.RETRYING, lease_token=None, free_at=None)
            )
        await house.relay.start()
        await house.settle()
        assert {row.state for row in await house.notifications("breach")} == {NotificationState.SUPPRESSED}
        assert {row.reason for row in await house.notifications("breach")} == {"acknowledged"}


class SlowPhone:
    """An SMS channel that takes its time, and as long to say that it has not begun."""

    name, batch_size, timeout = "slow", 1, 0.6

    async def deliver(self, batch: Sequence[Outgoing], report: Report, *, until: float) -> None:
        """Sends one after the other while there is time."""
        for item in batch:
            sends = time.monotonic() + self.timeout <= until
            await asyncio.sleep(0.4)
            verdict = Verdict.SENT if sends else Verdict.NOT_STARTED
            await report(Outcome(item.id, verdict, "", None, "", "", True, None, datetime.now(UTC), 0.4))

    async def aclose(self) -> None:
        """Holds nothing."""


async def test_no_attempt_begins_that_its_lease_would_not_outlast(backend: Backend) -> None:
    async with open_house(backend) as house:
        slow = {Medium.SMS: SlowPhone()}
        lease = timedelta(seconds=1.5)
        couriers = [Courier(house.workshop, house.installation.renderer, slow, lease=lease) for _ in range(3)]
        numbers = count()

        async def story() -> None:
            before = {row.id for row in await house.notifications("receipt")}
            for number in islice(numbers, 8):
                await _later(house, Contact(phone=f"+861390000{number:04}"))
            house.clock.advance(timedelta(hours=1))
            await asyncio.gather(*(_keep_delivering(house, courier) for courier in couriers))
            new = {row.id for row in await house.notifications("receipt")} - before
            async with house.workshop.read() as uow:
                # On a busy machine the channel itself may still decline what the courier found time for.
                tries = select(DeliveryAttempt.outcome).where(DeliveryAttempt.notification_id.in_(new))
                outcomes = set(await uow.session.scalars(tries))
            assert "sent" in outcomes
            assert outcomes <= {"sent", "not_started"}

        await undisturbed(story)


class CutOff:
    """Takes a mail, and comes back with the answer when `back` is set: its machine was cut off meanwhile."""

    name, batch_size, timeout = "cut-off", 100, 1.0

    def __init__(self, back: asyncio.Event) -> None:
        self.back, self.begun = back, asyncio.Event()

    async def deliver(self, batch: Sequence[Outgoing], report: Report, *, until: float) -> None:
        """Says in the end that all was taken."""
        self.begun.set()
        await self.back.wait()
        for item in batch:
            code, at = 250, datetime.now(UTC)
            await report(Outcome(item.id, Verdict.SENT, "accepted", code, "", "", True, None, at, 0.4))

    async def aclose(self) -> None:
        """Holds nothing."""


async def test_who_was_taken_for_lost_and_had_sent_says_both(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _later(house, Contact(email=LILEI))
        house.clock.advance(timedelta(hours=1))
        back, at_once = asyncio.Event(), asyncio.Event()
        at_once.set()
        lost, other = CutOff(back), CutOff(at_once)
        couriers = [
            Courier(house.workshop, house.installation.renderer, {Medium.EMAIL: channel}, lease=lease)
            for channel, lease in ((lost, timedelta(seconds=10)), (other, timedelta(seconds=60)))
        ]
        cut_off = asyncio.create_task(couriers[0].deliver(Lane.BULK))
        await lost.begun.wait()
        async with house.workshop.begin() as uow:
            over = uow.clock.machine() - timedelta(seconds=1)  # the lease, as another machine sees it
            receipt = update(Notification).where(Notification.kind == "receipt")
            await uow.session.execute(receipt.values(free_at=over))
        assert await couriers[1].deliver(Lane.BULK) == 1
        back.set()
        await cut_off
        (note,) = await house.notifications("receipt")
        async with house.workshop.read() as uow:
            rows = await uow.session.execute(
                select(DeliveryAttempt.outcome, DeliveryAttempt.reason).where(
                    DeliveryAttempt.notification_id == note.id
                )
            )
            assert {tuple(row) for row in rows} == {("sent", "worker_lost"), ("sent", "accepted")}
        assert note.state is NotificationState.SENT


async def _keep_delivering(house: House, courier: Courier) -> None:
    """As a worker does, until all SMS are on their way or given up."""
    async with asyncio.timeout(120):
        while any(row.due_at for row in await house.notifications("receipt")):
            await courier.deliver(Lane.BULK)
            await asyncio.sleep(0.05)
