"""Warn before a limit, escalate after it, level by level until somebody acknowledges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from models.deadlines import Deadline
from models.intake import IntakeEvent
from models.notifications import Notification
from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, EventState, Lane, NotificationState
from workers import deadlines
from workers.directory import people_for, people_in_roles
from workers.history import record
from workers.notifications import Notice, cancel, notify, staff_recipient, staff_ticket_facts
from workers.policy import Alarm
from workers.promises import settle
from workers.unit_of_work import UnitOfWork

CLOCKS = (DeadlineKind.FIRST_RESPONSE, DeadlineKind.PLAN, DeadlineKind.RESOLUTION)
PATIENCE = timedelta(seconds=1)
LINK_HOURS = 72
ONE_GO = timedelta(seconds=60)
REPLACED = ("replanned", "bounced")


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing to tell several people about a deadline: the template, its facts and links."""

    kind: str
    rung: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    links: Mapping[str, dict[str, Any] | None] = field(default_factory=dict)
    due_at: datetime | None = None
    expires_at: datetime | None = None
    lane: Lane = Lane.URGENT


async def warn(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """A limit comes near: remind its people, once, unless it is met by then."""
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    telling = Telling(
        f"{row.kind.value}_warning", row.alarm_no, {"limit_at": _iso(row.limit_at)}, expires_at=row.limit_at
    )
    await tell(uow, ticket, row, alarm.roles, telling)
    await record(uow, ticket, "warned", facts={"clock": row.kind.value, "limit_at": _iso(row.limit_at)})
    return None


async def remind_to_accept(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Nobody has accepted while the response limit runs: remind the handler, then the supervisor."""
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    telling = Telling(
        "acceptance_reminder",
        row.alarm_no,
        {"limit_at": _iso(row.limit_at)},
        {"accept": link("accept", ticket.id) if "handler" in alarm.roles else None},
        expires_at=row.limit_at,
    )
    await tell(uow, ticket, row, alarm.roles, telling)
    return None


async def breach(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """The limit has passed unmet: attention item 关注项, supervisor told, ladder begun.

    Waits while a message that would meet the limit is on the wire or its acceptance not yet judged: it may
    have been accepted in time.
    """
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    if await _answer_under_way(uow, ticket, row.kind):
        return PATIENCE
    row.state = DeadlineState.BREACHED
    row.breached_at = row.limit_at
    ticket.attention = True
    if not await _counted_before(uow, row):
        ticket.overdue_count += 1
    await record(uow, ticket, "breached", facts={"clock": row.kind.value, "limit_at": _iso(row.limit_at)})
    ladder = await start_ladder(uow, ticket, row)
    policy = await uow.policy_of(ticket.policy_version_id)
    telling = await _breach_telling(uow, ticket, row, level=0)
    due_at = policy.tell_at(ticket.priority, uow.clock.now())
    also = await _first_team(uow, ticket)
    await tell(uow, ticket, ladder or row, alarm.roles, replace(telling, due_at=due_at), also=also)
    return None


async def _counted_before(uow: UnitOfWork, row: Deadline) -> bool:
    """Whether this very clock was overdue already before it was re-planned, or an answer to it bounced."""
    replaced = select(Deadline.id).where(
        Deadline.ticket_id == row.ticket_id,
        Deadline.kind == row.kind,
        Deadline.started_at == row.started_at,
        Deadline.state == DeadlineState.BREACHED,
        Deadline.ended_reason.in_(REPLACED),
    )
    return await uow.session.scalar(replaced.limit(1)) is not None


async def _first_team(uow: UnitOfWork, ticket: Ticket) -> list[Staff]:
    """首问负责制 (row E5): the supervisor of the team that had the ticket first, if that is another one."""
    policy = await uow.policy_of(ticket.policy_version_id)
    if not policy.first_contact_owns or ticket.first_team_id in (None, ticket.team_id):
        return []
    return await people_in_roles(uow, team_id=ticket.first_team_id, handler_id=None, roles=["supervisor"])


async def start_ladder(uow: UnitOfWork, ticket: Ticket, breached: Deadline) -> Deadline | None:
    """Arm the escalation ladder of a breached deadline, from its limit on; None when it stands already."""
    policy = await uow.policy_of(ticket.policy_version_id)
    start = breached.limit_at or uow.clock.now()
    return await deadlines.arm(
        uow,
        ticket,
        DeadlineKind.ESCALATION,
        fact=breached.id,
        generation=breached.generation,
        started_at=start,
        limit_at=None,
        alarms=policy.ladder(ticket.priority, start),
        lane=Lane.URGENT,
        survey_id=breached.survey_id,
        followup_id=breached.followup_id,
    )


async def climb(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    """Nobody has acknowledged: tell the next level; after the last one, again every day."""
    ticket = await uow.session.get_one(Ticket, row.ticket_id)
    source = await breached_deadline(uow, row)
    if source is None or source.met_at is not None:
        await stop_ladder(uow, row, "met_late")
        return None
    await record(uow, ticket, "escalated", facts={"clock": source.kind.value, "level": alarm.level})
    telling = await _breach_telling(uow, ticket, source, alarm.level, rung=row.alarm_no + 1)
    await tell(uow, ticket, row, alarm.roles, telling)
    if row.alarm_no == len(row.alarms) - 1:
        policy = await uow.policy_of(ticket.policy_version_id)
        deadlines.add_alarm(row, policy.ladder_repeat(ticket.priority, alarm.at))
    return None


async def acknowledge(uow: UnitOfWork, ticket: Ticket, staff: Staff, ladder_id: UUID | None = None) -> int:
    """Somebody takes it on: stop the ladder (or all ladders of the ticket); gives how many stopped."""
    now = uow.clock.now()
    rows = await deadlines.open_ones(uow, ticket, [DeadlineKind.ESCALATION])
    chosen = [row for row in rows if ladder_id in (None, row.id)]
    for row in chosen:
        row.acknowledged_at, row.acknowledged_by = now, staff.id
        await stop_ladder(uow, row, "acknowledged")
    if chosen:
        await record(uow, ticket, "acknowledged", by=staff, facts={"ladders": len(chosen)})
    return len(chosen)


async def stop_ladder(uow: UnitOfWork, row: Deadline, reason: str) -> None:
    """End one ladder and drop what it had queued and not yet sent."""
    row.state, row.ended_reason = DeadlineState.WITHDRAWN, reason
    settle(row)
    await cancel(uow, reason, deadline_ids=[row.id])


async def settle_late(uow: UnitOfWork, ticket: Ticket, met: Deadline, reason: str) -> None:
    """What a ladder was about has happened after all (or was no breach): nobody climbs it any further."""
    rows = await deadlines.open_ones(uow, ticket, [DeadlineKind.ESCALATION])
    for row in rows:
        if row.key.split(":")[1] == met.id.hex:
            await stop_ladder(uow, row, reason)


async def breached_deadline(uow: UnitOfWork, ladder: Deadline) -> Deadline | None:
    """The deadline whose breach this ladder tells of."""
    return await uow.session.get(Deadline, UUID(ladder.key.split(":")[1]))


async def tell(
    uow: UnitOfWork,
    ticket: Ticket,
    row: Deadline,
    roles: Iterable[str],
    telling: Telling,
    *,
    also: Iterable[Staff] = (),
) -> list[Staff]:
    """Write one notice per person whom the roles mean (and `also`); the log says when there is nobody."""
    people = await people_for(uow, ticket, roles)
    people += [person for person in also if person not in people]
    common = await staff_ticket_facts(uow, ticket)
    told = await _just_told(uow, row)
    for person in people:
        notice = Notice(
            kind=telling.kind,
            fact=row.id.hex,
            ticket=ticket,
            generation=row.generation,
            rung=telling.rung,
            facts={**common, **telling.facts},
            links=telling.links,
            lane=telling.lane,
            due_at=telling.due_at,
            expires_at=telling.expires_at,
            deadline_id=row.id,
            survey_id=row.survey_id,
            merged=person.id in told,
        )
        await notify(uow, staff_recipient(uow, person), notice)
    if not people:
        await record(
            uow, ticket, "nobody_to_tell", facts={"notification": telling.kind, "roles": list(roles)}
        )
    return people


async def _just_told(uow: UnitOfWork, row: Deadline) -> set[UUID | None]:
    """Who heard of this a moment ago: several rungs in one go (after an outage) are one mail to a person."""
    since = uow.clock.now() - ONE_GO
    rows = await uow.session.scalars(
        select(Notification.staff_id).where(
            Notification.deadline_id == row.id, Notification.created_at >= since
        )
    )
    return set(rows)


def link(purpose: str, subject: UUID, *, hours: int = LINK_HOURS, single_use: bool = True) -> dict[str, Any]:
    """A request to mint a link when the message is rendered (see `models.links.Link`)."""
    return {"purpose": purpose, "subject": str(subject), "hours": hours, "single_use": single_use}


async def _breach_telling(
    uow: UnitOfWork, ticket: Ticket, row: Deadline, level: int, rung: int = 0
) -> Telling:
    limit = row.limit_at or uow.clock.now()
    late = {"level": level, "overdue_seconds": int((uow.clock.now() - limit).total_seconds())}
    links = {"acknowledge": link("acknowledge", ticket.id, single_use=False)}
    if row.followup_id is not None:
        owner = await _owner_name(uow, row.followup_id)
        return Telling("followup_overdue", rung, {**late, "start_by": _iso(limit), "owner": owner}, links)
    handler = await uow.session.get(Staff, ticket.handler_id) if ticket.handler_id else None
    facts = {"clock": row.kind.value, "limit_at": _iso(limit), "handler": handler.name if handler else ""}
    return Telling("breach", rung, {**late, **facts}, links)


async def _owner_name(uow: UnitOfWork, followup_id: UUID) -> str:
    followup = await uow.session.get_one(Followup, followup_id)
    owner = await uow.session.get(Staff, followup.owner_id) if followup.owner_id else None
    return owner.name if owner else ""


async def _answer_under_way(uow: UnitOfWork, ticket: Ticket, kind: DeadlineKind) -> bool:
    """Whether a message that would meet this deadline is being sent, or was sent and is not yet judged."""
    sending = await uow.session.scalar(
        select(func.count()).where(
            Notification.ticket_id == ticket.id,
            Notification.meets == kind.value,
            Notification.state == NotificationState.SENDING,
        )
    )
    unjudged = await uow.session.scalar(
        select(func.count()).where(
            IntakeEvent.ticket_id == ticket.id,
            IntakeEvent.source == "delivery",
            IntakeEvent.state == EventState.RECEIVED,
        )
    )
    return bool(sending or unjudged)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
