"""The append-only log of a ticket: who did what when, with what words and evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from models.base import new_id
from models.people import Staff
from models.tickets import Ticket, TicketEntry
from workers import webhooks
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork


async def record(
    uow: UnitOfWork,
    ticket: Ticket,
    kind: str,
    *,
    by: Staff | None = None,
    actor: str | None = None,
    at: datetime | None = None,
    facts: dict[str, Any] | None = None,
    words: dict[str, str] | None = None,
    evidence: str | None = None,
    corrects: UUID | None = None,
    followup_id: UUID | None = None,
    notification_id: UUID | None = None,
) -> TicketEntry:
    """Append one line and raise the ticket's version.

    `by` is the member of staff who acted, else `actor` says who (`customer`, `system`; default system).
    `facts` may hold codes, ids and times only: what people wrote goes into `words`, which is sealed.
    `evidence` names a call record or message: it stands in clear, so contacts in it are masked.
    `at` (default now) is when it happened; a correction names the line it corrects.
    """
    sealed = None
    if words:
        sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
        sealed = sealer.seal_json(words, "ticket_entries.words")
        uow.words_changed("ticket", ticket.id)
    entry = TicketEntry(
        id=new_id(),
        ticket_id=ticket.id,
        followup_id=followup_id,
        at=at or uow.clock.now(),
        kind=kind,
        actor="staff" if by else (actor or "system"),
        staff_id=by.id if by else None,
        facts=facts or {},
        words_sealed=sealed,
        evidence=mask_free_text(evidence) if evidence else None,
        corrects_id=corrects,
        notification_id=notification_id,
    )
    uow.add_later(entry)
    ticket.version += 1
    webhooks.note(uow, ticket, entry)
    return entry
