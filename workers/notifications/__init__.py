"""Whom to tell what, by which channel: rows are written here, in the transaction of the fact they tell of."""

from workers.delivery.digests import DIGEST
from workers.notifications.digests import notify_gathered
from workers.notifications.facts import house_facts, staff_ticket_facts, ticket_facts
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
    "DIGEST",
    "Notice",
    "Recipient",
    "address_hash",
    "cancel",
    "chat_recipient",
    "customer_recipient",
    "house_facts",
    "notify",
    "notify_gathered",
    "staff_recipient",
    "staff_ticket_facts",
    "ticket_facts",
]
