"""What a mail about a breach says."""

from __future__ import annotations

from uuid import UUID

from models.deadlines import Deadline
from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket
from workers.escalations.telling import Telling, iso, link
from workers.unit_of_work import UnitOfWork

CASE_HOURS = 24 * 30


async def breach_telling(
    uow: UnitOfWork, ticket: Ticket, row: Deadline, level: int, rung: int = 0
) -> Telling:
    """What is told of the breach of `row` at a level of its ladder; a follow-up's has words of its own."""
    limit = row.limit_at or uow.clock.now()
    late = {"level": level, "overdue_seconds": int((uow.clock.now() - limit).total_seconds())}
    links = {"acknowledge": link("acknowledge", ticket.id, single_use=False)}
    if row.followup_id is not None:
        owner = await _owner_name(uow, row.followup_id)
        links["case"] = link("followup", row.followup_id, hours=CASE_HOURS, single_use=False)
        return Telling("followup_overdue", rung, {**late, "start_by": iso(limit), "owner": owner}, links)
    handler = await uow.the(Staff, ticket.handler_id) if ticket.handler_id else None
    facts = {"clock": row.kind.value, "limit_at": iso(limit), "handler": handler.name if handler else ""}
    return Telling("breach", rung, {**late, **facts}, links)


async def _owner_name(uow: UnitOfWork, followup_id: UUID) -> str:
    followup = await uow.session.get_one(Followup, followup_id)
    owner = await uow.session.get(Staff, followup.owner_id) if followup.owner_id else None
    return owner.name if owner else ""
