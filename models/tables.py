"""All table families, so that `Base.metadata` is complete wherever the schema itself is worked on."""

from models import (
    access,
    communications,
    deadlines,
    improving,
    intake,
    keeping,
    keys,
    knowledge,
    links,
    mailboxes,
    notifications,
    people,
    privacy,
    search,
    surveys,
    tickets,
    webhooks,
)
from models.base import Base

__all__ = [
    "Base",
    "access",
    "communications",
    "deadlines",
    "improving",
    "intake",
    "keeping",
    "keys",
    "knowledge",
    "links",
    "mailboxes",
    "notifications",
    "people",
    "privacy",
    "search",
    "surveys",
    "tickets",
    "webhooks",
]
