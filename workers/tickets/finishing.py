"""Result, confirmation, re-opening and closing. A ticket closes only when all conditions of row B11 hold."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from models.deadlines import Deadline
from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import MERGED, NOT_A_TICKET, Category, DeadlineKind, Medium, Priority, TicketState
from workers import deadlines, escalations
from workers.directory import case_of, policy_for
from workers.errors import Conflict, InvalidInput
from workers.history import record
from workers.notifications import (
    Notice,
    customer_recipient,
    notify,
    staff_recipient,
    staff_ticket_facts,
    ticket_facts,
)
from workers.policy import Alarm, Policy
from workers.text import mask_free_text
from workers.tickets.clocks import OPENING, judged_by, start_clock, start_clocks
from workers.tickets.first_response import meets_first_response, record_first_response, settle_verdict
from workers.tickets.informing import keep_informed
from workers.tickets.loading import must_be_open
from workers.tickets.owned import tell_owners
from workers.tickets.piloting import version_for
from workers.tickets.responding import tell_handler
from workers.tickets.served import ask_at, confirmation_plan
from workers.tickets.triaging import look_over, must_be_complete
from workers.tickets.unasked import ask_no_more
from workers.tickets.waiting import end_wait
from workers.unit_of_work import UnitOfWork

LINK_HOURS = 24 * 30
FINISHED_BY_RESULT = (DeadlineKind.PLAN, DeadlineKind.RESOLUTION, DeadlineKind.ACCEPTANCE)
AFTER_RESULT = (DeadlineKind.CONFIRMATION, DeadlineKind.SURVEY_INVITATION, DeadlineKind.SURVEY)


async def resolve(
    uow: UnitOfWork,
    ticket: Ticket,
    by: Staff,
    cause: str,
    solution: str,
    precautions: str = "",
    *,
    priority: Priority | None = None,
    category: Category | None = None,
) -> None:
    """Give the result: cause, solution, precautions (row B9). The customer hears it and is asked to confirm.

    Phone as the preferred channel makes a task for the handler instead. Raises InvalidInput without cause or
    solution, Conflict when it is resolved already, NeedsTriage while a core field lacks (row B2).
    """
    must_be_open(ticket)
    if ticket.state is TicketState.AWAITING_FEEDBACK:
        raise Conflict(
            f"the result of {ticket.number} has been given", hint="wait for the confirmation or re-open"
        )
    if not cause.strip() or not solution.strip():
        raise InvalidInput("a result needs its cause and its solution")
    looked = await look_over(uow, ticket, by, "result", priority=priority, category=category)
    await must_be_complete(uow, ticket)
    await end_wait(uow, ticket, "resolved")
    now = uow.clock.now()
    ticket.state, ticket.resolved_at = TicketState.AWAITING_FEEDBACK, now
    # Who is rated stands from here on, whoever looks after the ticket later.
    ticket.credited_id, ticket.credited_team_id = ticket.handler_id or by.id, ticket.team_id
    result = {"cause": cause, "solution": solution, "precautions": precautions}
    await record(uow, ticket, "resolved", by=by, at=now, facts=looked, words=result)
    for kind in FINISHED_BY_RESULT:
        verdict = await deadlines.meet(uow, ticket, kind, now)
        if verdict is not None:
            await settle_verdict(uow, ticket, verdict)
    await deadlines.withdraw(uow, ticket, [DeadlineKind.PROGRESS], "resolved")
    await _give_feedback(uow, ticket, by, result)
    await tell_owners(uow, ticket, by, result)
    await _await_customer(uow, ticket)


async def _give_feedback(uow: UnitOfWork, ticket: Ticket, by: Staff, result: dict[str, str]) -> None:
    to = await customer_recipient(uow, ticket)
    by_phone = await _prefers_phone(uow, ticket)
    if to is None or to.channel not in (Medium.EMAIL, Medium.PUSH) or by_phone:
        await phone_task(uow, ticket, by, "result", result)
        return
    facts = {**await ticket_facts(uow, ticket), **result, "from_name": by.name}
    notice = Notice(
        kind="result_feedback",
        fact=ticket.id.hex,
        ticket=ticket,
        generation=ticket.opening,
        facts=facts,
        links={
            "confirm": escalations.link("confirm", ticket.id, hours=LINK_HOURS, single_use=False),
            "not_resolved": escalations.link("not_resolved", ticket.id, hours=LINK_HOURS, single_use=False),
        },
        meets=await meets_first_response(uow, ticket, "result_feedback") or "feedback",
    )
    await notify(uow, to, notice)


async def _prefers_phone(uow: UnitOfWork, ticket: Ticket) -> bool:
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    return customer.preferred_channel is Medium.PHONE


async def phone_task(uow: UnitOfWork, ticket: Ticket, to: Staff, what: str, result: dict[str, str]) -> None:
    """Ask a member of staff to ring the customer up and to log it (`what`: result or survey)."""
    facts: dict[str, Any] = {**await staff_ticket_facts(uow, ticket), "what": what}
    facts.update({"cause": "", "solution": "", "precautions": "", **result})
    notice = Notice(
        kind="phone_task",
        fact=f"{what}-{ticket.id.hex}",
        ticket=ticket,
        generation=ticket.opening,
        facts=facts,
    )
    await notify(uow, staff_recipient(uow, to), notice)


async def phone_feedback(uow: UnitOfWork, ticket: Ticket, by: Staff, evidence: str | None = None) -> None:
    """The result was told by phone just now; it may be the first response too."""
    if ticket.resolved_at is None:
        raise Conflict(f"ticket {ticket.number} has no result to tell yet")
    if ticket.first_response_at is None:
        await record_first_response(uow, ticket, by, Medium.PHONE, evidence=evidence)
    ticket.feedback_at = uow.clock.now()
    await record(uow, ticket, "feedback_given", by=by, facts={"channel": "phone"}, evidence=evidence)
    await try_close(uow, ticket)


async def _await_customer(uow: UnitOfWork, ticket: Ticket) -> None:
    """From the result on: the survey after its delay, and the chase of a confirmation until its end."""
    assert ticket.resolved_at is not None
    policy = await policy_for(uow, ticket)
    start = ticket.resolved_at
    plan = (
        (DeadlineKind.SURVEY_INVITATION, [Alarm(await ask_at(uow, ticket, policy), "invite", ())]),
        (DeadlineKind.CONFIRMATION, confirmation_plan(policy, start)),
    )
    for kind, alarms in plan:
        await deadlines.arm(
            uow,
            ticket,
            kind,
            fact=ticket.id,
            generation=ticket.opening,
            started_at=start,
            limit_at=alarms[-1].at,
            alarms=alarms,
        )


async def confirm(
    uow: UnitOfWork,
    ticket: Ticket,
    *,
    solved: bool,
    by: str,
    staff: Staff | None = None,
    note: str = "",
) -> None:
    """The customer (or the system: `by`) says whether it is solved; if not, the ticket is re-opened.

    Raises Conflict when there is no result to confirm. Confirming twice changes nothing.
    """
    if ticket.resolved_at is None:
        raise Conflict(f"ticket {ticket.number} has no result to confirm yet")
    if not solved:
        await reopen(uow, ticket, "not_resolved", by=staff, note=note)
        await tell_reopened(uow, ticket, note)
        return
    if ticket.confirmed_at is not None:
        return
    ticket.confirmed_at, ticket.confirmed_by = uow.clock.now(), by
    ticket.unconfirmed_reason = None
    if ticket.state is not TicketState.CLOSED:
        ticket.state = TicketState.RESOLVED
    await deadlines.meet(uow, ticket, DeadlineKind.CONFIRMATION, ticket.confirmed_at)
    actor = "customer" if by == "customer" else "system"
    await record(uow, ticket, "confirmed", by=staff, actor=actor, words={"note": note} if note else None)
    await try_close(uow, ticket)


async def tell_reopened(uow: UnitOfWork, ticket: Ticket, note: str) -> None:
    """Tell the handler that the customer sees it as not solved."""
    facts = {**await staff_ticket_facts(uow, ticket), "text": mask_free_text(note)}
    notice = Notice(
        kind="customer_reply",
        fact=f"reopen-{ticket.id.hex}",
        ticket=ticket,
        generation=ticket.opening,
        facts=facts,
        links={"accept": escalations.link("accept", ticket.id)},
        lane=deadlines.lane_of(ticket),
    )
    await tell_handler(uow, ticket, notice)


async def reopen(
    uow: UnitOfWork, ticket: Ticket, reason: str, *, by: Staff | None = None, note: str = ""
) -> None:
    """Work goes on: the next opening with new clocks; nobody is asked about the result of this one any more.

    A ticket that had been dismissed unanswered gets its response clocks, too, from now on. One that was
    closed goes by the policy in force now: it was left out when that one was put in force, or a trial ended.
    """
    now = uow.clock.now()
    if ticket.state is TicketState.CLOSED:
        ticket.policy_version_id = version_for(uow, ticket)
    unanswered = ticket.close_reason == NOT_A_TICKET and ticket.first_response_at is None
    await deadlines.withdraw(uow, ticket, AFTER_RESULT, "reopened")
    await ask_no_more(uow, ticket)
    await uow.session.execute(
        update(Deadline)
        .where(Deadline.ticket_id == ticket.id, Deadline.ended_reason == NOT_A_TICKET)
        .values(ended_reason="reopened")
    )
    ticket.opening += 1
    ticket.opened_at = now
    ticket.state = TicketState.IN_PROGRESS if ticket.handler_id else TicketState.TO_ASSIGN
    ticket.resolved_at = ticket.feedback_at = ticket.confirmed_at = ticket.closed_at = None
    ticket.confirmed_by = ticket.unconfirmed_reason = ticket.rated_at = ticket.unrated_reason = None
    ticket.close_reason = ticket.credited_id = ticket.credited_team_id = None
    policy = await uow.policy_of(ticket.policy_version_id)
    again = await _clocks_again(uow, ticket, policy)
    case = await case_of(uow, ticket, now)
    facts = {"reason": reason, "opening": ticket.opening, **await judged_by(uow, ticket, case)}
    await record(uow, ticket, "reopened", by=by, at=now, facts=facts, words={"note": note} if note else None)
    limits = await start_clocks(uow, ticket, OPENING if unanswered else again, now, case=case)
    ticket.expected_resolution_at = limits.get(DeadlineKind.RESOLUTION.value)
    if ticket.expected_resolution_at is None:
        ticket.expected_resolution_at = policy.expected_resolution(case, now)
        await start_clock(uow, ticket, DeadlineKind.RESOLUTION, now, ticket.expected_resolution_at)
    if ticket.accepted_at is not None:
        await keep_informed(uow, ticket)


async def _clocks_again(uow: UnitOfWork, ticket: Ticket, policy: Policy) -> list[DeadlineKind]:
    """Which clocks a re-opening starts: those of the policy, but no second one beside one that is open."""
    kinds = [DeadlineKind(name) for name in policy.reopening_clocks]
    still = {row.kind for row in await deadlines.open_ones(uow, ticket, [DeadlineKind.FIRST_RESPONSE])}
    return [kind for kind in kinds if kind not in still]


class NotComplete(Conflict):
    """A ticket cannot be closed yet: `missing` are the codes of what is, labels of the group `missing`."""

    def __init__(self, number: str, missing: list[str]) -> None:
        super().__init__(
            f"ticket {number} cannot be closed yet: {', '.join(missing)}",
            hint="it closes by itself when the result is confirmed and rated, or both were followed up",
        )
        self.missing = missing


def missing_for_closing(ticket: Ticket) -> list[str]:
    """What still keeps a ticket open: first_response, result, confirmation, rating (codes, in this order).

    Nothing where staff found it to be no request, or where it goes on in another ticket. A reason for "not
    confirmed" counts once the customer had all the time there is to confirm.
    """
    if ticket.close_reason in (NOT_A_TICKET, MERGED):
        return []
    given_up = ticket.state is not TicketState.AWAITING_FEEDBACK
    conditions = {
        "first_response": ticket.first_response_at,
        "result": ticket.resolved_at,
        "confirmation": ticket.confirmed_at or (given_up and ticket.unconfirmed_reason),
        "rating": ticket.rated_at or ticket.unrated_reason,
    }
    return [name for name, there in conditions.items() if not there]


async def close(uow: UnitOfWork, ticket: Ticket, by: Staff | None = None) -> None:
    """Close the ticket. Raises NotComplete naming what is missing (row B11)."""
    if ticket.state is TicketState.CLOSED:
        return
    missing = missing_for_closing(ticket)
    if missing:
        raise NotComplete(ticket.number, missing)
    ticket.state, ticket.closed_at = TicketState.CLOSED, uow.clock.now()
    ticket.attention = False
    facts = {"rated": ticket.rated_at is not None, "unconfirmed": ticket.unconfirmed_reason}
    await record(uow, ticket, "closed", by=by, facts=facts)


async def try_close(uow: UnitOfWork, ticket: Ticket) -> bool:
    """Close the ticket if all conditions hold; gives whether it is closed."""
    if missing_for_closing(ticket):
        return False
    await close(uow, ticket)
    return True
