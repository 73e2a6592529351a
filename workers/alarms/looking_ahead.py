"""Look up for many alarms at once what each of them is going to be asked about."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import takewhile
from uuid import UUID

from sqlalchemy import select

from models.base import Base
from models.bulk import among
from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.links import Link
from models.notifications import Notification
from models.people import Customer, Staff, Team
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, EventState, NotificationState
from workers.ahead import Ahead, OfTickets
from workers.deadlines import loaded
from workers.unit_of_work import UnitOfWork

WARNINGS = frozenset({"warning", "acceptance_reminder"})
"""Steps that tell of a limit to come: worth nothing once it has passed."""
ASKING = frozenset({DeadlineKind.SURVEY_INVITATION, DeadlineKind.SURVEY})
"""Kinds whose steps judge no clock: what is being sent, and what was breached, is nothing to them."""


async def look_ahead(uow: UnitOfWork, rows: Sequence[Deadline]) -> Ahead:
    """What the tickets, people and ledger have to say about these deadlines, whose tickets are locked.

    Some nine queries, however many deadlines there are; fewer where surveys alone are asked or chased.
    """
    session = uow.session
    ticket_ids = {row.ticket_id for row in rows}
    judged = [row for row in rows if row.kind not in ASKING]
    now = uow.clock.now()
    breached = {row.ticket_id for row in judged if _tells_of_breach(row, now)}
    tickets = (await session.scalars(select(Ticket).where(among(session, Ticket.id, ticket_ids)))).all()
    customer_ids = {ticket.customer_id for ticket in tickets}
    found = await session.scalars(select(Customer).where(among(session, Customer.id, customer_ids)))
    customers = found.all()
    await uow.vault.warm(session, {ticket.data_key_id for ticket in tickets})
    others, replaced = await _other_deadlines(uow, ticket_ids)
    staff = await session.scalars(select(Staff).where(Staff.active.is_(True)).order_by(Staff.number))
    teams = (await session.scalars(select(Team).order_by(Team.id))).all()
    ahead = Ahead(
        staff=staff.all(),
        teams=teams,
        audience=_audience([ticket for ticket in tickets if ticket.id in breached], teams),
        customers={},
        absent=set(),
        left=max(1, sum(row.kind is DeadlineKind.SURVEY_INVITATION for row in rows)),  # numbers to be drawn
        of_tickets=OfTickets(
            ids=frozenset(ticket_ids),
            rows=[*tickets, *customers, *await _breached(uow, judged)],
            under_way=await _under_way(uow, {row.ticket_id for row in judged}),
            replaced=replaced,
        ),
    )
    ahead.take_keys("deadlines", others)
    await _note_told(uow, ahead, rows)
    links = select(Link.token_hash).where(among(session, Link.ticket_id, ticket_ids), Link.purpose == "reply")
    ahead.take_keys("links", await session.scalars(links))
    return ahead


def _tells_of_breach(row: Deadline, now: datetime) -> bool:
    """Whether an alarm whose time has come is that of a limit or a ladder's, and no mere warning."""
    left = (loaded(alarm) for alarm in row.alarms[row.alarm_no :])
    return any(alarm.step not in WARNINGS for alarm in takewhile(lambda alarm: alarm.at <= now, left))


def _audience(tickets: Sequence[Ticket], teams: Sequence[Team]) -> set[UUID]:
    """Who hears of these tickets as a rule: their handlers, and whoever leads their teams."""
    theirs = {ticket.team_id for ticket in tickets}
    leading = ((team.supervisor_id, team.substitute_id, team.head_id) for team in teams if team.id in theirs)
    people = {ticket.handler_id for ticket in tickets}.union(*leading)
    return {person for person in people if person is not None}


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
        ).where(among(uow.session, Deadline.ticket_id, ticket_ids))
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
    return (await uow.session.scalars(select(Deadline).where(among(uow.session, Deadline.id, sources)))).all()


async def _under_way(uow: UnitOfWork, ticket_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
    """(ticket, kind of deadline that it meets) of what is being sent; "" of what is sent and not judged."""
    if not ticket_ids:
        return set()
    sending = await uow.session.execute(
        select(Notification.ticket_id, Notification.meets).where(
            among(uow.session, Notification.ticket_id, ticket_ids),
            Notification.meets.is_not(None),
            Notification.state == NotificationState.SENDING,
        )
    )
    unjudged = await uow.session.scalars(
        select(IntakeEvent.ticket_id).where(
            among(uow.session, IntakeEvent.ticket_id, ticket_ids),
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
        ).where(among(uow.session, Notification.deadline_id, idents))
    )
    told = list(found)
    ahead.take_keys("notifications", (key for key, *_ in told))
    ahead.take_told(idents, ((deadline, staff, at) for _, deadline, staff, at in told))
