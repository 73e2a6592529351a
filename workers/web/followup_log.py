"""The lines of a case's log as its page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select

from models.crypto import Erased
from models.surveys import Followup
from models.tickets import Ticket, TicketEntry
from workers.directory import known_names
from workers.text import ERASED, mask_free_text
from workers.unit_of_work import UnitOfWork

MOST_LINES = 30
SPOKEN = ("text", "suggestions", "measure", "note", "review_report")
"""Words of a line of the log that the page shows."""


async def log_lines(
    uow: UnitOfWork, followup: Followup, ticket: Ticket, staff: Mapping[UUID, str], *, hidden: bool
) -> list[dict[str, str]]:
    """The newest lines of a case, oldest first; without their words where these are `hidden`."""
    rows = await uow.session.scalars(
        select(TicketEntry)
        .where(TicketEntry.followup_id == followup.id)
        .order_by(TicketEntry.id.desc())
        .limit(MOST_LINES)
    )
    lines = []
    for row in rows:
        words = "" if hidden else await _words(uow, ticket, row)
        by = staff.get(row.staff_id, "") if row.staff_id else uow.settings.mail_from_name or ""
        lines.append({"at": row.at.isoformat(), "by": by, "kind": row.kind, "text": words})
    return lines[::-1]


async def _words(uow: UnitOfWork, ticket: Ticket, row: TicketEntry) -> str:
    if row.words_sealed is None:
        return ""
    try:
        sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    except Erased:
        return ERASED
    said = sealer.json(row.words_sealed, "ticket_entries.words")
    names = await known_names(uow, ticket.customer_id)
    return "\n".join(mask_free_text(str(said[part]), names=names) for part in SPOKEN if said.get(part))
