"""What a policy says of first responses: by which channel, by which messages, and after a re-opening."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, Lane, Priority
from tests.conftest import Backend
from tests.factories import Desk, all_of, make_desk, make_ticket
from workers import alarms, tickets
from workers.actors import HANDLERS
from workers.in_force import put_in_force
from workers.policy import load_policy, parse_policy

pytestmark = pytest.mark.anyio

BY_PHONE = ("respond_by = []", 'respond_by = ["phone"]')
ADDED = """
[first_response]
counts = ["answer"]

[reopening]
clocks = ["first_response", "resolution"]
first_response = { urgent = "30m" }

[limits.acceptance]
urgent = "20m"
high = "1h"
medium = "2h"
low = "4h"
"""


@asynccontextmanager
async def desk_with(backend: Backend) -> AsyncIterator[Desk]:
    text = load_policy("support-response").version_text.replace(*BY_PHONE, 1)
    text = text[: text.index("[first_response]")] + text[text.index("# ---- Warnings") :]
    async with make_desk(backend) as desk:
        async with desk.workshop.begin() as uow:
            policy = parse_policy(f"{text}\n{ADDED}")
            await put_in_force(uow.session, policy, uow.clock, made_by=None, reason=None)
            await desk.workshop.policies.follow(uow.session)
        yield desk


async def of_kind(desk: Desk, kind: str) -> list[Any]:
    """The messages of a kind."""
    return await all_of(desk.workshop, Notification, Notification.kind == kind)


async def clocks(desk: Desk, kind: DeadlineKind) -> list[Any]:
    """The deadlines of a kind, those armed first in front."""
    rows = await all_of(desk.workshop, Deadline, Deadline.kind == kind)
    return sorted(rows, key=lambda row: row.generation)


async def test_an_answer_by_another_channel_counts_and_the_supervisor_hears(backend: Backend) -> None:
    async with desk_with(backend) as desk:
        one, two = [
            await make_ticket(desk.workshop, email=f"{name}@customer.example", priority=Priority.URGENT)
            for name in "ab"
        ]
        staff = {person.id: person.number for person in await all_of(desk.workshop, Staff)}
        for ticket, channel in ((one, "chat"), (two, "phone")):
            path = f"/tickets/{ticket.number}/first-response"
            by = staff[ticket.handler_id] if ticket.handler_id else ""
            await desk.api("POST", path, by=by, json={"channel": channel})
        rows = await clocks(desk, DeadlineKind.FIRST_RESPONSE)
        assert [row.state.value for row in rows] == ["met", "met"]
        (told,) = await of_kind(desk, "other_channel")
        (sue,) = await all_of(desk.workshop, Staff, Staff.number == "AM001")
        assert (told.ticket_id, told.staff_id) == (one.id, sue.id)
        entries = await all_of(desk.workshop, TicketEntry, TicketEntry.kind == "first_response")
        assert {entry.ticket_id: entry.facts.get("asked_for") for entry in entries} == {
            one.id: ["phone"],
            two.id: None,
        }


async def test_a_reopened_ticket_is_answered_anew_where_the_policy_says_so(backend: Backend) -> None:
    async with desk_with(backend) as desk:
        ticket = await make_ticket(desk.workshop, priority=Priority.URGENT)
        url = f"/tickets/{ticket.number}"
        told = {"text": "We look into it.", "tell_customer": True}
        await desk.api("POST", f"{url}/progress", by="CS001", json=told)
        (progress,) = await of_kind(desk, "progress_notice")
        assert progress.meets is None  # here only answers count
        called = {"channel": "phone"}
        await desk.api("POST", f"{url}/first-response", by="CS001", json=called)
        await desk.api("POST", f"{url}/first-response", by="CS001", json=called, expect=409)
        first_at = desk.clock.now()
        desk.clock.advance(timedelta(minutes=10))
        async with desk.workshop.begin() as uow:
            held = await tickets.ticket_by_id(uow, ticket.id)
            handler = await uow.session.get_one(Staff, held.handler_id)
            await tickets.resolve(uow, held, handler, "cause", "solution")
        desk.clock.advance(timedelta(minutes=10))
        async with desk.workshop.begin() as uow:
            held = await tickets.ticket_by_id(uow, ticket.id)
            await tickets.reopen(uow, held, "not_resolved")
            opened_at = uow.clock.now()
        _, again = await clocks(desk, DeadlineKind.FIRST_RESPONSE)
        assert (again.state.value, again.limit_at) == ("running", opened_at + timedelta(minutes=30))
        assert [row.state.value for row in await clocks(desk, DeadlineKind.PLAN)] == ["met"]
        desk.clock.advance(timedelta(minutes=5))
        answer = {"text": "We look once more."}
        await desk.api("POST", f"{url}/answer", by="CS001", json=answer)
        (queued,) = await of_kind(desk, "reply_to_customer")
        assert queued.meets == "first_response"
        async with desk.workshop.begin() as uow:
            held = await tickets.ticket_by_id(uow, ticket.id)
            row = await uow.session.get_one(Notification, queued.id)
            row.sent_at = uow.clock.now()
            await tickets.message_accepted(uow, held, row, uow.clock.now())
        _, again = await clocks(desk, DeadlineKind.FIRST_RESPONSE)
        assert (again.state.value, again.met_at) == ("met", desk.clock.now())
        (row,) = await all_of(desk.workshop, Ticket)
        assert row.first_response_at == first_at
        entries = await all_of(desk.workshop, TicketEntry, TicketEntry.kind == "first_response")
        assert [entry.facts.get("opening") for entry in sorted(entries, key=lambda each: each.at)] == [
            None,
            2,
        ]
        # It comes back: the clock of this opening runs on, the first response of the first one stays.
        async with desk.workshop.begin() as uow:
            held = await tickets.ticket_by_id(uow, ticket.id)
            await tickets.message_bounced(uow, held, await uow.session.get_one(Notification, queued.id), "x")
        *_, open_again = await clocks(desk, DeadlineKind.FIRST_RESPONSE)
        assert (open_again.state.value, open_again.limit_at) == ("running", again.limit_at)
        (row,) = await all_of(desk.workshop, Ticket)
        assert row.first_response_at == first_at


async def test_a_limit_of_acceptance_is_missed_and_its_ladder_ends_with_the_acceptance(
    backend: Backend,
) -> None:
    async with desk_with(backend) as desk:
        ticket = await make_ticket(desk.workshop, priority=Priority.URGENT)
        desk.clock.advance(timedelta(minutes=21))
        await alarms.fire(desk.workshop, Lane.URGENT, HANDLERS)
        (row,) = await clocks(desk, DeadlineKind.ACCEPTANCE)
        assert row.state.value == "breached"
        assert await of_kind(desk, "breach")
        await desk.api("POST", f"/tickets/{ticket.number}/accept", by="CS001", json={})
        (row,) = await clocks(desk, DeadlineKind.ACCEPTANCE)
        assert row.ended_reason == "met_late"
        ladders = await clocks(desk, DeadlineKind.ESCALATION)
        assert [ladder.state.value for ladder in ladders] == ["withdrawn"]
