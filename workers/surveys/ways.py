"""By which way somebody is asked: the first of a rule's order that leads to the customer."""

from __future__ import annotations

from collections.abc import Sequence

from models.people import Customer
from models.tickets import Ticket
from models.vocabulary import Medium
from workers.policy.asking_parts import Way
from workers.unit_of_work import UnitOfWork


async def way_to(uow: UnitOfWork, ticket: Ticket, ways: Sequence[Way]) -> Medium | None:
    """The first of `ways` by which the ticket's customer can be reached; None when none of them leads there.

    A person can always be told to ring up (`phone`), though the number may have to be found elsewhere.
    """
    if not ways:
        return None
    customer = await uow.the(Customer, ticket.customer_id)
    there = {
        Medium.EMAIL: customer.email_hash is not None,
        Medium.SMS: customer.phone_hash is not None,
        Medium.PHONE: True,
    }
    return next((Medium(way) for way in ways if there.get(Medium(way), False)), None)
