"""What was solved before, for the mail that gives somebody a new ticket: looked up when it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import structlog

from models.notifications import Notification
from models.people import Staff
from models.tickets import Ticket
from workers.delivery.digests import Lines
from workers.search import similar, titles
from workers.unit_of_work import UnitOfWork, Workshop

ASSIGNMENT = "assignment"
MOST = 3
log = structlog.get_logger(__name__)


async def offers_of(workshop: Workshop, rows: Sequence[Notification]) -> dict[UUID, Lines]:
    """For each assignment among `rows` what is like its ticket. A look-up that fails keeps no mail back."""
    found: dict[UUID, Lines] = {}
    for row in rows:
        if row.kind != ASSIGNMENT or row.ticket_id is None or row.staff_id is None:
            continue
        try:
            async with workshop.read() as uow:
                found[row.id] = await _offer(uow, row, row.ticket_id, row.staff_id)
        except Exception:
            log.exception("no_offers", notification=str(row.id))
    return found


async def _offer(uow: UnitOfWork, row: Notification, ticket_id: UUID, staff_id: UUID) -> Lines:
    ticket = await uow.session.get_one(Ticket, ticket_id)
    reader = await uow.session.get_one(Staff, staff_id)
    alike = (await similar(uow, ticket, reader, MOST))[:MOST]
    told = await titles(uow, [each.found for each in alike], row.locale)
    lines = [
        {"number": told[each.found.subject_id][0], "title": told[each.found.subject_id][1]}
        for each in alike
        if each.found.subject_id in told
    ]
    public = uow.settings.public_url.rstrip("/")
    urls = {"similar": f"{public}/console/tickets/{ticket.number}"} if lines and public else {}
    return Lines({"similar": lines}, urls)
