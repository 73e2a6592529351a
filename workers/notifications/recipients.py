"""Who is written to: customers, staff, and the chat groups of teams."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import Medium
from workers.settings.chat import ChatGroup
from workers.unit_of_work import UnitOfWork
from workers.webhooks import account_of, can_push


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address on a channel, and whose it is: one of `staff_id` and `customer_id` is set, for a team's chat
    group neither.
    """

    address: str
    channel: Medium
    name: str
    locale: str
    staff_id: UUID | None = None
    customer_id: UUID | None = None

    @property
    def is_customer(self) -> bool:
        """Outsiders are held back in test mode, staff are not."""
        return self.customer_id is not None


def address_hash(uow: UnitOfWork, to: Recipient) -> bytes:
    """By what the ledger and the suppressions know this address."""
    kind = {Medium.SMS: "phone", Medium.CHAT: "chat", Medium.PUSH: "app"}.get(to.channel, "email")
    return uow.vault.lookup(kind, to.address)


def staff_recipient(uow: UnitOfWork, person: Staff) -> Recipient:
    """A member of staff, by mail, in their own language or the team's."""
    return Recipient(
        person.email, Medium.EMAIL, person.name, person.locale or uow.settings.locale, staff_id=person.id
    )


def chat_recipient(uow: UnitOfWork, group: ChatGroup) -> Recipient:
    """A team's chat group by its name: the URL with its token stays in the settings."""
    return Recipient(group.name, Medium.CHAT, group.name, uow.settings.locale)


async def customer_recipient(
    uow: UnitOfWork, ticket: Ticket, channel: Medium | None = None
) -> Recipient | None:
    """The ticket's customer on `channel`, or on what they prefer, or on the channel the request came by.

    Falls back to a written channel when there is no address for the wanted one; None when the
    customer can only be phoned (or the data was erased).
    """
    customer = await uow.the(Customer, ticket.customer_id)
    sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    email = sealer.text(customer.email_sealed, "customers.email")
    phone = sealer.text(customer.phone_sealed, "customers.phone")
    name = sealer.text(customer.name_sealed, "customers.name")
    wanted = channel or customer.preferred_channel or ticket.channel
    if wanted is Medium.PUSH and await can_push(uow, customer, ticket.team_id):
        account = await account_of(uow, customer)
        return Recipient(account, Medium.PUSH, name, ticket.locale, customer_id=customer.id)
    order = [Medium.SMS, Medium.EMAIL] if wanted is Medium.SMS else [Medium.EMAIL, Medium.SMS]
    addresses = {Medium.EMAIL: email, Medium.SMS: phone}
    for medium in order:
        if addresses[medium]:
            return Recipient(addresses[medium], medium, name, ticket.locale, customer_id=customer.id)
    return None
