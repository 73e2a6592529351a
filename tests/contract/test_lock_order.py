"""A person and a worker who want the same rows wait for each other in one order, and never in a circle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError

from models.intake import BlockedSender
from models.notifications import DeliveryAttempt, Notification, Suppression
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Lane, Medium, NotificationState
from tests.conftest import POSTGRESQL_REDIS, Backend
from tests.factories import all_of, make_team, make_ticket, make_workshop
from tests.fakes import ManualClock
from workers import ledger, senders, suppressions
from workers.channels.port import Outcome, Verdict
from workers.delivery.digests import DIGEST, members_of
from workers.delivery.outcome import Sending
from workers.delivery.recorder import Recorder
from workers.locks import hold, repeated
from workers.notifications import Notice, notify_gathered, staff_recipient
from workers.promises import claim
from workers.tickets import ticket_by_id
from workers.unit_of_work import UnitOfWork, Workshop

pytestmark = pytest.mark.anyio
beside = pytest.mark.parametrize("backend", [POSTGRESQL_REDIS], indirect=True)
"""SQLite has one writer at a time: nobody can wait for anybody there."""
ENOUGH = 30.0
LI = "li.na@customer.example"


@asynccontextmanager
async def two_processes(backend: Backend) -> AsyncIterator[tuple[Workshop, Workshop, Ticket]]:
    """Two of them on one database, a team, and a ticket."""
    clock = ManualClock()
    async with make_workshop(backend, clock) as here:
        keys = here.settings.secret_keys
        await make_team(here)
        ticket = await make_ticket(here, email=LI)
        async with make_workshop(backend, clock, secret_keys=keys) as there:
            await there.prepare()
            yield here, there, ticket


async def _under_way(workshop: Workshop) -> Sending:
    """A message to staff whose sending has begun."""
    async with workshop.begin() as uow:
        values = {"state": NotificationState.SENDING}
        rows = []
        for lane in Lane:
            rows += await claim(uow, Notification, lane, limit=9, lease=timedelta(seconds=60), values=values)
        row = next(row for row in rows if row.kind == "assignment")
        assert row.lease_token is not None
        attempt = DeliveryAttempt(
            notification_id=row.id, lease_token=row.lease_token, started_at=uow.clock.now()
        )
        uow.session.add(attempt)
    return Sending(row, attempt.id, row.lease_token)


async def _record(workshop: Workshop, sending: Sending) -> None:
    """As the courier: the address does not exist, which its ticket has to know."""
    ident = sending.notification.id
    refused = Outcome(ident, Verdict.REJECTED, "unknown_recipient", 550, "", "", False, None, None, 0.1)
    async with Recorder(workshop, {ident: sending}) as recorder:
        recorder.note(refused)


@beside
async def test_what_became_of_a_mail_is_recorded_while_a_person_holds_its_ticket(backend: Backend) -> None:
    async with two_processes(backend) as (here, there, ticket):
        sending = await _under_way(here)
        async with here.begin() as uow:
            await ticket_by_id(uow, ticket.id)
            recording = asyncio.create_task(_record(there, sending))
            done, _ = await asyncio.wait({recording}, timeout=ENOUGH)
            row = await ledger.hold(uow, sending.notification.id)
            assert row.state is NotificationState.FAILED
        await recording
        assert done, "it waits for nobody who has the ticket"


@beside
async def test_many_add_lines_to_one_digest_at_once_and_it_does_not_leave_meanwhile(backend: Backend) -> None:
    async with two_processes(backend) as (here, there, ticket):
        (lead,) = await all_of(here, Staff, Staff.number == "AM001")
        clock = here.clock
        assert isinstance(clock, ManualClock)
        opening = clock.now() + timedelta(hours=12)
        others = await make_ticket(here, email="zhao.min@customer.example")

        async def tell(uow: UnitOfWork, about: Ticket, rung: int) -> None:
            held = await ticket_by_id(uow, about.id)
            notice = Notice("breach", about.number, held, rung=rung, due_at=opening)
            line = await notify_gathered(uow, staff_recipient(uow, lead), notice, storm_from=0)
            assert line is not None
            assert line.state is NotificationState.MERGED

        async with there.begin() as uow:
            await tell(uow, ticket, 0)  # it begins the digest
        async with here.begin() as uow:
            await tell(uow, ticket, 1)
            async with asyncio.timeout(ENOUGH), there.begin() as beside_it:
                await tell(beside_it, others, 0)
            clock.advance(timedelta(hours=13))
            assert await _claimed_digests(there) == []
        ((_, lines),) = await _claimed_digests(there)
        assert lines == 3


async def _claimed_digests(workshop: Workshop) -> list[tuple[Notification, int]]:
    """As the courier: each with the number of its lines."""
    async with workshop.begin() as uow:
        rows = await claim(uow, Notification, Lane.URGENT, limit=9, lease=timedelta(seconds=60))
        digests = [row for row in rows if row.kind == DIGEST]
        members = await members_of(uow, [row.id for row in digests])
        return [(row, len(members[row.id])) for row in digests]


@beside
@pytest.mark.parametrize("lifted", [False, True], ids=["barred", "lifted"])
@pytest.mark.parametrize("what", ["suppression", "block"])
async def test_what_an_address_is_barred_for_and_its_tickets_are_taken_in_one_order(
    backend: Backend, what: str, lifted: bool
) -> None:
    async with two_processes(backend) as (here, there, ticket):
        (by,) = await all_of(here, Staff, Staff.number == "AM001")
        bar = suppress if what == "suppression" else block
        if lifted:
            async with here.begin() as uow:
                await bar(uow, by, await ticket_by_id(uow, ticket.id))

        async def from_the_list(uow: UnitOfWork) -> None:
            await (lift(uow, by, what) if lifted else bar(uow, by, None))

        async with here.begin() as uow:
            held = await ticket_by_id(uow, ticket.id)
            other = asyncio.create_task(alone(there, from_the_list))
            await asyncio.wait({other}, timeout=0.7)  # it gets as far as it can
            await bar(uow, by, held)
        await other


async def alone(workshop: Workshop, work: Callable[[UnitOfWork], Awaitable[None]]) -> None:
    async with workshop.begin() as uow:
        await work(uow)


async def suppress(uow: UnitOfWork, _: Staff, ticket: Ticket | None) -> None:
    hashed = uow.vault.lookup("email", LI)
    await suppressions.suppress(uow, hashed, Medium.EMAIL, "hard_bounce", ticket=ticket)


async def block(uow: UnitOfWork, by: Staff, ticket: Ticket | None) -> None:
    await senders.block(uow, LI, "advertisement", by=by, ticket=ticket)


async def lift(uow: UnitOfWork, by: Staff, what: str) -> None:
    """As the API does."""
    if what == "block":
        await senders.lift(uow, (await uow.session.scalars(select(BlockedSender))).one(), "mistake", by=by)
    else:
        await suppressions.lift(uow, (await uow.session.scalars(select(Suppression))).one(), "mistake", by=by)


async def test_what_the_database_broke_off_for_another_is_done_anew(backend: Backend) -> None:
    async with two_processes(backend) as (here, there, _):
        met = asyncio.Barrier(2)
        times = {"ab": 0, "ba": 0}

        async def crossing(workshop: Workshop, names: str) -> str:
            async def work(uow: UnitOfWork) -> str:
                times[names] += 1
                await hold(uow, [names[0]])
                if times[names] == 1 and backend.name == POSTGRESQL_REDIS:
                    await met.wait()
                await hold(uow, [names[1]])
                return names

            return await repeated(workshop, work)

        answers = await asyncio.gather(crossing(here, "ab"), crossing(there, "ba"))
        assert list(answers) == ["ab", "ba"]
        assert sum(times.values()) == (3 if backend.name == POSTGRESQL_REDIS else 2)


async def test_another_error_is_not_tried_again(backend: Backend) -> None:
    async with two_processes(backend) as (here, _, ticket):
        times = 0

        async def work(uow: UnitOfWork) -> None:
            nonlocal times
            times += 1
            await uow.session.execute(insert(Ticket).values(id=ticket.id, number=ticket.number))

        with pytest.raises(DBAPIError):
            await repeated(here, work)
        assert times == 1
