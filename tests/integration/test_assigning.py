"""Who gets a ticket: by turns that are fair under many workers, by load, skill and seniority; and nobody."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket, TicketEntry
from models.vocabulary import Category, DeadlineKind, Lane, Medium, Priority, TicketState
from tests.conftest import Backend
from tests.factories import Desk, all_of, make_desk, make_ticket
from workers import alarms, tickets
from workers.actors import HANDLERS
from workers.in_force import put_in_force
from workers.policy import load_policy, parse_policy

pytestmark = pytest.mark.anyio

TEXT = load_policy("support-response").version_text
BOB, ALICE = "CS002", "CS001"


@asynccontextmanager
async def desk_with(backend: Backend, assignment: str = "", rules: str = "") -> AsyncIterator[Desk]:
    """A desk whose policy has these lines in `[assignment]`, and these rules alone."""
    head, _, rest = TEXT.partition('default_team = "support"')
    tail = rest[rest.index("# ---- Review") :]
    first = 'default_team = "support"\nfirst_contact_owns = true\n'
    policy = parse_policy(f"{head}{first}{assignment}\n{rules}\n{tail}")
    async with make_desk(backend) as desk:
        async with desk.workshop.begin() as uow:
            await put_in_force(uow.session, policy, uow.clock, made_by=None, reason=None)
            await desk.workshop.policies.follow(uow.session)
        yield desk


async def staff(desk: Desk, number: str, **changes: Any) -> None:
    """Change somebody through the API."""
    await desk.api("PATCH", f"/staff/{number}", json=changes)


async def handler(desk: Desk, ticket: Ticket) -> str | None:
    """The number of whoever handles it."""
    (row,) = await all_of(desk.workshop, Ticket, Ticket.id == ticket.id)
    if row.handler_id is None:
        return None
    (person,) = await all_of(desk.workshop, Staff, Staff.id == row.handler_id)
    return str(person.number)


async def opened(desk: Desk, number: int, **facts: Any) -> str | None:
    """A new ticket's handler."""
    return await handler(desk, await make_ticket(desk.workshop, email=f"c{number}@customer.example", **facts))


async def test_turns_are_fair_however_many_work_at_once(backend: Backend) -> None:
    law = '[[assignment.rules]]\ncategory = "complaint"\nskill = "law"\nteam = "support"'
    async with desk_with(backend, rules=law) as desk:
        for number in ("CS003", "CS004"):
            person = {"number": number, "name": number, "email": f"{number}@help.example", "team": "support"}
            await desk.api("POST", "/staff", expect=201, json=person)
        each = (opened(desk, number, category=Category.OTHER) for number in range(20))
        shares = Counter(await asyncio.gather(*each))
        assert shares == {"CS001": 5, "CS002": 5, "CS003": 5, "CS004": 5}
        # Requests for the skilled take turns of their own: nobody's turn is passed over by theirs.
        for who in (ALICE, BOB):
            await staff(desk, who, skills=["law"])
        skilled, others = Counter[str | None](), Counter[str | None]()
        for place in range(50, 54):
            skilled[await opened(desk, place, category=Category.COMPLAINT)] += 1
            others[await opened(desk, place, category=Category.OTHER)] += 1
        assert skilled == {"CS001": 2, "CS002": 2}
        assert others == {"CS001": 1, "CS002": 1, "CS003": 1, "CS004": 1}
        await staff(desk, "CS003", absent_until=(desk.clock.now() + timedelta(days=1)).isoformat())
        assert {await opened(desk, 100 + number) for number in range(3)} == {"CS001", "CS002", "CS004"}


async def test_the_least_loaded_gets_it_and_the_skilled_and_senior_come_first(backend: Backend) -> None:
    ways = 'by = "load"\nweights = { urgent = 9 }\n[assignment.in_team.software]\nby = "skill_then_load"'
    rules = """
[[assignment.rules]]
channel = "sms"
skill = "linux"
team = "support"

[[assignment.rules]]
customer_level = "vip"
senior = true
by = "round_robin"
team = "support"
"""
    async with desk_with(backend, ways, rules) as desk:
        first = await opened(desk, 1, priority=Priority.URGENT)
        other = BOB if first == ALICE else ALICE
        assert [await opened(desk, number) for number in range(2, 6)] == [other] * 4
        await staff(desk, str(first), skills=["linux"])
        sms = await make_ticket(
            desk.workshop, email=None, phone="+8613800001111", name=None, channel=Medium.SMS
        )
        assert await handler(desk, sms) == first
        await staff(desk, other, senior=True)
        known = await make_ticket(desk.workshop, email="vip@customer.example")
        await desk.api("PATCH", f"/tickets/{known.number}", by="AM001", json={"customer": {"level": "vip"}})
        chosen = {await opened(desk, 0), *[await _again(desk, "vip@customer.example") for _ in range(2)]}
        assert other in chosen
        assert {await _again(desk, "vip@customer.example") for _ in range(2)} == {other}


async def _again(desk: Desk, email: str) -> str | None:
    return await handler(desk, await make_ticket(desk.workshop, email=email))


async def test_who_has_enough_gets_no_more_and_nobody_free_is_told_at_once(backend: Backend) -> None:
    async with desk_with(backend, "open_limit = 2") as desk:
        await staff(desk, ALICE, open_limit=1)
        given = Counter([await opened(desk, number) for number in range(3)])
        assert given == {ALICE: 1, BOB: 2}
        waiting = await make_ticket(desk.workshop, email="w@customer.example")
        (row,) = await all_of(desk.workshop, Ticket, Ticket.id == waiting.id)
        assert (row.state, row.handler_id, row.team_id is not None) == (TicketState.TO_ASSIGN, None, True)
        (entry,) = await all_of(desk.workshop, TicketEntry, TicketEntry.kind == "nobody_to_assign")
        assert entry.facts == {"team": "support", "why": "full"}
        (told,) = await all_of(desk.workshop, Notification, Notification.kind == "unassigned")
        (sue,) = await all_of(desk.workshop, Staff, Staff.number == "AM001")
        assert told.staff_id == sue.id
        # It is tried again in a quarter of an hour, and given to whoever is free by then.
        desk.clock.advance(timedelta(minutes=15))
        assert await alarms.fire(desk.workshop, Lane.NORMAL, HANDLERS) >= 1
        assert await handler(desk, waiting) is None
        await staff(desk, ALICE, open_limit=None)
        desk.clock.advance(timedelta(minutes=15))
        await alarms.fire(desk.workshop, Lane.NORMAL, HANDLERS)
        assert await handler(desk, waiting) == ALICE
        (clock,) = await all_of(desk.workshop, Deadline, Deadline.kind == DeadlineKind.ASSIGNMENT)
        assert (clock.state.value, clock.ended_reason, clock.due_at) == ("withdrawn", "assigned", None)
        assert len(await all_of(desk.workshop, Notification, Notification.kind == "unassigned")) == 1


async def test_all_absent_the_ticket_waits_for_the_first_who_is_back_or_is_named(backend: Backend) -> None:
    async with desk_with(backend) as desk:
        back = desk.clock.now() + timedelta(minutes=5)
        for number, until in ((ALICE, back), (BOB, back + timedelta(days=2))):
            await staff(desk, number, absent_until=until.isoformat())
        named = await make_ticket(desk.workshop, email="n@customer.example")
        waiting = await make_ticket(desk.workshop, email="w@customer.example")
        assert {await handler(desk, named), await handler(desk, waiting)} == {None}
        transfer = {"to": "HD001", "reason": "急"}
        await desk.api("POST", f"/tickets/{named.number}/transfer", by="AM001", json=transfer)
        assert await handler(desk, named) == "HD001"
        desk.clock.set(back)
        await alarms.fire(desk.workshop, Lane.NORMAL, HANDLERS)
        assert await handler(desk, waiting) == ALICE
        assert await handler(desk, named) == "HD001"


async def test_a_ticket_that_becomes_another_case_follows_its_limits(backend: Backend) -> None:
    rules = """
[[limits_for]]
category = "complaint"
first_response = { medium = "1h" }

[[limits_for]]
customer_level = "vip"
channel = "email"
first_response = { medium = "30m" }
"""
    async with desk_with(backend, "", rules) as desk:
        ticket = await make_ticket(desk.workshop, category=Category.OTHER)
        await desk.api("PATCH", f"/tickets/{ticket.number}", by="AM001", json={"category": "complaint"})
        async with desk.workshop.read() as uow:
            held = await tickets.ticket_by_id(uow, ticket.id, hold=False)
        rows = await all_of(desk.workshop, Deadline, Deadline.kind == DeadlineKind.FIRST_RESPONSE)
        assert [(row.state.value, row.ended_reason) for row in rows] == [
            ("withdrawn", "replanned"),
            ("running", None),
        ]
        assert rows[1].limit_at == held.received_at + timedelta(hours=1)
        kinds = [
            row.kind for row in await all_of(desk.workshop, TicketEntry, TicketEntry.ticket_id == ticket.id)
        ]
        assert "replanned" in kinds
