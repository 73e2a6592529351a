"""Whether the core fields of a request are complete, as the policy in force asks (row B2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select

from models.people import Customer
from models.tickets import Ticket
from models.vocabulary import TicketState
from workers.policy import Policy
from workers.policy.triage_parts import CONFIRMED

WORKED_ON = (TicketState.TO_ASSIGN, TicketState.IN_PROGRESS)
"""While its result has not been given; what was resolved before is asked for nothing any more."""

_KNOWN: Mapping[str, Callable[[Ticket, Customer], Any]] = {
    "customer_name": lambda _, customer: customer.name_sealed,
    "industry": lambda _, customer: customer.industry,
    "category": lambda ticket, _: ticket.triaged_at,
    "priority": lambda ticket, _: ticket.triaged_at,
    "occurred_at": lambda ticket, _: ticket.occurred_at,
    "background": lambda ticket, _: ticket.background_sealed,
}


def missing_core(policy: Policy, ticket: Ticket, customer: Customer) -> list[str]:
    """The core fields that are not complete yet, in the order of the policy; none once it is resolved."""
    if ticket.state not in WORKED_ON:
        return []
    return [name for name in policy.triage.fields if not _KNOWN[name](ticket, customer)]


def lacks_core(policy: Policy) -> ColumnElement[bool]:
    """The same as a condition on tickets: those that a person still has to complete."""
    fields = policy.triage.fields
    unnamed = {"customer_name": Customer.name_sealed.is_(None), "industry": _blank(Customer.industry)}
    of_customer = [condition for name, condition in unnamed.items() if name in fields]
    lacking: list[ColumnElement[bool]] = []
    if any(name in fields for name in CONFIRMED):
        lacking.append(Ticket.triaged_at.is_(None))
    if "occurred_at" in fields:
        lacking.append(Ticket.occurred_at.is_(None))
    if "background" in fields:
        lacking.append(Ticket.background_sealed.is_(None))
    if of_customer:
        unknown = select(Customer.id).where(Customer.id == Ticket.customer_id, or_(*of_customer))
        lacking.append(unknown.correlate(Ticket).exists())
    return and_(Ticket.state.in_(WORKED_ON), or_(false(), *lacking))


def _blank(column: Any) -> ColumnElement[bool]:
    return or_(column.is_(None), column == "")
