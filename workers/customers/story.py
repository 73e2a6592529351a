"""A customer's order numbers, and the lines of their history."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import delete, select

from models.base import new_id
from models.people import Customer, CustomerChange, CustomerOrder, Staff
from workers.errors import Conflict, InvalidInput
from workers.text import one_line
from workers.unit_of_work import UnitOfWork

LONGEST_ORDER = 64
MOST_ORDERS = 1_000
MOST_LINES = 50


async def note(uow: UnitOfWork, customer: Customer, kind: str, by: Staff | None, facts: Any) -> None:
    """One line of the history, and a new version. `facts`: codes and names of fields, never contacts."""
    customer.version = (customer.version or 1) + 1
    line = CustomerChange(
        id=new_id(),
        customer_id=customer.id,
        at=uow.clock.now(),
        kind=kind,
        staff_id=by.id if by else None,
        facts=facts,
    )
    await uow.add(line)


async def story_of(uow: UnitOfWork, customer: Customer) -> Sequence[tuple[CustomerChange, str | None]]:
    """The newest lines, each with the number of the member of staff who did it (None: a system)."""
    found = await uow.session.execute(
        select(CustomerChange, Staff.number)
        .outerjoin(Staff, Staff.id == CustomerChange.staff_id)
        .where(CustomerChange.customer_id == customer.id)
        .order_by(CustomerChange.id.desc())
        .limit(MOST_LINES)
    )
    return [(row[0], row[1]) for row in found]


async def orders_of(uow: UnitOfWork, customer: Customer) -> list[str]:
    """Their order numbers, sorted."""
    found = await uow.session.scalars(
        select(CustomerOrder.order_number)
        .where(CustomerOrder.customer_id == customer.id)
        .order_by(CustomerOrder.order_number)
    )
    return list(found)


def normal_orders(numbers: Collection[str]) -> set[str]:
    """Order numbers as they are kept. Raises InvalidInput for one that is too long, or too many."""
    kept = {one_line(number).strip() for number in numbers} - {""}
    if any(len(number) > LONGEST_ORDER for number in kept):
        raise InvalidInput(f"an order number has at most {LONGEST_ORDER} characters")
    if len(kept) > MOST_ORDERS:
        raise InvalidInput(f"a customer has at most {MOST_ORDERS} order numbers")
    return kept


async def set_orders(uow: UnitOfWork, customer: Customer, wanted: set[str], *, only_add: bool) -> bool:
    """Give the customer these order numbers; without `only_add` others are taken away. Whether it changed.

    Raises Conflict when another customer has one of them.
    """
    known = set(await orders_of(uow, customer))
    taken = await uow.session.scalar(
        select(CustomerOrder.order_number)
        .where(CustomerOrder.order_number.in_(wanted - known), CustomerOrder.customer_id != customer.id)
        .limit(1)
    )
    if taken is not None:
        raise Conflict("another customer has this order number", hint="look it up, and merge them if need be")
    gone = set() if only_add else known - wanted
    if gone:
        await uow.session.execute(delete(CustomerOrder).where(CustomerOrder.order_number.in_(gone)))
    for number in sorted(wanted - known):
        if not await uow.insert_new(CustomerOrder(order_number=number, customer_id=customer.id)):
            raise Conflict("another customer has this order number", hint="look it up")
    return bool(gone or wanted - known)
