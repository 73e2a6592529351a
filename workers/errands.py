"""What is to be done at a time and belongs to no ticket: an absence begins, a working day begins.

Errands are promised rows like deadlines: a bell or the sweep rings for them, a lease gives them to one worker
for a while.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import select

from models.base import new_id
from models.deadlines import Errand
from models.people import Absence, Staff
from models.tickets import Ticket
from models.vocabulary import Lane, TicketState
from workers import (
    communications,
    improvements,
    knowledge,
    looking_up,
    measures,
    reports,
    signing_in,
    targets,
)
from workers.locks import held
from workers.promises import claim, pause, retry_pause, settle
from workers.reviews import remind_of_reviews
from workers.rosters import ABSENCE_BEGINS
from workers.tickets import hand_on, piloting, ticket_by_id
from workers.tickets.pilot_reports import pilot_day
from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

BATCH = 20
LEASE = timedelta(seconds=120)
MORNING = "morning"


async def fire(workshop: Workshop, lane: Lane) -> int:
    """Claim errands whose time has come and do each in a transaction of its own; gives how many.

    One that takes longer than its lease is begun by somebody else, too: whoever is ready first has done it.
    """
    async with workshop.begin() as uow:
        claimed = [
            (row, row.id, row.lease_token) for row in await claim(uow, Errand, lane, limit=BATCH, lease=LEASE)
        ]
    for errand, ident, token in claimed:
        try:
            ahead = AHEAD.get(errand.kind)
            step = await ahead(workshop, errand) if ahead else STEPS[errand.kind]
            async with workshop.begin() as uow:
                row = await uow.session.get(Errand, ident, with_for_update=True)
                if row is not None and row.due_at is not None:
                    await step(uow, row)
                    row.done_at = uow.clock.now()
                    settle(row)
        except Exception:
            log.exception("errand_failed", errand=str(ident))
            async with workshop.begin() as uow:
                row = await uow.session.get(Errand, ident, with_for_update=True)
                if row is not None and row.lease_token == token:
                    pause(row, retry_pause(row.tries), uow.clock)
    return len(claimed)


async def ensure_mornings(uow: UnitOfWork) -> None:
    """A process starts: see that there is an errand for the next opening."""
    waiting = select(Errand.id).where(Errand.kind == MORNING, Errand.due_at.is_not(None)).limit(1)
    if await uow.session.scalar(waiting) is None:
        await _next_morning(uow, uow.policy.calendar.next_opening(uow.clock.now()))


async def _next_morning(uow: UnitOfWork, opening: datetime) -> None:
    day = uow.policy.calendar.local_date(opening)
    row = Errand(
        id=new_id(), key=f"{MORNING}:{day.isoformat()}", kind=MORNING, lane=Lane.NORMAL, due_at=opening
    )
    if await uow.insert_new(row):
        uow.ring("errands", row.lane, opening)


async def _morning(uow: UnitOfWork, row: Errand) -> None:
    """Opening time: reminders of reviews for this day and those since the morning before it; at the first of
    a month, the measures that have not been verified; on its day of the week, the weekly review is planned.
    """
    calendar = uow.policy.calendar
    today = calendar.local_date(uow.clock.now())
    first = date.fromisoformat(row.key.partition(":")[2])
    while not calendar.is_working_day(first - timedelta(days=1)):
        first -= timedelta(days=1)
    await remind_of_reviews(uow, first, today)
    await improvements.monthly_check(uow, first, today)
    await knowledge.arm_weekly(uow, first, today)
    await _next_morning(uow, calendar.opening_of_working_day(uow.clock.now(), 1))


async def _absence_begins(uow: UnitOfWork, row: Errand) -> None:
    """What the absent person has not accepted goes to somebody else; ticket by ticket, in order."""
    absence = await uow.session.get(Absence, row.subject_id) if row.subject_id else None
    if absence is None or absence.cancelled_at is not None or absence.ends_at <= uow.clock.now():
        return
    person = await uow.session.get_one(Staff, absence.staff_id)
    for ident in await _unaccepted(uow, person.id):
        ticket = await ticket_by_id(uow, ident)
        if ticket.handler_id == person.id and ticket.accepted_at is None:
            await hand_on(uow, ticket, person)


async def _unaccepted(uow: UnitOfWork, staff_id: UUID) -> list[UUID]:
    found = await uow.session.scalars(
        held(
            select(Ticket.id)
            .where(Ticket.handler_id == staff_id, Ticket.accepted_at.is_(None))
            .where(Ticket.state.in_((TicketState.TO_ASSIGN, TicketState.IN_PROGRESS)))
            .order_by(Ticket.id)
        )
    )
    return list(found)


Step = Callable[[UnitOfWork, Errand], Awaitable[None]]
AHEAD: Mapping[str, Callable[[Workshop, Errand], Awaitable[Step]]] = {
    reports.REPORT: reports.prepare_report,
    measures.FIGURES: measures.prepare_figures,
    piloting.ENDS: piloting.end_pilot,
}
"""What takes long is worked out before the transaction: nobody waits for it to write."""
STEPS: Mapping[str, Step] = {
    ABSENCE_BEGINS: _absence_begins,
    MORNING: _morning,
    signing_in.SIGN_IN: signing_in.answer,
    looking_up.LOOK_UP: looking_up.answer,
    piloting.DAY: pilot_day,
    reports.REPORT_DAY: reports.report_day,
    communications.NEXT: communications.remind_of_next,
    communications.SHARE: communications.remind_to_share,
    knowledge.WRITE_UP: knowledge.remind_to_write_up,
    knowledge.WEEKLY: knowledge.weekly_review,
    targets.TARGET: targets.remind_of_target,
    improvements.IMPROVEMENT: improvements.remind_of_improvement,
}
