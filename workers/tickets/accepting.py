"""The handler takes a ticket on and says until when it will be resolved (row B6)."""

from __future__ import annotations

from datetime import datetime

from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Category, DeadlineKind, Priority, TicketState
from workers import deadlines
from workers.directory import case_of
from workers.errors import Conflict, InvalidInput
from workers.history import record
from workers.tickets.assigning import hand_to
from workers.tickets.clocks import replace_clocks, start_clock
from workers.tickets.first_response import settle_verdict
from workers.tickets.informing import keep_informed
from workers.tickets.loading import must_be_open
from workers.tickets.triaging import look_over
from workers.tickets.waiting import clocks_running
from workers.unit_of_work import UnitOfWork


class TooLate(InvalidInput):
    """More time than may be promised without asking for it: `latest` is what may be."""

    def __init__(self, latest: datetime) -> None:
        super().__init__(
            f"the expected resolution must lie between now and {latest.isoformat()}",
            hint="ask for an extension with a reason when more time is needed",
        )
        self.latest = latest


async def accept(
    uow: UnitOfWork,
    ticket: Ticket,
    by: Staff,
    expected_at: datetime | None = None,
    *,
    priority: Priority | None = None,
    category: Category | None = None,
) -> datetime:
    """The handler takes the ticket on and says until when it will be resolved; gives that time.

    Priority and category are confirmed with it, corrected where they are given (row B2). By default the
    policy's own time (row B6). Raises TooLate when it is later than the priority, as corrected, allows: that
    is an extension and needs a reason. Raises InvalidInput when it has passed, Conflict when somebody else
    handles the ticket, or its result has been given.
    """
    must_be_open(ticket)
    if ticket.resolved_at is not None:
        raise Conflict(f"the result of {ticket.number} has been given", hint="there is nothing to accept")
    if ticket.handler_id is None:
        hand_to(uow, ticket, by)
    if ticket.handler_id != by.id:
        raise Conflict(
            f"ticket {ticket.number} is handled by somebody else", hint="have it transferred to you"
        )
    now = uow.clock.now()
    looked = await look_over(uow, ticket, by, "acceptance", priority=priority, category=category)
    async with clocks_running(uow, ticket):
        latest = await latest_resolution(uow, ticket, now)
        expected = expected_at or latest
        if expected > latest:
            raise TooLate(latest)
        if expected <= now:
            raise InvalidInput(f"the expected resolution must lie between now and {latest.isoformat()}")
        ticket.accepted_at, ticket.expected_resolution_at = now, expected
        ticket.state = TicketState.IN_PROGRESS
        verdict = await deadlines.meet(uow, ticket, DeadlineKind.ACCEPTANCE, now)
        if verdict is not None:
            await settle_verdict(uow, ticket, verdict)
        await set_resolution_limit(uow, ticket, expected, "accepted", now)
        facts = {"expected_resolution_at": expected.isoformat(), **looked}
        await record(uow, ticket, "accepted", by=by, at=now, facts=facts)
    await keep_informed(uow, ticket)
    return expected


async def set_resolution_limit(
    uow: UnitOfWork, ticket: Ticket, limit: datetime, reason: str, now: datetime
) -> None:
    """Let the resolution clock end at `limit`, from `now` on; the one before it ends with its reason."""
    running = await deadlines.open_ones(uow, ticket, [DeadlineKind.RESOLUTION])
    if running and running[-1].limit_at == limit:
        return
    await replace_clocks(uow, ticket, [DeadlineKind.RESOLUTION], reason, now)
    await start_clock(uow, ticket, DeadlineKind.RESOLUTION, now, limit)


async def latest_resolution(uow: UnitOfWork, ticket: Ticket, now: datetime) -> datetime:
    """Until when a resolution may be promised at `now` without asking for more time.

    The running resolution limit where the policy has one, else the policy's default from acceptance on.
    """
    running = await deadlines.open_ones(uow, ticket, [DeadlineKind.RESOLUTION])
    limits = [row.limit_at for row in running if row.limit_at is not None and row.limit_at > now]
    policy = await uow.policy_of(ticket.policy_version_id)
    return limits[-1] if limits else policy.expected_resolution(await case_of(uow, ticket, now), now)
