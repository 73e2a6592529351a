"""A result that nobody confirms: asked again by mail, then by a person, then closed with a reason (row A8).

While a survey is chased its reminder and its task ask for both, so that nobody is asked twice in a morning.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select

from models.deadlines import Deadline
from models.people import Staff
from models.surveys import Survey
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, Medium, TicketState
from workers import deadlines, escalations
from workers.directory import people_for
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
from workers.policy import Alarm
from workers.tickets.finishing import LINK_HOURS, try_close
from workers.unit_of_work import UnitOfWork


class Unconfirmed(StrEnum):
    """Why a customer has not confirmed a result 未确认原因."""

    UNREACHABLE = "unreachable"
    NEEDS_FOLLOWUP = "needs_followup"
    SYSTEM_MAINTENANCE = "system_maintenance"
    THIRD_PARTY = "third_party"
    DECLINED = "declined"
    OTHER = "other"


def waits_for_confirmation(ticket: Ticket) -> bool:
    """Whether a result was given that the customer has neither confirmed nor rejected."""
    return ticket.state is TicketState.AWAITING_FEEDBACK and ticket.confirmed_at is None


async def chase_confirmation(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Nobody has confirmed yet: ask again, have a person ask, in the end go on to closing.

    The reason is what staff have found meanwhile, or that nobody was reached.
    """
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    if not waits_for_confirmation(ticket):
        return None
    if alarm.step == "reminder":
        if not await _asked_by_survey(uow, ticket):
            await _remind(uow, ticket)
    elif alarm.step == "task":
        if not await _asked_by_survey(uow, ticket):
            await _give_task(uow, ticket)
    else:
        ticket.unconfirmed_reason = ticket.unconfirmed_reason or Unconfirmed.UNREACHABLE
        ticket.state = TicketState.RESOLVED
        await record(uow, ticket, "unconfirmed", facts={"reason": ticket.unconfirmed_reason})
        await try_close(uow, ticket)
    return None


async def confirm_until(uow: UnitOfWork, ticket: Ticket) -> datetime | None:
    """When waiting for a confirmation ends (UTC); None when nothing waits for one."""
    rows = await deadlines.open_ones(uow, ticket, [DeadlineKind.CONFIRMATION])
    return rows[-1].limit_at if rows else None


async def note_unconfirmed(
    uow: UnitOfWork, ticket: Ticket, by: Staff, reason: Unconfirmed, note: str = ""
) -> None:
    """Note why the customer has not confirmed the result; at the end of waiting it closes with this reason.

    A later confirmation or rejection still counts. Raises Conflict when nothing waits for a confirmation,
    InvalidInput for `other` without a note.
    """
    if not waits_for_confirmation(ticket):
        raise Conflict(
            f"ticket {ticket.number} does not wait for a confirmation",
            hint="a result must have been given, and neither confirmed nor rejected",
        )
    if reason is Unconfirmed.OTHER and not note.strip():
        raise InvalidInput("the reason other needs a note that says which", hint="note")
    ticket.unconfirmed_reason = reason.value
    words = {"note": note.strip()} if note.strip() else None
    await record(uow, ticket, "unconfirmed_reason", by=by, facts={"reason": reason.value}, words=words)


async def _asked_by_survey(uow: UnitOfWork, ticket: Ticket) -> bool:
    """Whether a survey about this result is chased, whose messages ask for the confirmation, too."""
    survey = select(Survey.id).where(
        Survey.ticket_id == ticket.id,
        Survey.opening == ticket.opening,
        Survey.state == "invited",
        Survey.reason.is_(None),  # else its customer wants no survey, and nobody asks
        Survey.expires_at > uow.clock.now(),
    )
    return await uow.session.scalar(survey) is not None


async def _remind(uow: UnitOfWork, ticket: Ticket) -> None:
    """A mail; whoever has no address for one is rung up by the task."""
    to = await customer_recipient(uow, ticket, Medium.EMAIL)
    if to is None:
        return
    notice = Notice(
        kind="confirmation_reminder",
        fact=ticket.id.hex,
        ticket=ticket,
        generation=ticket.opening,
        facts=await ticket_facts(uow, ticket),
        links=confirmation_links(ticket),
    )
    await notify(uow, to, notice)


async def who_rings_up(uow: UnitOfWork, ticket: Ticket) -> list[Staff]:
    """Who asks the customer about a result: its handler, whoever stands in for one that is away or has left,
    without a handler the supervisor. One person does: nobody is rung up twice.
    """
    return await people_for(uow, ticket, ["handler" if ticket.handler_id else "supervisor"])


async def _give_task(uow: UnitOfWork, ticket: Ticket) -> None:
    people = await who_rings_up(uow, ticket)
    assert ticket.resolved_at is not None
    facts = {**await staff_ticket_facts(uow, ticket), "resolved_at": ticket.resolved_at.isoformat()}
    for person in people:
        notice = Notice(
            kind="confirmation_task",
            fact=ticket.id.hex,
            ticket=ticket,
            generation=ticket.opening,
            facts=facts,
            links={"confirmation": outcome_link(ticket)},
        )
        await notify(uow, staff_recipient(uow, person), notice)
    await record(uow, ticket, "confirmation_task")


def outcome_link(ticket: Ticket) -> dict[str, object]:
    """The link by which staff say what the customer told them of a result."""
    return escalations.link("confirmation", ticket.id, hours=LINK_HOURS, single_use=False)


def confirmation_links(ticket: Ticket) -> dict[str, dict[str, object]]:
    """The two answers a customer has to a result; none where there is nothing to confirm."""
    if not waits_for_confirmation(ticket):
        return {}
    return {
        answer: escalations.link(answer, ticket.id, hours=LINK_HOURS, single_use=False)
        for answer in ("confirm", "not_resolved")
    }
