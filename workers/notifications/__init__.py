"""Whom to tell what, by which channel: rows are written here, in the transaction of the fact they tell of."""

from workers.notifications.facts import staff_ticket_facts, ticket_facts
from workers.notifications.notice import CANCELLABLE, Notice, cancel, notify
from workers.notifications.recipients import (
    Recipient,
    address_hash,
    chat_recipient,
    customer_recipient,
    staff_recipient,
)

__all__ = [
    "CANCELLABLE",
    "Notice",
    "Recipient",
    "address_hash",
    "cancel",
    "chat_recipient",
    "customer_recipient",
    "notify",
    "staff_recipient",
    "staff_ticket_facts",
    "ticket_facts",
]
