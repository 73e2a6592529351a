"""首问负责制 (row E5): what the team that a ticket came to first hears of it."""

from __future__ import annotations

from collections.abc import Mapping

from models.people import Staff
from models.tickets import Ticket
from workers import escalations
from workers.notifications import Notice, notify, staff_recipient, staff_ticket_facts
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork


async def tell_owners(uow: UnitOfWork, ticket: Ticket, by: Staff, result: Mapping[str, str]) -> None:
    """Another team has given the result: the first one, which stays responsible, hears of it."""
    people = [person for person in await escalations.owners(uow, ticket) if person.id != by.id]
    if not people:
        return
    now = uow.clock.now()
    facts = {**await staff_ticket_facts(uow, ticket), "handler": by.name, "resolved_at": now.isoformat()}
    facts |= {name: mask_free_text(result[name]) for name in ("cause", "solution")}
    notice = Notice(
        kind="resolved_elsewhere",
        fact=ticket.id.hex,
        ticket=ticket,
        generation=ticket.opening,
        facts=facts,
    )
    for person in people:
        await notify(uow, staff_recipient(uow, person), notice)
