"""After days in which nothing ran, each message gets one real try before it is given up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from models.notifications import DeliveryAttempt, Notification
from models.vocabulary import Lane, Medium, NotificationState
from tests.conftest import Backend
from tests.fakes_smtp import refuse
from tests.house import House, open_house
from workers import tickets
from workers.delivery.outcome import LEFT_ALONE
from workers.directory import Contact

pytestmark = pytest.mark.anyio
RETRYING = NotificationState.RETRYING
RECEIPT = Notification.kind == "receipt"
"""The workers of the house are at other messages meanwhile."""


async def _waiting(house: House, count: int) -> None:
    """Requests whose receipts are due in an hour, in a lane of their own."""
    later = house.clock.now() + timedelta(hours=1)
    async with house.workshop.begin() as uow:
        for number in range(count):
            contact = Contact(email=f"p{number}@shop.example")
            request = tickets.Request(
                contact=contact, channel=Medium.EMAIL, subject="Question", description="Where is my parcel?",
                received_at=house.clock.now(),
            )  # fmt: skip # packed, to be read at a glance
            await tickets.open_ticket(uow, request)
        await uow.session.execute(update(Notification).where(RECEIPT).values(lane=Lane.BULK, due_at=later))


async def test_what_is_too_old_is_tried_once_and_being_left_alone_is_no_try(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _waiting(house, 12)
        house.clock.advance(timedelta(days=5))
        house.relay.script.on("connect", refuse("421 4.3.2 closed for now"))
        workshop = house.installation.workshop()
        courier = house.installation.courier(workshop)
        await courier.deliver(Lane.BULK)
        rows = await house.notifications("receipt")
        states = [row.state for row in rows]
        assert set(states) == {NotificationState.FAILED, NotificationState.RETRYING}
        assert {str(row.reason)[:8] for row in rows if row.state is NotificationState.FAILED} == {"gave_up_"}
        asked = states.count(NotificationState.FAILED)
        assert asked <= 4, "no more than have a connection"
        house.relay.script.clear()
        courier_again = house.installation.courier(workshop)  # with breakers that know of nothing
        async with workshop.begin() as uow:
            await uow.session.execute(update(Notification).where(RECEIPT).values(free_at=None))
        await courier_again.deliver(Lane.BULK)
        states = [row.state for row in await house.notifications("receipt")]
        assert states.count(NotificationState.SENT) == 12 - asked
        await courier.aclose()
        await courier_again.aclose()
        await workshop.engine.dispose()


async def test_what_is_too_old_does_not_wait_for_a_try_without_end(backend: Backend) -> None:
    async with open_house(backend) as house:
        await _waiting(house, 12)
        house.clock.advance(timedelta(days=5))
        house.relay.script.on("connect", refuse("421 4.3.2 closed for now"))
        workshop = house.installation.workshop()
        courier = house.installation.courier(workshop)
        await courier.deliver(Lane.BULK)
        waiting = [row for row in await house.notifications("receipt") if row.state is RETRYING]
        assert len(waiting) >= 8
        async with workshop.begin() as uow:
            often = {"free_at": None, "tries": LEFT_ALONE - 2}
            await uow.session.execute(
                update(Notification).where(RECEIPT, Notification.state == RETRYING).values(often)
            )
        await courier.deliver(Lane.BULK)
        left = [row for row in await house.notifications("receipt") if row.state is RETRYING]
        assert len(left) >= len(waiting) - 4, "not before that many claims, unless a relay was asked"
        async with workshop.begin() as uow:
            await uow.session.execute(update(Notification).where(RECEIPT).values(free_at=None))
        await courier.deliver(Lane.BULK)
        rows = await house.notifications("receipt")
        assert {(row.state, row.reason) for row in rows} == {
            (NotificationState.FAILED, "gave_up_connection_failed")
        }
        async with workshop.read() as uow:
            receipts = select(Notification.id).where(RECEIPT)
            mine = DeliveryAttempt.notification_id.in_(receipts)
            asked = await uow.session.scalars(
                select(DeliveryAttempt.host).where(mine, DeliveryAttempt.host != "")
            )
            assert len(asked.all()) < 12, "some of them were never told to anybody"
        await courier.aclose()
        await workshop.engine.dispose()
