"""Who handles a ticket: assignment by rule, triage, transfer, lead and cooperating departments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from models.deadlines import Deadline
from models.people import Customer, Staff, Team
from models.tickets import Ticket
from models.vocabulary import Category, DeadlineKind, DeadlineState, Priority, Role, TicketState
from workers import deadlines, escalations
from workers.directory import case_of, people_for, policy_for, team_named
from workers.errors import Forbidden, InvalidInput
from workers.history import record
from workers.notifications import Notice, notify, staff_recipient, staff_ticket_facts
from workers.policy import Alarm
from workers.text import mask_free_text
from workers.tickets.choosing import Choice, back_at, choose_handler
from workers.tickets.clocks import judged_by, replace_clocks, running_limits, start_clocks
from workers.tickets.loading import must_be_open
from workers.tickets.retiming import change_priority, follow_case
from workers.unit_of_work import UnitOfWork

TRY_AGAIN = timedelta(minutes=15)


async def assign(uow: UnitOfWork, ticket: Ticket) -> None:
    """Give the ticket to a person of the team that the assignment rules say, and tell them.

    With nobody there it stays `to_assign`: its log says so, the team's supervisor hears of it at once, and it
    is tried again in a while.
    """
    policy = await uow.policy_of(ticket.policy_version_id)
    customer = await uow.the(Customer, ticket.customer_id)
    facts = (ticket.category, ticket.subkind, customer.level, ticket.priority, ticket.channel)
    rule = policy.assignment(*facts)
    team = await team_named(uow, rule.team)
    if team is None:
        await record(uow, ticket, "nobody_to_assign")
        return
    ticket.team_id, ticket.first_team_id = team.id, ticket.first_team_id or team.id
    ticket.cooperating = list(rule.together_with)
    choice = await _on_call(uow, ticket)
    if choice.person is None:
        choice = await choose_handler(uow, team, rule, policy, kind=ticket.subkind)
    if choice.person is None:
        await _wait(uow, ticket, team, choice.why)
        return
    hand_to(uow, ticket, choice.person)
    await record(uow, ticket, "assigned", facts={"to": choice.person.number, "team": team.name})
    await tell_handler_of(uow, ticket, choice.person, "assignment", {"history": ""})


async def _on_call(uow: UnitOfWork, ticket: Ticket) -> Choice:
    """Outside opening hours an urgent request goes to whoever is on duty, if somebody is."""
    policy = await policy_for(uow, ticket)
    if not policy.around_the_clock(ticket.priority):
        return Choice(None)
    people = await escalations.on_call(uow, ticket, policy, uow.clock.now())
    return Choice(people[0] if people else None)


async def _wait(uow: UnitOfWork, ticket: Ticket, team: Team, why: str) -> None:
    """Nobody of the team can take it on: say so once for each opening, and try again."""
    now = uow.clock.now()
    again = await deadlines.arm(
        uow,
        ticket,
        DeadlineKind.ASSIGNMENT,
        fact=ticket.id,
        generation=await deadlines.next_generation(uow, ticket, DeadlineKind.ASSIGNMENT),
        started_at=now,
        limit_at=None,
        alarms=[Alarm(await _next_try(uow, ticket, team), "assign", ("supervisor",))],
    )
    await record(uow, ticket, "nobody_to_assign", facts={"team": team.name, "why": why or "nobody"})
    notice = Notice(
        kind="unassigned",
        fact=ticket.id.hex,
        ticket=ticket,
        generation=ticket.opening,
        facts={
            **await staff_ticket_facts(uow, ticket),
            "limits": await running_limits(uow, ticket),
            "wanted": team.name,
            "why": why,
        },
        lane=deadlines.lane_of(ticket),
        deadline_id=again.id if again else None,
    )
    for person in await people_for(uow, ticket, ["supervisor"]):
        await notify(uow, staff_recipient(uow, person), notice)


async def _next_try(uow: UnitOfWork, ticket: Ticket, team: Team) -> datetime:
    """In a quarter of an hour in which the ticket is served, or when the first absent colleague is back."""
    policy, soon = await policy_for(uow, ticket), uow.clock.now() + TRY_AGAIN
    if not policy.around_the_clock(ticket.priority):
        soon = policy.calendar.next_opening(soon)
    back = await back_at(uow, team)
    return min(soon, back) if back else soon


async def assignment_alarm(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """A ticket that nobody could take on is tried again, until somebody has it."""
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    team = await uow.session.get(Team, ticket.team_id) if ticket.team_id else None
    if team is not None and ticket.handler_id is None and ticket.state is TicketState.TO_ASSIGN:
        policy = await uow.policy_of(ticket.policy_version_id)
        customer = await uow.the(Customer, ticket.customer_id)
        facts = (ticket.category, ticket.subkind, customer.level, ticket.priority, ticket.channel)
        choice = await choose_handler(uow, team, policy.assignment(*facts), policy, kind=ticket.subkind)
        if choice.person is None:
            deadlines.add_alarm(row, Alarm(await _next_try(uow, ticket, team), alarm.step, alarm.roles))
            return None
        hand_to(uow, ticket, choice.person)
        await record(uow, ticket, "assigned", facts={"to": choice.person.number, "team": team.name})
        await tell_handler_of(uow, ticket, choice.person, "assignment", {"history": ""})
    row.state, row.ended_reason = DeadlineState.WITHDRAWN, "assigned"
    return None


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
    case = await judged_by(uow, ticket, await case_of(uow, ticket, ticket.opened_at))
    await record(uow, ticket, "triaged", by=by, facts={"before": before, "after": after, **case})
    if ticket.handler_id is None:
        await deadlines.withdraw(uow, ticket, [DeadlineKind.ASSIGNMENT], "replanned")
        await assign(uow, ticket)
    await follow_case(uow, ticket, "triaged")


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
    ticket.first_team_id = ticket.first_team_id or ticket.team_id
    ticket.transferred_at = now
    await deadlines.withdraw(uow, ticket, [DeadlineKind.ASSIGNMENT], "transferred")
    hand_to(uow, ticket, to)
    facts = {"from": before.number if before else None, "to": to.number}
    facts |= await judged_by(uow, ticket, await case_of(uow, ticket, now))
    entry = await record(uow, ticket, "transferred", by=by, at=now, facts=facts, words={"reason": reason})
    if ticket.first_response_at is None:
        await replace_clocks(uow, ticket, [DeadlineKind.ACCEPTANCE], "transferred", now)
        await start_clocks(uow, ticket, [DeadlineKind.ACCEPTANCE], now)
    await follow_case(uow, ticket, "transferred")
    extra = {"from_name": before.name if before else by.name, "to_name": to.name}
    extra["reason"] = mask_free_text(reason)
    await tell_handler_of(uow, ticket, to, "transfer", extra, fact=entry.id.hex)


async def name_cooperation(
    uow: UnitOfWork, ticket: Ticket, by: Staff, lead: Team, cooperating: list[str]
) -> None:
    """The supervisor names lead and cooperating departments (row B5). Raises Forbidden for agents."""
    if by.role is Role.AGENT:
        raise Forbidden("the lead department is named by a supervisor")
    ticket.team_id, ticket.cooperating = lead.id, cooperating
    ticket.first_team_id = ticket.first_team_id or lead.id
    facts = {"lead": lead.name, "cooperating": cooperating}
    facts |= await judged_by(uow, ticket, await case_of(uow, ticket, ticket.opened_at))
    await record(uow, ticket, "cooperation_named", by=by, facts=facts)
    await follow_case(uow, ticket, "cooperation_named")


def hand_to(uow: UnitOfWork, ticket: Ticket, person: Staff) -> None:
    """The ticket is this person's from now on."""
    now = uow.clock.now()
    ticket.handler_id, ticket.assigned_at = person.id, now
    person.last_assigned_at = now
    if ticket.state is TicketState.TO_ASSIGN:
        ticket.state = TicketState.IN_PROGRESS


async def tell_handler_of(
    uow: UnitOfWork, ticket: Ticket, person: Staff, kind: str, extra: dict[str, Any], fact: str | None = None
) -> None:
    """Tell somebody that the ticket is theirs: `kind` is assignment or transfer, `extra` its own facts."""
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
