"""Who is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import select

from models.people import Staff
from workers.unit_of_work import UnitOfWork


async def people_present(uow: UnitOfWork, team_id: UUID | None = None) -> Sequence[Staff]:
    """Active members of staff who are not absent now, by number; of one team, or all."""
    now = uow.clock.now()
    rows: Iterable[Staff]
    if uow.ahead is not None:
        rows = [person for person in uow.ahead.staff if team_id in (None, person.team_id)]
    else:
        query = select(Staff).where(Staff.active.is_(True)).order_by(Staff.number)
        rows = await uow.session.scalars(query.where(Staff.team_id == team_id) if team_id else query)
    return [person for person in rows if person.absent_until is None or person.absent_until <= now]
