"""Look up for many alarms at once what each of them is going to be asked about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from models.base import Base
from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.links import Link
from models.notifications import Notification
from models.people import Customer, Staff, Team
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, EventState, NotificationState
from workers.ahead import Ahead, OfTickets
from workers.unit_of_work import UnitOfWork


async def look_ahead(uow: UnitOfWork, rows: Sequence[Deadline]) -> Ahead:
    """What the tickets, people and ledger have to say about these deadlines, whose tickets are locked.

    Some nine queries, however many deadlines there are.
    """
    session = uow.session
    ticket_ids = {row.ticket_id for row in rows}
    tickets = (await session.scalars(select(Ticket).where(Ticket.id.in_(ticket_ids)))).all()
    customer_ids = {ticket.customer_id for ticket in tickets}
    customers = (await session.scalars(select(Customer).where(Customer.id.in_(customer_ids)))).all()
    await uow.vault.warm(session, {ticket.data_key_id for ticket in tickets})
    others, replaced = await _other_deadlines(uow, ticket_ids)
    ahead = Ahead(
        staff=(
            await session.scalars(select(Staff).where(Staff.active.is_(True)).order_by(Staff.number))
        ).all(),
        teams=(await session.scalars(select(Team).order_by(Team.id))).all(),
        customers={},
        absent=set(),
        left=max(1, sum(row.kind is DeadlineKind.SURVEY_INVITATION for row in rows)),  # numbers to be drawn
        of_tickets=OfTickets(
            ids=frozenset(ticket_ids),
            rows=[*tickets, *customers, *await _breached(uow, rows)],
            under_way=await _under_way(uow, ticket_ids),
            replaced=replaced,
        ),
    )
    ahead.take_keys("deadlines", others)
    await _note_told(uow, ahead, rows)
    links = select(Link.token_hash).where(Link.ticket_id.in_(ticket_ids), Link.purpose == "reply")
    ahead.take_keys("links", await session.scalars(links))
    return ahead


async def _other_deadlines(
    uow: UnitOfWork, ticket_ids: Collection[UUID]
) -> tuple[set[str], set[tuple[UUID, str, datetime]]]:
    """The keys of all deadlines of these tickets; and of those that were breached and ended with a reason:
    ticket, kind and reason, and when they began.
    """
    found = await uow.session.execute(
        select(
            Deadline.key,
            Deadline.ticket_id,
            Deadline.kind,
            Deadline.started_at,
            Deadline.state,
            Deadline.ended_reason,
        ).where(Deadline.ticket_id.in_(ticket_ids))
    )
    keys, replaced = set(), set()
    for key, ticket_id, kind, started_at, state, reason in found:
        keys.add(key)
        if state is DeadlineState.BREACHED and reason is not None:
            replaced.add((ticket_id, f"{kind.value}:{reason}", started_at))
    return keys, replaced


async def _breached(uow: UnitOfWork, rows: Sequence[Deadline]) -> Sequence[Base]:
    """The deadlines that the ladders among `rows` tell of: the second part of a ladder's key names it."""
    sources = {UUID(row.key.split(":")[1]) for row in rows if row.key.startswith("escalation:")}
    if not sources:
        return []
    return (await uow.session.scalars(select(Deadline).where(Deadline.id.in_(sources)))).all()


async def _under_way(uow: UnitOfWork, ticket_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
    """(ticket, kind of deadline that it meets) of what is being sent; "" of what is sent and not judged."""
    sending = await uow.session.execute(
        select(Notification.ticket_id, Notification.meets).where(
            Notification.ticket_id.in_(ticket_ids),
            Notification.meets.is_not(None),
            Notification.state == NotificationState.SENDING,
        )
    )
    unjudged = await uow.session.scalars(
        select(IntakeEvent.ticket_id).where(
            IntakeEvent.ticket_id.in_(ticket_ids),
            IntakeEvent.source == "delivery",
            IntakeEvent.state == EventState.RECEIVED,
        )
    )
    found = {(ticket, meets) for ticket, meets in sending if ticket and meets}
    return found | {(ticket, "") for ticket in unjudged if ticket}


async def _note_told(uow: UnitOfWork, ahead: Ahead, rows: Sequence[Deadline]) -> None:
    """Who was told of these deadlines when; what was told of them has its key."""
    idents = {row.id for row in rows}
    found = await uow.session.execute(
        select(
            Notification.key, Notification.deadline_id, Notification.staff_id, Notification.created_at
        ).where(Notification.deadline_id.in_(idents))
    )
    told = list(found)
    ahead.take_keys("notifications", (key for key, *_ in told))
    ahead.take_told(idents, ((deadline, staff, at) for _, deadline, staff, at in told))
