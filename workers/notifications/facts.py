"""What templates are told about a ticket: the same shape in every message."""

from __future__ import annotations

import json
from typing import Any

from models.people import Customer, Team
from models.tickets import Ticket
from workers.directory import policy_for
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork

EXCERPT = 2_000


async def ticket_facts(uow: UnitOfWork, ticket: Ticket, *, masked: bool = False) -> dict[str, Any]:
    """Facts of a ticket for its customer, or with `masked` for anybody else; times are ISO 8601 in UTC."""
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    customer = await uow.the(Customer, ticket.customer_id)
    team = await uow.the(Team, ticket.team_id) if ticket.team_id else None
    subject = sealer.text(ticket.subject_sealed, "tickets.subject")
    description = sealer.text(ticket.description_sealed, "tickets.description")[:EXCERPT]
    if masked:
        subject, description = mask_free_text(subject), mask_free_text(description)
    facts: dict[str, Any] = {
        "zone": uow.settings.timezone,
        "team": {
            "name": _team_title(uow, team, uow.settings.locale)
            if masked
            else _signed_as(uow, team, ticket.locale),
            "hours": (await policy_for(uow, ticket)).calendar.hours_text(ticket.locale),
            "address": uow.settings.mail_from,
        },
        "ticket": {
            "number": ticket.number,
            "subject": subject,
            "customer": customer.masked or customer.code,
            "priority": ticket.priority.value,
            "category": ticket.category.value,
            "state": ticket.state.value,
            "received_at": ticket.received_at.isoformat(),
            "description": description,
        },
    }
    if not masked and ticket.thread_sealed:
        facts["thread"] = json.loads(sealer.text(ticket.thread_sealed, "tickets.thread"))
    return facts


def _signed_as(uow: UnitOfWork, team: Team | None, locale: str) -> str:
    """How a message is signed: with the name in front of mails, without one as the policy calls the team."""
    return uow.settings.mail_from_name or _team_title(uow, team, locale)


def _team_title(uow: UnitOfWork, team: Team | None, locale: str) -> str:
    """What the policy calls the team (none: the default one) in that language; else its code."""
    name = team.name if team else uow.policy.default_team
    title = uow.policy.teams.get(name)
    return title.for_locale(locale) if title else name


def house_facts(uow: UnitOfWork, locale: str) -> dict[str, Any]:
    """Facts of a message that belongs to no ticket: the team's zone, name, hours and address."""
    return {
        "zone": uow.settings.timezone,
        "team": {
            "name": _signed_as(uow, None, locale),
            "hours": uow.policy.calendar.hours_text(locale),
            "address": uow.settings.mail_from,
        },
    }


async def staff_ticket_facts(uow: UnitOfWork, ticket: Ticket) -> dict[str, Any]:
    """Facts of a ticket for staff: the customer only as a mask, free text masked too (row A2)."""
    return await ticket_facts(uow, ticket, masked=True)
