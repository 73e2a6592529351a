"""Who handles a ticket: assignment by rule, triage, acceptance with an expected time, transfer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from models.people import Customer, Staff, Team
from models.tickets import Ticket
from models.vocabulary import Category, DeadlineKind, Priority, Role, TicketState
from workers import deadlines, escalations
from workers.directory import next_handler, team_named
from workers.errors import Conflict, Forbidden, InvalidInput
from workers.history import record
from workers.notifications import Notice, notify, staff_recipient, staff_ticket_facts
from workers.text import mask_free_text
from workers.tickets.clocks import OPENING, case_of, running_limits, start_clock, start_clocks
from workers.tickets.first_response import settle_verdict
from workers.tickets.loading import must_be_open
from workers.unit_of_work import UnitOfWork


async def assign(uow: UnitOfWork, ticket: Ticket) -> None:
    """Give the ticket to a person of the team that its category belongs to, and tell them.

    With nobody there it stays `to_assign`, and its log says so.
    """
    policy = await uow.policy_of(ticket.policy_version_id)
    customer = await uow.the(Customer, ticket.customer_id)
    rule = policy.assignment(ticket.category, ticket.subkind, customer.level, ticket.priority)
    team = await team_named(uow, rule.team)
    person = await next_handler(uow, team, ticket.subkind) if team else None
    if team is None or person is None:
        await record(uow, ticket, "nobody_to_assign")
        return
    ticket.team_id, ticket.first_team_id = team.id, ticket.first_team_id or team.id
    ticket.cooperating = list(rule.together_with)
    _hand_to(uow, ticket, person)
    await record(uow, ticket, "assigned", facts={"to": person.number, "team": team.name})
    await _tell_handler(uow, ticket, person, "assignment", {"history": ""})


async def triage(
    uow: UnitOfWork,
    ticket: Ticket,
    by: Staff,
    *,
    priority: Priority | None = None,
    category: Category | None = None,
    subkind: str | None = None,
) -> None:
    """A person confirms or corrects what a mail-born ticket was taken for; deadlines are re-planned.

    The new limits run from when the ticket was opened. Met deadlines stay as they were judged.
    """
    must_be_open(ticket)
    before = {"priority": ticket.priority.value, "category": ticket.category.value}
    ticket.category = category or ticket.category
    ticket.subkind = subkind if subkind is not None else ticket.subkind
    if priority is not None and priority is not ticket.priority:
        await change_priority(uow, ticket, priority)
    ticket.triaged_at = uow.clock.now()
    after = {"priority": ticket.priority.value, "category": ticket.category.value}
    await record(uow, ticket, "triaged", by=by, facts={"before": before, "after": after})
    if ticket.handler_id is None:
        await assign(uow, ticket)


async def change_priority(uow: UnitOfWork, ticket: Ticket, priority: Priority) -> None:
    """Set the priority and re-plan every clock that still runs, from the opening of the ticket.

    A resolution time that a person has promised stays promised.
    """
    ticket.priority = priority
    withdrawn = await deadlines.withdraw(uow, ticket, OPENING, "replanned")
    for row in withdrawn:
        await escalations.settle_late(uow, ticket, row, "replanned")
        promised = ticket.expected_resolution_at
        if row.kind is DeadlineKind.RESOLUTION and promised is not None:
            await start_clock(uow, ticket, row.kind, row.started_at, promised)
        else:
            await start_clocks(uow, ticket, [row.kind], ticket.opened_at)
    moved = {row.kind.value: row.limit_at.isoformat() for row in withdrawn if row.limit_at}
    await record(uow, ticket, "replanned", facts={"priority": priority.value, "limits_before": moved})


async def accept(uow: UnitOfWork, ticket: Ticket, by: Staff, expected_at: datetime | None = None) -> datetime:
    """The handler takes the ticket on and says until when it will be resolved; gives that time.

    By default the policy's own time (row B6). Raises InvalidInput when a later one is given: that is an
    extension and needs a reason. Raises Conflict when somebody else handles the ticket, or its result has
    been given.
    """
    must_be_open(ticket)
    if ticket.resolved_at is not None:
        raise Conflict(f"the result of {ticket.number} has been given", hint="there is nothing to accept")
    if ticket.handler_id is None:
        _hand_to(uow, ticket, by)
    if ticket.handler_id != by.id:
        raise Conflict(
            f"ticket {ticket.number} is handled by somebody else", hint="have it transferred to you"
        )
    now = uow.clock.now()
    latest = await latest_resolution(uow, ticket, now)
    expected = expected_at or latest
    if not now < expected <= latest:
        raise InvalidInput(
            f"the expected resolution must lie between now and {latest.isoformat()}",
            hint="ask for an extension with a reason when more time is needed",
        )
    ticket.accepted_at, ticket.expected_resolution_at = now, expected
    ticket.state = TicketState.IN_PROGRESS
    verdict = await deadlines.meet(uow, ticket, DeadlineKind.ACCEPTANCE, now)
    if verdict is not None:
        await settle_verdict(uow, ticket, verdict)
    await set_resolution_limit(uow, ticket, expected, "accepted")
    await record(uow, ticket, "accepted", by=by, facts={"expected_resolution_at": expected.isoformat()})
    return expected


async def set_resolution_limit(uow: UnitOfWork, ticket: Ticket, limit: datetime, reason: str) -> None:
    """Let the resolution clock end at `limit`; the clock before it is withdrawn with its reason."""
    running = await deadlines.open_ones(uow, ticket, [DeadlineKind.RESOLUTION])
    if running and running[-1].limit_at == limit:
        return
    for row in await deadlines.withdraw(uow, ticket, [DeadlineKind.RESOLUTION], reason):
        await escalations.settle_late(uow, ticket, row, reason)
    await start_clock(uow, ticket, DeadlineKind.RESOLUTION, uow.clock.now(), limit)


async def latest_resolution(uow: UnitOfWork, ticket: Ticket, now: datetime) -> datetime:
    """Until when a resolution may be promised at `now` without asking for more time.

    The running resolution limit where the policy has one, else the policy's default from acceptance on.
    """
    running = await deadlines.open_ones(uow, ticket, [DeadlineKind.RESOLUTION])
    limits = [row.limit_at for row in running if row.limit_at is not None and row.limit_at > now]
    policy = await uow.policy_of(ticket.policy_version_id)
    return limits[-1] if limits else policy.expected_resolution(await case_of(uow, ticket, now), now)


async def transfer(
    uow: UnitOfWork, ticket: Ticket, by: Staff, to: Staff, reason: str, *, team: Team | None = None
) -> None:
    """Hand the ticket to another person; the log keeps when, from whom, to whom and why (row A5).

    Raises InvalidInput without a reason or when it is theirs already.
    """
    must_be_open(ticket)
    if not reason.strip():
        raise InvalidInput("a transfer needs a reason")
    if ticket.handler_id == to.id:
        raise InvalidInput(f"{to.number} handles this ticket already")
    before = await uow.session.get(Staff, ticket.handler_id) if ticket.handler_id else None
    now = uow.clock.now()
    ticket.team_id = team.id if team else (to.team_id or ticket.team_id)
    ticket.transferred_at = now
    _hand_to(uow, ticket, to)
    facts = {"from": before.number if before else None, "to": to.number}
    entry = await record(uow, ticket, "transferred", by=by, facts=facts, words={"reason": reason})
    if ticket.first_response_at is None:
        await deadlines.withdraw(uow, ticket, [DeadlineKind.ACCEPTANCE], "transferred")
        await start_clocks(uow, ticket, [DeadlineKind.ACCEPTANCE], now)
    extra = {"from_name": before.name if before else by.name, "to_name": to.name}
    extra["reason"] = mask_free_text(reason)
    await _tell_handler(uow, ticket, to, "transfer", extra, fact=entry.id.hex)


async def name_cooperation(
    uow: UnitOfWork, ticket: Ticket, by: Staff, lead: Team, cooperating: list[str]
) -> None:
    """The supervisor names lead and cooperating departments (row B5). Raises Forbidden for agents."""
    if by.role is Role.AGENT:
        raise Forbidden("the lead department is named by a supervisor")
    ticket.team_id, ticket.cooperating = lead.id, cooperating
    await record(
        uow, ticket, "cooperation_named", by=by, facts={"lead": lead.name, "cooperating": cooperating}
    )


def _hand_to(uow: UnitOfWork, ticket: Ticket, person: Staff) -> None:
    now = uow.clock.now()
    ticket.handler_id, ticket.assigned_at = person.id, now
    person.last_assigned_at = now
    if ticket.state is TicketState.TO_ASSIGN:
        ticket.state = TicketState.IN_PROGRESS


async def _tell_handler(
    uow: UnitOfWork, ticket: Ticket, person: Staff, kind: str, extra: dict[str, Any], fact: str | None = None
) -> None:
    facts = {**await staff_ticket_facts(uow, ticket), **extra, "limits": await running_limits(uow, ticket)}
    notice = Notice(
        kind=kind,
        fact=fact or ticket.id.hex,
        ticket=ticket,
        generation=ticket.opening,
        facts=facts,
        links={"accept": escalations.link("accept", ticket.id)},
        lane=deadlines.lane_of(ticket),
    )
    await notify(uow, staff_recipient(uow, person), notice)
