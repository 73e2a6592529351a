"""A message to staff that does not arrive is a broken rung: the next person hears it at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket, TicketEntry
from models.vocabulary import TicketState
from workers.delivery.digests import members_of
from workers.directory import people_for, policy_for, substitute_of
from workers.history import record
from workers.locks import held
from workers.notifications import Notice, notify_gathered, staff_recipient
from workers.unit_of_work import UnitOfWork

MUST_ARRIVE = frozenset(
    {
        "assignment", "transfer", "customer_reply", "acceptance_reminder", "first_response_warning",
        "plan_warning", "resolution_warning", "breach", "escalation_request", "answer_bounced", "phone_task",
        "survey_task", "confirmation_task", "low_score_alert", "followup_reminder", "followup_overdue",
        "followup_due", "followup_unreached", "chat_not_posted", "waiting_over",
    }
)  # fmt: skip # packed, to be read at a glance
"""Messages to staff by which something is to be done. Others only tell one person of their own doing."""

OF_FOLLOWUPS = frozenset({"low_score_alert", "followup_reminder", "followup_due", "followup_unreached"})

UPWARDS = ("supervisor", "substitute", "head", "administrator")


async def rung_broken(uow: UnitOfWork, ticket: Ticket, message: Notification, reason: str) -> list[Staff]:
    """`message` to a member of staff failed or came back: pass it on; gives to whom.

    Goes to whoever stands in for the person, then up the ladder to the first who was not told of the same
    thing, in the end to the administrators; a chain of dead addresses ends there, with `nobody_to_tell` in
    the log. What is over meanwhile (answered, acknowledged, closed) is not passed on, nor is anything twice.
    The caller holds the ticket.
    """
    if message.staff_id is None or message.kind not in MUST_ARRIVE or await _broken_before(uow, message):
        return []
    over = await _is_over(uow, ticket, message)
    missed = await uow.session.get_one(Staff, message.staff_id)
    people = [] if over else await _next(uow, ticket, missed, await _told(uow, message))
    facts: dict[str, Any] = {
        "notification": message.kind,
        "staff": missed.number,
        "reason": reason,
        "passed_on_to": [person.number for person in people],
    }
    await record(uow, ticket, "rung_broken", facts=facts, notification_id=message.id)
    for person in people:
        await _pass_on(uow, ticket, message, person)
    if not people and not over:
        facts = {"notification": message.kind, "roles": list(UPWARDS)}
        await record(uow, ticket, "nobody_to_tell", facts=facts, notification_id=message.id)
    return people


async def digest_broken(uow: UnitOfWork, digest: Notification, reason: str) -> None:
    """A digest did not arrive: each of its lines that still matters is passed on, together again."""
    members = (await members_of(uow, [digest.id]))[digest.id]
    tickets = {member.ticket_id for member in members}
    found = await uow.session.scalars(held(select(Ticket).where(Ticket.id.in_(tickets)).order_by(Ticket.id)))
    for ticket in found.all():
        for member in members:
            if member.ticket_id == ticket.id:
                await rung_broken(uow, ticket, member, reason)


async def told_last(uow: UnitOfWork, ticket: Ticket, person: Staff) -> Notification | None:
    """What this person was sent last about a ticket by which something is to be done."""
    return await uow.session.scalar(
        select(Notification)
        .where(Notification.ticket_id == ticket.id, Notification.staff_id == person.id)
        .where(Notification.kind.in_(MUST_ARRIVE), Notification.sent_at.is_not(None))
        .order_by(Notification.sent_at.desc())
        .limit(1)
    )


async def _broken_before(uow: UnitOfWork, message: Notification) -> bool:
    entry = select(TicketEntry.id).where(
        TicketEntry.ticket_id == message.ticket_id,
        TicketEntry.notification_id == message.id,
        TicketEntry.kind == "rung_broken",
    )
    return await uow.session.scalar(entry.limit(1)) is not None


async def _is_over(uow: UnitOfWork, ticket: Ticket, message: Notification) -> bool:
    if message.kind in OF_FOLLOWUPS and message.deadline_id is None:  # it outlives its ticket's closing
        case = await uow.session.get(Followup, UUID(_reason_of(message.key).split(":")[1]))
        return case is None or case.state.over
    row = await uow.session.get(Deadline, message.deadline_id) if message.deadline_id else None
    if ticket.state is TicketState.CLOSED and (row is None or row.followup_id is None):
        return True
    return row is not None and row.ended_reason is not None


def _reason_of(key: str) -> str:
    """The part of a notification's key that says why: kind, fact, generation, rung."""
    return key.rsplit(":", 2)[0]


async def _told(uow: UnitOfWork, message: Notification) -> set[UUID | None]:
    """Who was told of this very thing, arrived or not."""
    rows = await uow.session.execute(
        select(Notification.key, Notification.staff_id).where(
            Notification.ticket_id == message.ticket_id, Notification.kind == message.kind
        )
    )
    return {staff for key, staff in rows if _reason_of(key) == _reason_of(message.key)}


async def _next(uow: UnitOfWork, ticket: Ticket, missed: Staff, told: set[UUID | None]) -> list[Staff]:
    standing_in = await substitute_of(uow, missed)
    if standing_in is not None and standing_in.id not in told:
        return [standing_in]
    levels = [await people_for(uow, ticket, [role]) for role in UPWARDS]
    # Upwards from the one who missed it: those below have heard of the rungs before, and did not act.
    above = max((place + 1 for place, people in enumerate(levels[:-1]) if missed in people), default=0)
    untold = ([person for person in people if person.id not in told] for people in levels[above:])
    return next((people for people in untold if people), [])


async def _pass_on(uow: UnitOfWork, ticket: Ticket, message: Notification, person: Staff) -> None:
    """The same message to somebody else, with links of their own."""
    sealer = await uow.vault.sealer(uow.session, message.data_key_id)
    facts = sealer.json(message.facts_sealed, "notifications.facts")
    _, fact, generation, rung = _reason_of(message.key).split(":")
    notice = Notice(
        kind=message.kind,
        fact=fact,
        ticket=ticket,
        generation=int(generation),
        rung=int(rung),
        facts=facts,
        links=message.links,
        lane=message.lane,
        expires_at=message.expires_at,
        deadline_id=message.deadline_id,
        survey_id=message.survey_id,
    )
    policy = await policy_for(uow, ticket)
    await notify_gathered(
        uow,
        staff_recipient(uow, person),
        notice,
        storm_from=policy.document.escalation.storm_from,
        apart=policy.served_around_the_clock,
    )
