"""What the customer said of a result on the phone, logged by whoever rang up: solved or not, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from models.links import Link
from models.people import Staff
from models.tickets import Ticket
from workers import links, tickets
from workers.errors import NotFound
from workers.notifications import staff_ticket_facts
from workers.unit_of_work import UnitOfWork
from workers.web.pages import own_url, page
from workers.web.parts import WebParts

PURPOSE = "confirmation"
CONFIRMED, NOT_RESOLVED = "confirmed", "not_resolved"
CHOICES = (CONFIRMED, NOT_RESOLVED, *tickets.Unconfirmed)
GONE = 410
LONGEST_NOTE = 2_000


async def show(uow: UnitOfWork, request: Request, link: Link, person: Staff) -> Response:
    """The ticket and what can be logged of its result. Nothing is written, however often it is opened."""
    ticket = await tickets.ticket_by_id(uow, _ticket(link), hold=False)
    if _over(uow, link, ticket):
        return _done(request, person, ticket, "over", status=GONE)
    facts = await _facts(uow, request, ticket, {}, {})
    return page(request, "outcome", facts, locale=person.locale)


async def act(
    parts: WebParts, request: Request, link: Link, person: Staff, given: Mapping[str, str]
) -> Response:
    """Log it, as often as the answer changes while the ticket waits for a confirmation."""
    choice, note = given.get("outcome", ""), given.get("note", "").strip()
    errors = _mistakes(choice, note)
    async with parts.workshop.begin() as uow:
        ticket = await tickets.ticket_by_id(uow, _ticket(link))
        if _over(uow, link, ticket):
            return _done(request, person, ticket, "over", status=GONE)
        if errors:
            facts = await _facts(uow, request, ticket, given, errors)
            return page(request, "outcome", facts, locale=person.locale, status=422)
        by = await uow.session.get_one(Staff, person.id)
        if choice in (CONFIRMED, NOT_RESOLVED):
            solved = choice == CONFIRMED
            await tickets.confirm(uow, ticket, solved=solved, by="customer", staff=by, note=note)
            return _done(request, person, ticket, choice)
        await tickets.note_unconfirmed(uow, ticket, by, tickets.Unconfirmed(choice), note)
    return _done(request, person, ticket, "unconfirmed")


def _mistakes(choice: str, note: str) -> dict[str, str]:
    errors = {} if choice in CHOICES else {"outcome": "required"}
    if len(note) > LONGEST_NOTE:
        errors["note"] = "too_long"
    elif not note and choice == tickets.Unconfirmed.OTHER:
        errors["note"] = "required_text"
    return errors


def _over(uow: UnitOfWork, link: Link, ticket: Ticket) -> bool:
    """Whether the link's time is up, or the result it was made for is confirmed, rejected or given up."""
    try:
        links.check(uow, link)
    except links.LinkExpired:
        return True
    given_later = ticket.resolved_at is not None and ticket.resolved_at > link.created_at
    return given_later or not tickets.waits_for_confirmation(ticket)


def _ticket(link: Link) -> UUID:
    if link.ticket_id is None:
        raise NotFound("this link belongs to no ticket")
    return link.ticket_id


def _done(request: Request, person: Staff, ticket: Ticket, result: str, *, status: int = 200) -> Response:
    facts = {"result": result, "ticket_number": ticket.number}
    return page(request, "outcome_done", facts, locale=person.locale, status=status)


async def _facts(
    uow: UnitOfWork, request: Request, ticket: Ticket, given: Mapping[str, str], errors: Mapping[str, str]
) -> dict[str, Any]:
    known = await staff_ticket_facts(uow, ticket)
    until = await tickets.confirm_until(uow, ticket)
    return {
        "ticket": known["ticket"],
        "outcome": given.get("outcome") or ticket.unconfirmed_reason or "",
        "reasons": [each.value for each in tickets.Unconfirmed],
        "note": given.get("note", ""),
        "until": until.isoformat() if until else None,
        "errors": errors,
        "action_url": own_url(request),
    }
