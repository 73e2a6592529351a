"""By which way somebody is asked: the first of a rule's order that leads to the customer, then the next."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from models.people import Customer
from models.tickets import Ticket
from models.vocabulary import Medium
from workers.policy.asking_parts import Way
from workers.unit_of_work import UnitOfWork
from workers.webhooks import can_push

FROM_APP: Sequence[Way] = ("push", "email", "sms")
"""The order for who prefers the app, where no rule names one."""


async def order_for(uow: UnitOfWork, ticket: Ticket, ways: Sequence[Way]) -> Sequence[Way]:
    """The order of ways: that of the rule, else that of who prefers the app; empty: none is laid down."""
    if ways:
        return ways
    customer = await uow.the(Customer, ticket.customer_id)
    return FROM_APP if customer.preferred_channel is Medium.PUSH else ()


async def way_to(
    uow: UnitOfWork, ticket: Ticket, order: Sequence[Way], used: Collection[Medium] = ()
) -> Medium | None:
    """The first of `order` by which the ticket's customer can be reached, those `used` left out; None when
    none of them leads there.

    A person can always be told to ring up (`phone`), though the number may have to be found elsewhere.
    """
    if not order:
        return None
    customer = await uow.the(Customer, ticket.customer_id)
    there = {
        Medium.EMAIL: customer.email_hash is not None,
        Medium.SMS: customer.phone_hash is not None,
        Medium.PUSH: "push" in order and await can_push(uow, customer, ticket.team_id),
        Medium.PHONE: True,
    }
    ways = (Medium(way) for way in order)
    return next((way for way in ways if way not in used and there.get(way, False)), None)
