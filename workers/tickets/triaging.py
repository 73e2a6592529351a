"""The short triage: a person confirms what intake took a request for, before its result is given (row B2)."""

from __future__ import annotations

from typing import Any

from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import Category, Priority
from workers.core_fields import missing_core
from workers.errors import Conflict
from workers.policy.triage_parts import CONFIRMED, Act
from workers.tickets.assigning import triage
from workers.unit_of_work import UnitOfWork


class NeedsTriage(Conflict):
    """No result can be given yet: `missing` are the core fields that lack, labels of the group `missing`."""

    def __init__(self, number: str, missing: list[str]) -> None:
        super().__init__(
            f"ticket {number} has to be completed before its result is given: {', '.join(missing)}",
            hint="triage it: PATCH the ticket, fill in its page, or write #priority and #category",
        )
        self.missing = missing


def to_look_over(uow: UnitOfWork, ticket: Ticket) -> bool:
    """Whether whoever acts on it next is asked for category and priority: nobody has confirmed them."""
    return ticket.triaged_at is None and any(name in CONFIRMED for name in uow.policy.triage.fields)


async def look_over(
    uow: UnitOfWork,
    ticket: Ticket,
    by: Staff,
    act: Act,
    *,
    priority: Priority | None = None,
    category: Category | None = None,
) -> dict[str, Any]:
    """Category and priority as this act of a person corrects them, or takes them as they stand where the
    policy lets it; gives the facts of that for the log: nothing where they were confirmed before.
    """
    if priority is not None or category is not None:
        changes = (priority or ticket.priority, category or ticket.category)
        if ticket.triaged_at is None or changes != (ticket.priority, ticket.category):
            await triage(uow, ticket, by, priority=priority, category=category)
    if ticket.triaged_at is not None or act not in uow.policy.triage.confirmed_by:
        return {}
    ticket.triaged_at = uow.clock.now()
    return {"as_it_stands": {"priority": ticket.priority.value, "category": ticket.category.value}}


async def must_be_complete(uow: UnitOfWork, ticket: Ticket) -> None:
    """Raises NeedsTriage where a core field is not complete."""
    missing = missing_core(uow.policy, ticket, await uow.session.get_one(Customer, ticket.customer_id))
    if missing:
        raise NeedsTriage(ticket.number, missing)
