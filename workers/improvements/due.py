"""What is to be re-evaluated: improvements and the measures of follow-ups, in one list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from models.improving import Improvement
from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket
from models.vocabulary import FollowupState, ImprovementState
from workers.unit_of_work import UnitOfWork

OPEN = (ImprovementState.TO_VERIFY, ImprovementState.NOT_MET)


@dataclass(frozen=True, slots=True)
class Reevaluation:
    """One measure that waits for its verdict (or, `not_met`, for its review report) until `due_at` (UTC).

    `number` is that of the improvement, or of the ticket whose follow-up it is (`of` says which); `page` is
    where the console shows it. `owner` is a name.
    """

    of: str
    number: str
    page: str
    state: str
    round: int
    owner: str
    owner_id: UUID | None
    due_at: datetime
    overdue: bool


async def reevaluations_due(uow: UnitOfWork, until: datetime) -> list[Reevaluation]:
    """What is to be re-evaluated before `until` (UTC), or is late already; what is due first in front."""
    found = [*await _improvements(uow), *await _followups(uow)]
    return sorted(
        (each for each in found if each.due_at < until), key=lambda each: (each.due_at, each.number)
    )


async def _improvements(uow: UnitOfWork) -> list[Reevaluation]:
    now = uow.clock.now()
    rows = await uow.session.execute(
        select(Improvement, Staff.name)
        .join(Staff, Staff.id == Improvement.owner_id)
        .where(Improvement.state.in_(OPEN))
    )
    found = []
    for row, owner in rows:
        due_at = row.report_by or row.verify_at
        page = f"/console/improvements/{row.number}"
        about = (row.number, page, row.state.value, row.round, owner, row.owner_id)
        found.append(Reevaluation("improvement", *about, due_at, due_at < now))
    return found


async def _followups(uow: UnitOfWork) -> list[Reevaluation]:
    now = uow.clock.now()
    rows = await uow.session.execute(
        select(Followup, Ticket.number, Staff.name)
        .join(Ticket, Ticket.id == Followup.ticket_id)
        .outerjoin(Staff, Staff.id == Followup.measure_owner_id)
        .where(Followup.state == FollowupState.TO_VERIFY, Followup.due_at.is_not(None))
    )
    found = []
    for row, number, owner in rows:
        page = f"/console/followups/{row.id.hex}"
        about = (number, page, row.state.value, row.round, owner or "", row.measure_owner_id)
        due_at = row.due_at or now  # asked for above
        found.append(Reevaluation("followup", *about, due_at, due_at < now))
    return found
