"""What a report counts beside the measures: messages by what became of them and why, in one statement."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from models.notifications import Notification
from models.tickets import Ticket
from workers.measures import Period
from workers.measures.asking import OWNING_TEAM
from workers.unit_of_work import UnitOfWork


async def sends(uow: UnitOfWork, period: Period, team_id: UUID | None) -> list[tuple[str, str, int]]:
    """Messages that were made in a period by state and reason, most first; of a team those of its tickets."""
    reason = func.coalesce(Notification.reason, "")
    query = (
        select(Notification.state, reason, func.count())
        .where(Notification.created_at >= period.first, Notification.created_at < period.last)
        .group_by(Notification.state, reason)
    )
    if team_id is not None:
        query = query.join(Ticket, Ticket.id == Notification.ticket_id).where(OWNING_TEAM.in_([team_id]))
    rows = [(state.value, why, count) for state, why, count in await uow.session.execute(query)]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))
