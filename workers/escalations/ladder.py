"""The ladder after a breach: level by level until somebody acknowledges."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from models.deadlines import Deadline
from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, Lane
from workers import deadlines
from workers.directory import policy_for
from workers.escalations.facts import breach_telling
from workers.escalations.owning import owners
from workers.escalations.telling import tell
from workers.history import record
from workers.notifications import cancel
from workers.policy import Alarm
from workers.promises import settle
from workers.unit_of_work import UnitOfWork


async def start_ladder(uow: UnitOfWork, ticket: Ticket, breached: Deadline) -> Deadline | None:
    """Arm the escalation ladder of a breached deadline, from its limit on; None when it stands already."""
    policy = await policy_for(uow, ticket)
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
    ticket = await uow.the(Ticket, row.ticket_id)
    source = await breached_deadline(uow, row)
    if source is None or source.met_at is not None:
        await stop_ladder(uow, row, "met_late")
        return None
    await record(uow, ticket, "escalated", facts={"clock": source.kind.value, "level": alarm.level})
    telling = await breach_telling(uow, ticket, source, alarm.level, rung=row.alarm_no + 1)
    await tell(uow, ticket, row, alarm.roles, telling, also=await owners(uow, ticket, alarm.roles))
    if row.alarm_no == len(row.alarms) - 1:
        policy = await policy_for(uow, ticket)
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


async def climbing(uow: UnitOfWork, digest_id: UUID) -> list[Deadline]:
    """The ladders that lines of a digest tell of and that nobody has stopped yet, by ticket."""
    told = select(Notification.deadline_id).where(Notification.digest_id == digest_id)
    rows = await uow.session.scalars(
        select(Deadline)
        .where(Deadline.id.in_(told), Deadline.kind == DeadlineKind.ESCALATION)
        .where(Deadline.ended_reason.is_(None))
        .order_by(Deadline.ticket_id, Deadline.id)
    )
    return list(rows)


async def acknowledge_digest(uow: UnitOfWork, digest_id: UUID, staff: Staff) -> list[str]:
    """Somebody takes on all that a digest lists; gives the numbers of the tickets whose ladders stopped."""
    ladders: dict[UUID, list[UUID]] = {}
    for row in await climbing(uow, digest_id):
        ladders.setdefault(row.ticket_id, []).append(row.id)
    # In the order in which alarms lock tickets, so that neither waits for the other in a circle.
    found = await uow.session.scalars(
        select(Ticket).where(Ticket.id.in_(ladders)).order_by(Ticket.id).with_for_update()
    )
    stopped = []
    for ticket in found.all():
        counts = [await acknowledge(uow, ticket, staff, ladder) for ladder in ladders[ticket.id]]
        stopped += [ticket.number] if any(counts) else []
    return stopped


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
