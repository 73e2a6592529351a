"""What triage completes: further categories, background, when it began (rows B2, B3)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Category
from workers.history import record
from workers.tickets.loading import must_be_open
from workers.unit_of_work import UnitOfWork


async def complete(
    uow: UnitOfWork,
    ticket: Ticket,
    by: Staff,
    *,
    further: Sequence[Category] | None = None,
    occurred_at: datetime | None = None,
    background: str | None = None,
) -> bool:
    """Write down what a person found out; None leaves a field as it is. Gives whether that changed anything.

    `further` are all further categories from now on (row B3), without the primary one. Raises Conflict once
    the result has been given and confirmed.
    """
    must_be_open(ticket)
    changed = []
    known = list(ticket.further_categories or [])
    named = known if further is None else further
    wanted = [each.value for each in Category if each in named and each is not ticket.category]
    if wanted != known:
        ticket.further_categories = wanted
        changed.append("further_categories")
    if occurred_at is not None and occurred_at != ticket.occurred_at:
        ticket.occurred_at = occurred_at
        changed.append("occurred_at")
    if background is not None and await _put(uow, ticket, background):
        changed.append("background")
    if changed:
        facts = {"fields": changed, "further": list(ticket.further_categories or [])}
        await record(uow, ticket, "completed", by=by, facts=facts)
    return bool(changed)


async def _put(uow: UnitOfWork, ticket: Ticket, background: str) -> bool:
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    if background == sealer.text(ticket.background_sealed, "tickets.background"):
        return False
    ticket.background_sealed = sealer.seal(background, "tickets.background") if background else None
    return True
