"""Enter a customer and change what is known of one; open tickets follow a new level or group."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import select

from models.crypto import Erased
from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import Medium, TicketState
from workers.customers.story import normal_orders, note, set_orders
from workers.directory import Contact, find_or_make_customer, normal_email, normal_phone, region_of
from workers.errors import Conflict, InvalidInput, NotFound
from workers.locks import held
from workers.text import mask_contact, mask_name, one_line
from workers.tickets import follow_case
from workers.unit_of_work import UnitOfWork

LOCALES = ("en", "zh_CN")
LONGEST = {"name": 64, "group": 24, "level": 24, "industry": 64}
JUDGED_BY = frozenset({"level", "group"})
"""What limits and assignment may depend on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerGiven:
    """What is said of a customer; `orders` are order numbers."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    group: str | None = None
    level: str | None = None
    industry: str | None = None
    preferred_channel: Medium | None = None
    locale: str | None = None
    orders: tuple[str, ...] = ()


FIELDS = tuple(each.name for each in fields(CustomerGiven))


def checked(uow: UnitOfWork, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given fields in the one spelling in which they are kept. Raises InvalidInput."""
    if unknown := set(given) - set(FIELDS):
        raise InvalidInput(f"unknown fields of a customer: {', '.join(sorted(unknown))}")
    kept: dict[str, Any] = {}
    for name, value in given.items():
        if name == "email":
            kept[name] = normal_email(value.strip()) if value else None
        elif name == "phone":
            kept[name] = normal_phone(value.strip(), region_of(uow.settings.timezone)) if value else None
        elif name == "preferred_channel":
            kept[name] = Medium(value) if value else None
        elif name == "orders":
            kept[name] = normal_orders(value or ())
        elif name == "locale":
            if value and value not in LOCALES:
                raise InvalidInput("this language is not spoken here", hint=" or ".join(LOCALES))
            kept[name] = value or None
        else:
            kept[name] = _words(name, value)
    return kept


def _words(name: str, value: str | None) -> str | None:
    text = one_line(value or "").strip()
    if len(text) > LONGEST[name]:
        raise InvalidInput(f"a customer's {name} has at most {LONGEST[name]} characters")
    return text or None


async def add_customer(uow: UnitOfWork, given: CustomerGiven, by: Staff | None) -> Customer:
    """Enter a customer. Raises InvalidInput, Conflict for a contact or order number of another one."""
    kept = checked(uow, {name: getattr(given, name) for name in FIELDS})
    if not kept["email"] and not kept["phone"]:
        raise InvalidInput("a customer needs a mail address or a phone number")
    for kind in ("email", "phone"):
        await _must_be_free(uow, kind, kept[kind], None)
    orders = kept.pop("orders")
    row = await find_or_make_customer(uow, Contact(**kept))
    await set_orders(uow, row, orders, only_add=True)
    await note(uow, row, "added", by, {"fields": sorted(name for name, value in kept.items() if value)})
    return row


async def customer_by_code(uow: UnitOfWork, code: str, *, hold: bool = False) -> Customer:
    """The customer with this code, merged or not. Raises NotFound. With `hold` the open tickets are locked
    and then the customer, in the order in which everybody does.
    """
    query = select(Customer).where(Customer.code == code.strip().upper()[:24])
    row = await uow.session.scalar(query)
    if row is None:
        raise NotFound(f"there is no customer {code[:24]}", hint="codes look like C202405001")
    if hold:
        await open_tickets(uow, [row])
        await uow.session.refresh(row, with_for_update=True)
        await must_be_known(uow, row)
    return row


async def must_be_known(uow: UnitOfWork, row: Customer) -> None:
    """Raises Conflict for a customer who was erased."""
    try:
        await uow.vault.sealer(uow.session, row.data_key_id)
    except Erased as error:
        raise Conflict("this customer was erased", hint="nothing is known of them any more") from error


async def open_tickets(uow: UnitOfWork, customers: Collection[Customer]) -> list[Ticket]:
    """The tickets of these customers that are not closed, locked in order."""
    ids = [customer.id for customer in customers]
    query = select(Ticket).where(Ticket.customer_id.in_(ids), Ticket.state != TicketState.CLOSED)
    found = await uow.session.scalars(
        held(query.order_by(Ticket.id)).execution_options(populate_existing=True)
    )
    return list(found)


async def change_customer(
    uow: UnitOfWork, row: Customer, given: Mapping[str, Any], by: Staff | None, *, only_add: bool = False
) -> tuple[str, ...]:
    """Change what is named in `given` (names of `CustomerGiven`); gives the fields that are other now.

    The caller holds the customer (`customer_by_code`). `only_add`: order numbers are added to those known.
    A new level or group re-plans the clocks of open tickets, whose logs say why. Raises InvalidInput for
    a customer without contact, Conflict for one that was merged, or a contact of another customer.
    """
    kept = checked(uow, given)
    must_stand(row)
    tickets = await open_tickets(uow, [row]) if JUDGED_BY & kept.keys() else []
    changed = [name for name, value in kept.items() if name != "orders" and await _set(uow, row, name, value)]
    if row.email_hash is None and row.phone_hash is None:
        raise InvalidInput("a customer needs a mail address or a phone number")
    if "orders" in kept and await set_orders(uow, row, kept["orders"], only_add=only_add):
        changed.append("orders")
    if not changed:
        return ()
    if {"name", "email", "phone"} & set(changed):
        await remask(uow, row)
    await uow.session.flush()
    await note(uow, row, "changed", by, {"fields": sorted(changed)})
    for ticket in tickets if JUDGED_BY & set(changed) else []:
        await follow_case(uow, ticket, "customer_level" if "level" in changed else "customer_group")
    return tuple(changed)


def must_stand(row: Customer) -> None:
    """Raises Conflict for a customer that was merged into another one."""
    if row.merged_into_id is not None:
        raise Conflict("this customer was merged into another one", hint="change that one, or undo it")


async def _set(uow: UnitOfWork, row: Customer, name: str, value: Any) -> bool:
    if name in ("email", "phone"):
        return await _set_contact(uow, row, name, value)
    if name == "name":
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
        if sealer.text(row.name_sealed, "customers.name") == (value or ""):
            return False
        row.name_sealed = sealer.seal(value, "customers.name") if value else None
        return True
    column = "customer_group" if name == "group" else name
    if getattr(row, column) == value:
        return False
    setattr(row, column, value)
    return True


async def _set_contact(uow: UnitOfWork, row: Customer, kind: str, value: str | None) -> bool:
    hashed = uow.vault.lookup(kind, value) if value else None
    if getattr(row, f"{kind}_hash") == hashed:
        return False
    await _must_be_free(uow, kind, value, row)
    sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    setattr(row, f"{kind}_sealed", sealer.seal(value, f"customers.{kind}") if value else None)
    setattr(row, f"{kind}_hash", hashed)
    return True


async def _must_be_free(uow: UnitOfWork, kind: str, value: str | None, but: Customer | None) -> None:
    if not value:
        return
    column = Customer.email_hash if kind == "email" else Customer.phone_hash
    known = await uow.session.scalar(select(Customer).where(column == uow.vault.lookup(kind, value)))
    if known is not None and (but is None or known.id != but.id):
        what = "mail address" if kind == "email" else "phone number"
        raise Conflict(f"customer {known.code} has this {what}", hint="change or merge that one")


async def remask(uow: UnitOfWork, row: Customer) -> None:
    """What people see of the customer, made anew: the masked name, and the contact's last part."""
    sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    name = sealer.text(row.name_sealed, "customers.name")
    contact = sealer.text(row.phone_sealed, "customers.phone") or sealer.text(
        row.email_sealed, "customers.email"
    )
    row.masked = f"{mask_name(name) if name else ''} {mask_contact(contact)}".strip()[:64]
