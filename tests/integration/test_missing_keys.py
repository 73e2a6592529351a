"""A key that was taken out of the ring too early: its customer waits, everybody else is served."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.keys import DataKey
from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, EventState, Lane, Medium, NotificationState
from tests.conftest import Backend
from tests.factories import Desk, all_of, make_desk, make_ticket
from tests.house import House, open_house
from workers import alarms, tickets
from workers.actors import HANDLERS
from workers.delivery.unsendable import KEY_MISSING
from workers.directory import Contact
from workers.intake.desk import work_off
from workers.intake.store import Event, store
from workers.unit_of_work import Vault, Workshop

pytestmark = pytest.mark.anyio
RECEIPT = Notification.kind == "receipt"
"""The workers of the house are at other messages meanwhile."""


async def _take_out(workshop: Workshop, ticket: Ticket, name: str = "gone") -> None:
    async with workshop.begin() as uow:
        wrapped = update(DataKey).where(DataKey.id == ticket.data_key_id).values(ring_key=name)
        await uow.session.execute(wrapped)


async def _held_back(house: House, email: str) -> Ticket:
    """A request whose receipt waits for an hour, in a lane of its own."""
    request = tickets.Request(
        contact=Contact(email=email), channel=Medium.EMAIL, subject="Question", description="Where is it?",
        received_at=house.clock.now(),
    )  # fmt: skip # packed, to be read at a glance
    async with house.workshop.begin() as uow:
        ticket = await tickets.open_ticket(uow, request)
        later = house.clock.now() + timedelta(hours=1)
        mine = (Notification.ticket_id == ticket.id, RECEIPT)
        await uow.session.execute(update(Notification).where(*mine).values(lane=Lane.BULK, due_at=later))
    return ticket


async def test_one_message_waits_for_its_key_and_the_others_go_out(backend: Backend) -> None:
    async with open_house(backend) as house:
        lost = await _held_back(house, "lost@shop.example")
        await _held_back(house, "other@shop.example")
        await _take_out(house.workshop, lost)
        house.clock.advance(timedelta(hours=1))
        workshop = house.installation.workshop()  # with a memory of its own
        courier = house.installation.courier(workshop)
        await courier.deliver(Lane.BULK)
        first, second = await house.notifications("receipt")
        assert (first.state, first.reason, first.tries) == (NotificationState.HELD, KEY_MISSING, 0)
        assert first.free_at is not None
        assert second.state is NotificationState.SENT

        looked = await house.api("GET", "/attention")
        shown = {item["id"]: item["ticket"] for item in looked["items"] if item["what"] == KEY_MISSING}
        assert shown[str(first.id)] == lost.number
        assert looked["counts"][KEY_MISSING] == len(shown)

        await _take_out(house.workshop, lost, "test")  # the operator puts it back
        async with workshop.begin() as uow:
            await uow.session.execute(update(Notification).where(RECEIPT).values(free_at=None))
        await courier.deliver(Lane.BULK)
        assert [row.state for row in await house.notifications("receipt")] == [NotificationState.SENT] * 2
        left = (await house.api("GET", "/attention"))["items"]
        assert str(first.id) not in {item["id"] for item in left}
        await courier.aclose()
        await workshop.engine.dispose()


async def test_what_waited_two_days_for_its_key_has_failed(backend: Backend) -> None:
    async with open_house(backend) as house:
        lost = await _held_back(house, "lost@shop.example")
        await _take_out(house.workshop, lost)
        house.clock.advance(timedelta(hours=50))
        workshop = house.installation.workshop()
        courier = house.installation.courier(workshop)
        await courier.deliver(Lane.BULK)
        (row,) = await house.notifications("receipt")
        assert (row.state, row.reason) == (NotificationState.HELD, KEY_MISSING), "never at the first look"
        async with workshop.begin() as uow:
            await uow.session.execute(update(Notification).where(RECEIPT).values(free_at=None))
        await courier.deliver(Lane.BULK)
        (row,) = await house.notifications("receipt")
        assert (row.state, row.reason, row.due_at) == (NotificationState.FAILED, KEY_MISSING, None)
        await courier.aclose()
        await workshop.engine.dispose()


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are unwrapped anew each time, as in a process that has just started."""
    monkeypatch.setattr(Vault, "_remember", lambda *_: None)


@pytest.mark.usefixtures("forgetful")
async def test_an_event_without_its_key_is_tried_again_and_the_next_one_is_filed(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        for number in range(2):
            envelope = {
                "sender": f"+86138000000{number:02d}",
                "recipient": "1",
                "text": "?",
                "external_id": "x",
            }
            async with desk.workshop.begin() as uow:
                await store(uow, Event("plivo", f"sms-{number}", "sms", b"", envelope))
        lost, _ = await all_of(desk.workshop, IntakeEvent)
        async with desk.workshop.begin() as uow:
            wrapped = update(DataKey).where(DataKey.id == lost.data_key_id).values(ring_key="gone")
            await uow.session.execute(wrapped)
        assert await work_off(desk.workshop, Lane.NORMAL) == 2
        first, second = await all_of(desk.workshop, IntakeEvent)
        assert (first.state, first.reason, first.tries) == (EventState.RECEIVED, KEY_MISSING, 1)
        assert second.state is EventState.DONE
        for _ in range(9):
            desk.clock.advance(timedelta(hours=1))
            await work_off(desk.workshop, Lane.NORMAL)
        looked = (await desk.api("GET", "/attention")).json()
        assert [(item["what"], item["reason"]) for item in looked["items"]] == [("poison_event", KEY_MISSING)]


async def _breach(desk: Desk) -> None:
    desk.clock.advance(timedelta(hours=30))
    for lane in Lane:
        await alarms.fire(desk.workshop, lane, HANDLERS)


@pytest.mark.usefixtures("forgetful")
async def test_a_deadline_whose_alarm_lacks_a_key_holds_up_no_other_and_is_shown(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        lost = await make_ticket(desk.workshop, email="lost@shop.example")
        other = await make_ticket(desk.workshop, email="other@shop.example")
        await _take_out(desk.workshop, lost)
        for _ in range(4):
            await _breach(desk)
        async with desk.workshop.read() as uow:
            rows = await uow.session.scalars(
                select(Deadline).where(Deadline.kind == DeadlineKind.FIRST_RESPONSE)
            )
            breached = {row.ticket_id: row.breached_at is not None for row in rows}
        assert breached == {lost.id: False, other.id: True}
        looked = (await desk.api("GET", "/attention")).json()
        stuck = [item for item in looked["items"] if item["what"] == "stuck_deadline"]
        assert stuck
        assert {(item["ticket"], item["reason"]) for item in stuck} == {(lost.number, KEY_MISSING)}
