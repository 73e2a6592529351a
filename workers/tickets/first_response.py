"""The first response 首次响应: the first contact by a person that really reached the customer (row A4).

A customer who opens the ticket again is answered anew where the policy's `[reopening]` says so: that
response is logged with its opening and meets its clock; the ticket keeps when it was first responded to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket, TicketEntry
from models.vocabulary import HUMAN_MESSAGES, DeadlineKind, Medium, NotificationState, TicketState
from workers import deadlines, escalations
from workers.directory import people_for
from workers.errors import Conflict
from workers.history import record
from workers.notifications import Notice, notify, staff_recipient, staff_ticket_facts
from workers.tickets.clocks import start_clock
from workers.unit_of_work import UnitOfWork


async def meets_first_response(uow: UnitOfWork, ticket: Ticket, message: str) -> str | None:
    """What a message of this kind meets when it is accepted: the first response, if one is awaited that it
    counts as by the ticket's policy; else None.
    """
    policy = await uow.policy_of(ticket.policy_version_id)
    if not policy.counts_as_first_response(message) or not await _awaited(uow, ticket):
        return None
    return DeadlineKind.FIRST_RESPONSE.value


async def _awaited(uow: UnitOfWork, ticket: Ticket) -> bool:
    return ticket.first_response_at is None or await _awaited_again(uow, ticket) is not None


async def _awaited_again(uow: UnitOfWork, ticket: Ticket) -> Deadline | None:
    """The clock of a response to this opening, where the policy asks for one and nobody has given it."""
    if ticket.opening == 1:
        return None
    rows = await deadlines.open_ones(uow, ticket, [DeadlineKind.FIRST_RESPONSE])
    return next((row for row in rows if row.started_at >= ticket.opened_at), None)


async def record_first_response(
    uow: UnitOfWork,
    ticket: Ticket,
    by: Staff,
    channel: Medium,
    *,
    evidence: str | None = None,
    note: str = "",
) -> bool:
    """A contact that reached the customer just now, by phone or elsewhere; gives whether it met the limit.

    It happens now: nothing is dated back. Raises Conflict when there was a first response already.
    """
    if not await _awaited(uow, ticket):
        raise Conflict(f"ticket {ticket.number} has had its first response", hint="log progress instead")
    now = uow.clock.now()
    again = ticket.first_response_at is not None
    return await _respond(uow, ticket, now, channel, again=again, by=by, evidence=evidence, note=note)


async def message_responds(uow: UnitOfWork, ticket: Ticket, message: Notification, at: datetime) -> None:
    """A message in a person's words was accepted at `at`: it may be the first response."""
    policy = await uow.policy_of(ticket.policy_version_id)
    if not policy.counts_as_first_response(message.kind):
        return
    if ticket.first_response_at is None or at < ticket.first_response_at:
        await _respond(uow, ticket, at, message.channel, notification=message)
    elif (clock := await _awaited_again(uow, ticket)) is not None and at >= clock.started_at:
        await _respond(uow, ticket, at, message.channel, again=True, notification=message)


async def _respond(
    uow: UnitOfWork,
    ticket: Ticket,
    at: datetime,
    channel: Medium,
    *,
    again: bool = False,
    by: Staff | None = None,
    evidence: str | None = None,
    note: str = "",
    notification: Notification | None = None,
) -> bool:
    """It happened at `at`: judge it; `again`: it answers a later opening than the first."""
    facts: dict[str, Any] = {"channel": channel.value}
    earlier = ticket.first_response_at is not None and not again
    if again:
        facts["opening"] = ticket.opening
    else:
        ticket.first_response_at = at
    policy = await uow.policy_of(ticket.policy_version_id)
    asked_for = policy.respond_by(ticket.priority)
    if asked_for and channel not in asked_for:
        facts["asked_for"] = [medium.value for medium in asked_for]
    meet = deadlines.meet_earlier if earlier else deadlines.meet
    verdict = await meet(uow, ticket, DeadlineKind.FIRST_RESPONSE, at)
    accepted = await deadlines.meet(uow, ticket, DeadlineKind.ACCEPTANCE, at)
    in_time = verdict.in_time if verdict else True
    entry = await record(
        uow,
        ticket,
        "first_response",
        by=by,
        at=at,
        facts={**facts, "in_time": in_time},
        words={"note": note} if note else None,
        evidence=evidence,
        notification_id=notification.id if notification else None,
    )
    for each in (verdict, accepted):
        if each is not None:
            await settle_verdict(uow, ticket, each)
    if "asked_for" in facts:
        await _tell_other_channel(uow, ticket, entry, channel, facts["asked_for"])
    return in_time


async def _tell_other_channel(
    uow: UnitOfWork, ticket: Ticket, entry: TicketEntry, channel: Medium, asked_for: list[str]
) -> None:
    """The answer counts, and the supervisor hears that it took another way than asked for (row E3)."""
    handler = await uow.session.get(Staff, ticket.handler_id) if ticket.handler_id else None
    facts = {**await staff_ticket_facts(uow, ticket), "by": channel.value, "asked_for": asked_for}
    facts |= {"at": entry.at.isoformat(), "handler": handler.name if handler else ""}
    notice = Notice(
        kind="other_channel",
        fact=ticket.id.hex,
        ticket=ticket,
        generation=ticket.opening,
        facts=facts,
        lane=deadlines.lane_of(ticket),
    )
    for person in await people_for(uow, ticket, ["supervisor"]):
        await notify(uow, staff_recipient(uow, person), notice)


async def settle_verdict(uow: UnitOfWork, ticket: Ticket, verdict: deadlines.Verdict) -> None:
    """Stop the ladder of what has now happened; a breach told in error is taken back and says so."""
    await escalations.settle_late(uow, ticket, verdict.deadline, "met" if verdict.in_time else "met_late")
    if verdict.breach_undone:
        ticket.overdue_count = max(0, ticket.overdue_count - 1)
        ticket.attention = ticket.overdue_count > 0
        await record(uow, ticket, "breach_undone", facts={"clock": verdict.deadline.kind.value})


async def undo_first_response(uow: UnitOfWork, ticket: Ticket, message: Notification) -> None:
    """A message came back: if it was the first response, there was none, and its clock runs again."""
    entry = await uow.session.scalar(
        select(TicketEntry)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.notification_id == message.id)
        .where(TicketEntry.kind == "first_response")
    )
    if entry is None:
        return
    opening = entry.facts.get("opening", 1)
    if ticket.first_response_at == entry.at:
        ticket.first_response_at = None
    elif opening == 1 or opening != ticket.opening:
        return
    await record(uow, ticket, "first_response_undone", corrects=entry.id, notification_id=message.id)
    judged = await deadlines.unjudge(uow, ticket, DeadlineKind.FIRST_RESPONSE, "bounced")
    if judged is not None and judged.limit_at is not None and ticket.state is not TicketState.CLOSED:
        await start_clock(uow, ticket, DeadlineKind.FIRST_RESPONSE, judged.started_at, judged.limit_at)
    again = ticket.first_response_at is not None
    other = await _other_answer(uow, ticket, message, ticket.opened_at if again else ticket.received_at)
    if other is not None and other.sent_at is not None:
        await _respond(uow, ticket, other.sent_at, other.channel, again=again, notification=other)


async def _other_answer(
    uow: UnitOfWork, ticket: Ticket, bounced: Notification, since: datetime
) -> Notification | None:
    """The first of the other messages that count, was accepted since then and has not come back."""
    policy = await uow.policy_of(ticket.policy_version_id)
    counting = [kind for kind in sorted(HUMAN_MESSAGES) if policy.counts_as_first_response(kind)]
    return await uow.session.scalar(
        select(Notification)
        .where(Notification.ticket_id == ticket.id, Notification.id != bounced.id)
        .where(Notification.kind.in_(counting), Notification.sent_at >= since)
        .where(Notification.state.in_((NotificationState.SENT, NotificationState.DELIVERED)))
        .order_by(Notification.sent_at)
        .limit(1)
    )
