"""Customers by their contacts; a stranger becomes one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, select

from models.base import new_id
from models.people import Customer
from models.vocabulary import Medium
from workers.directory.contacts import normal_email, normal_phone, region_of
from workers.errors import InvalidInput, NotFound
from workers.text import mask_contact, mask_name
from workers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Contact:
    """How a customer reached us: a mail address, a phone number, or the code of an existing customer."""

    email: str | None = None
    phone: str | None = None
    name: str | None = None
    code: str | None = None
    locale: str | None = None
    group: str | None = None
    level: str | None = None
    industry: str | None = None
    preferred_channel: Medium | None = None


async def find_or_make_customer(uow: UnitOfWork, contact: Contact) -> Customer:
    """The customer with this code, address or number; a new one when there is none.

    Safe when two processes meet the same stranger at once: the keyed hash is unique, the loser reads the
    winner's row. Raises InvalidInput for a malformed contact, NotFound for an unknown code.
    """
    if contact.code:
        known = await uow.session.scalar(_held(select(Customer).where(Customer.code == contact.code)))
        if known is None or known.erased_at is not None:
            raise NotFound(f"there is no customer {contact.code}")
        return await as_merged(uow, known)
    region = region_of(uow.settings.timezone)
    email = normal_email(contact.email) if contact.email else None
    phone = normal_phone(contact.phone, region) if contact.phone else None
    if not email and not phone:
        raise InvalidInput("a customer needs a mail address, a phone number or a customer code")
    return await _find(uow, email, phone) or await _make(uow, contact, email, phone)


async def _find(uow: UnitOfWork, email: str | None, phone: str | None) -> Customer | None:
    hashes = []
    if email and not phone and uow.ahead is not None:
        hashed = uow.vault.lookup("email", email)
        if hashed in uow.ahead.customers:
            return uow.ahead.customers[hashed]
        if uow.lacks("customers", [hashed]):
            return None
    if email:
        hashes.append(Customer.email_hash == uow.vault.lookup("email", email))
    if phone:
        hashes.append(Customer.phone_hash == uow.vault.lookup("phone", phone))
    for condition in hashes:
        known = await uow.session.scalar(_held(select(Customer).where(condition)))
        if known is not None:
            return await as_merged(uow, known)
    return None


def _held(query: Select[Customer]) -> Select[Customer]:
    """The customer cannot be erased before this transaction has ended (FOR KEY SHARE; see
    `workers.privacy.erasing`): what is sealed meanwhile is sealed under a key that lives.
    """
    return query.with_for_update(read=True, key_share=True)


async def as_merged(uow: UnitOfWork, customer: Customer) -> Customer:
    """The customer that this one was merged into; itself if it was not."""
    if customer.merged_into_id is None:
        return customer
    return await uow.session.get_one(Customer, customer.merged_into_id)


async def writes_from(uow: UnitOfWork, customer: Customer, address: str) -> bool:
    """Whether this mail address is the customer's, or of one who was merged into them."""
    try:
        hashed = uow.vault.lookup("email", normal_email(address))
    except InvalidInput:
        return False
    if customer.email_hash == hashed:
        return True
    merged = select(Customer.id).where(Customer.email_hash == hashed, Customer.merged_into_id == customer.id)
    return await uow.session.scalar(merged) is not None


async def _make(uow: UnitOfWork, contact: Contact, email: str | None, phone: str | None) -> Customer:
    key, sealer = uow.vault.fresh_key()
    uow.add_later(key)
    now = uow.clock.now()
    month = uow.policy.calendar.local_date(now).strftime("%Y%m")
    row = Customer(
        id=new_id(),
        code=await uow.draw_number(f"C{month}", 3),
        data_key_id=key.id,
        created_at=now,
        name_sealed=sealer.seal(contact.name, "customers.name") if contact.name else None,
        email_sealed=sealer.seal(email, "customers.email") if email else None,
        email_hash=uow.vault.lookup("email", email) if email else None,
        phone_sealed=sealer.seal(phone, "customers.phone") if phone else None,
        phone_hash=uow.vault.lookup("phone", phone) if phone else None,
        masked=_masked(contact.name, email, phone),
        locale=contact.locale,
        customer_group=contact.group,
        level=contact.level,
        industry=contact.industry,
        preferred_channel=contact.preferred_channel,
    )
    if await uow.insert_new(row):
        return row
    known = await _find(uow, email, phone)
    if known is None:
        raise InvalidInput("this address and this number belong to two different customers")
    return known


def _masked(name: str | None, email: str | None, phone: str | None) -> str:
    """What people see of a customer: the masked name where known, and the contact's last part."""
    shown = mask_name(name) if name else ""
    contact = mask_contact(phone or email or "")
    return f"{shown} {contact}".strip()[:64]
