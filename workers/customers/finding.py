"""Which customers are meant: by contact (keyed hash), order number, group, level; and who may see which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select

from models.people import Customer, CustomerOrder, Staff
from models.tickets import Ticket
from models.vocabulary import Medium, Role
from workers.directory import normal_email, normal_phone, region_of
from workers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What all of the wanted customers have. `contact` is a full mail address or phone number, `order` an
    order number of theirs or of one of their tickets. Those merged into others are left out unless `merged`.
    """

    contact: str | None = None
    order: str | None = None
    group: str | None = None
    level: str | None = None
    industry: str | None = None
    preferred_channel: Medium | None = None
    merged: bool = False


def matching(uow: UnitOfWork, wanted: Wanted, person: Staff | None) -> Select[Customer]:
    """The query, unordered. An agent sees those whose tickets they handle (row A11); None sees all.

    Raises InvalidInput for a contact that is none.
    """
    query = select(Customer).where(_seen(person))
    if not wanted.merged:
        query = query.where(Customer.merged_into_id.is_(None))
    for column, value in (
        (Customer.customer_group, wanted.group),
        (Customer.level, wanted.level),
        (Customer.industry, wanted.industry),
        (Customer.preferred_channel, wanted.preferred_channel),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.contact is not None:
        query = query.where(Customer.id.in_(_by_contact(uow, wanted.contact)))
    if wanted.order is not None:
        number = wanted.order.strip()
        entered = select(CustomerOrder.customer_id).where(CustomerOrder.order_number == number)
        asked = select(Ticket.customer_id).where(Ticket.order_number == number)
        query = query.where(or_(Customer.id.in_(entered), Customer.id.in_(asked)))
    return query


def _seen(person: Staff | None) -> ColumnElement[bool]:
    if person is None or person.role is not Role.AGENT:
        return Customer.id.is_not(None)
    return Customer.id.in_(select(Ticket.customer_id).where(Ticket.handler_id == person.id))


def _by_contact(uow: UnitOfWork, contact: str) -> Select[Any]:
    """The customer with this contact, or whom that one was merged into."""
    if "@" in contact:
        found = Customer.email_hash == uow.vault.lookup("email", normal_email(contact.strip()))
    else:
        number = normal_phone(contact.strip(), region_of(uow.settings.timezone))
        found = Customer.phone_hash == uow.vault.lookup("phone", number)
    return select(func.coalesce(Customer.merged_into_id, Customer.id)).where(found)
