"""A long SMS that comes in parts is one message: in any order, over several crews, not lost, not doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import permutations
from urllib.parse import urlencode

import pytest

from models.intake import IntakeEvent
from models.tickets import Ticket, TicketEntry
from models.vocabulary import EventState, Lane
from tests.conftest import Backend
from tests.factories import HOOK_TOKEN, Desk, all_of, make_desk, make_workshop
from workers.intake.desk import work_off
from workers.intake.providers.sms.port import MOST_PARTS
from workers.intake.sms_parts import PART_LATE, PARTS_MISSING, PATIENCE
from workers.intake.store import Event, load
from workers.unit_of_work import UnitOfWork, Workshop

pytestmark = pytest.mark.anyio

WORDS = ("My printer ", "is on fire, ", "please come.")
SENDER = "447700900123"


@pytest.fixture
async def desk(backend: Backend) -> AsyncIterator[Desk]:
    async with make_desk(backend, sms_url=("vonage://key:secret@/Desk",), locale="en") as desk:
        yield desk


async def _part(
    desk: Desk, place: int, *, ref: str = "7", sender: str = SENDER, turn: str = "", of: int = 3
) -> None:
    """Vonage calls with part `place` of three, or of so many."""
    fields = {
        "token": HOOK_TOKEN, "msisdn": sender, "to": "447700900000",
        "messageId": f"{sender}-{ref}-{place}{turn}",
        "text": WORDS[place - 1], "concat": "true", "concat-ref": ref, "concat-total": str(of),
        "concat-part": str(place),
    }  # fmt: skip # packed, to be read at a glance
    answer = await desk.web.get(f"/hooks/sms/vonage?{urlencode(fields)}")
    assert answer.status_code == 200, answer.text


async def _work(workshop: Workshop) -> None:
    while await work_off(workshop, Lane.NORMAL):
        pass


async def _words(desk: Desk) -> list[str]:
    """What the tickets are about, oldest first."""
    tickets = sorted(await all_of(desk.workshop, Ticket), key=lambda row: row.id)
    async with desk.workshop.read() as uow:
        return [
            (await uow.vault.sealer(uow.session, row.data_key_id)).text(
                row.description_sealed, "tickets.description"
            )
            for row in tickets
        ]


async def test_parts_in_any_order_become_one_request(desk: Desk) -> None:
    orders = list(permutations((1, 2, 3)))
    for number, order in enumerate(orders):
        for place in order:
            await _part(desk, place, sender=f"4477009001{number:02d}")
            await _work(desk.workshop)
    assert await _words(desk) == ["".join(WORDS)] * len(orders)
    rows = await all_of(desk.workshop, IntakeEvent, IntakeEvent.kind == "person")
    assert len(rows) == 3 * len(orders)
    assert {(row.state, row.due_at, row.reason) for row in rows} == {(EventState.DONE, None, None)}
    assert len({row.ticket_id for row in rows}) == len(orders)


async def test_two_crews_file_it_once(backend: Backend, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.intake.desk.BATCH", 1)
    ring = desk.workshop.settings.secret_keys
    senders = [f"4477009002{number:02d}" for number in range(6)]
    async with make_workshop(backend, desk.clock, secret_keys=ring) as second:
        await second.prepare()
        for sender in senders:
            for place in (3, 1, 2):
                await _part(desk, place, sender=sender)
        await asyncio.gather(*(_work(crew) for crew in (desk.workshop, second, desk.workshop, second)))
    assert await _words(desk) == ["".join(WORDS)] * len(senders)


async def test_what_never_comes_is_named_after_ten_minutes_and_may_still_come(desk: Desk) -> None:
    await _part(desk, 1)
    desk.clock.advance(timedelta(minutes=2))
    await _part(desk, 3)
    await _work(desk.workshop)
    desk.clock.advance(PATIENCE - timedelta(minutes=2, seconds=1))
    await _work(desk.workshop)
    assert await _words(desk) == []
    desk.clock.advance(timedelta(seconds=1))
    await _work(desk.workshop)
    assert await _words(desk) == ["My printer  [part 2 of 3 did not arrive] please come."]
    rows = await all_of(desk.workshop, IntakeEvent)
    assert {(row.state, row.reason) for row in rows} == {(EventState.DONE, PARTS_MISSING)}

    await _part(desk, 2)
    await _work(desk.workshop)
    (ticket,) = await all_of(desk.workshop, Ticket)
    late = (await all_of(desk.workshop, IntakeEvent, IntakeEvent.reason == PART_LATE))[0]
    assert (late.kind, late.ticket_id) == ("reply", ticket.id)
    said = await all_of(desk.workshop, TicketEntry, TicketEntry.words_sealed.is_not(None))
    async with desk.workshop.read() as uow:
        sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
        words = str(sealer.json(said[-1].words_sealed, "ticket_entries.words"))
    assert "[part 2 of 3 came late] is on fire," in words


async def test_a_part_that_comes_twice_counts_once_and_a_number_used_again_is_a_new_message(
    desk: Desk,
) -> None:
    for place in (1, 2):
        await _part(desk, place)
    await _part(desk, 1)
    await _part(desk, 3)
    await _work(desk.workshop)
    assert len(await all_of(desk.workshop, IntakeEvent)) == 3
    assert await _words(desk) == ["".join(WORDS)]
    desk.clock.advance(timedelta(hours=2))
    for place in (2, 3, 1):
        await _part(desk, place, turn="b")
    await _work(desk.workshop)
    assert await _words(desk) == ["".join(WORDS)]
    (first, *rest) = [row.ticket_id for row in await all_of(desk.workshop, IntakeEvent)]
    assert rest == [first] * 5, "the second message is a reply to the first request"
    replies = await all_of(desk.workshop, TicketEntry, TicketEntry.kind == "customer_wrote")
    assert len(replies) == 1


async def test_a_part_that_comes_over_and_over_does_not_pile_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    async def counted(uow: UnitOfWork, row: IntakeEvent) -> Event:
        opened.append(row.id)
        return await load(uow, row)

    monkeypatch.setattr("workers.intake.sms_parts.MOST_PARTS", 3)
    for turn in range(12):
        await _part(desk, 1, turn=str(turn))
    monkeypatch.setattr("workers.intake.sms_parts.load", counted)
    await _work(desk.workshop)
    assert len(opened) <= 12 * 6
    await _part(desk, 2)
    await _part(desk, 3)
    await _work(desk.workshop)
    assert await _words(desk) == ["".join(WORDS)]


async def test_a_message_of_more_parts_than_anybody_writes_is_not_waited_for(desk: Desk) -> None:
    await _part(desk, 2, of=MOST_PARTS + 1)
    await _work(desk.workshop)
    assert await _words(desk) == [WORDS[1]]
