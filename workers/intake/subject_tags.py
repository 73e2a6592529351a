"""Answers where no plus address can be had: a short signed tag in the subject, and who the answer is from."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from models.links import Link
from models.people import Customer
from models.tickets import Ticket
from workers.delivery.identity import TAG, subject_tag
from workers.directory import staff_by_email, writes_from
from workers.intake.mail import InboundMail
from workers.links import reply_token
from workers.unit_of_work import UnitOfWork


async def tagged_link(uow: UnitOfWork, mail: InboundMail) -> Link | None:
    """The reply link that a subject's tag stands for, if it was given to whom the mail is from.

    A tag is short, and subjects are quoted and passed on: with any other sender it counts for nothing.
    """
    for found in TAG.finditer(mail.subject[:500]):
        ticket = await uow.session.scalar(select(Ticket).where(Ticket.number == found["number"].upper()))
        if ticket is None:
            continue
        for person in await _senders(uow, ticket, mail.from_email):
            if subject_tag(uow.vault, ticket.id, person) == found["tag"].lower():
                return await _link(uow, ticket, person)
    return None


async def _senders(uow: UnitOfWork, ticket: Ticket, address: str) -> list[UUID]:
    """Who of those that take part in the ticket, or may, writes from this address."""
    people = []
    colleague = await staff_by_email(uow, address)
    if colleague is not None:
        people.append(colleague.id)
    customer = await uow.session.get_one(Customer, ticket.customer_id)
    if await writes_from(uow, customer, address):
        people.append(customer.id)
    return people


async def _link(uow: UnitOfWork, ticket: Ticket, person: UUID) -> Link | None:
    token = reply_token(uow.vault, ticket.id, person)
    hashed = uow.vault.token_hash(token)
    return await uow.session.scalar(select(Link).where(Link.token_hash == hashed, Link.purpose == "reply"))
