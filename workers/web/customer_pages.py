"""What customers do by a link: confirm a result, say that it is not solved, want no more surveys."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.links import Link
from models.people import Customer
from models.tickets import Ticket, TicketEntry
from workers import links, tickets
from workers.errors import NotFound
from workers.notifications import ticket_facts
from workers.surveys import withdraw_consent
from workers.text import mask_contact
from workers.unit_of_work import UnitOfWork
from workers.web.pages import form_fields, own_url, page
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

ANSWERS = {"confirm": "confirmed", "not_resolved": "not_resolved"}
UNSUBSCRIBE = ("unsubscribe",)
GONE = 410
LONGEST_TEXT = 4_000


@router.api_route("/c/{token}", methods=["GET", "HEAD"])
async def show_result(request: Request, parts: Parts, token: str) -> Response:
    """The result that was given, with the two possible answers to it."""
    async with parts.workshop.read() as uow:
        link = await links.find(uow, token, ANSWERS)
        ticket = await _ticket_of(uow, link)
        settled = _settled(ticket)
        if settled:
            return _answered(request, ticket, settled)
        if _over(uow, link):
            return page(request, "error", {"code": "conflict"}, locale=ticket.locale, status=GONE)
        facts = await _result_facts(uow, request, ticket)
    return page(request, "confirm", facts, locale=ticket.locale)


@router.post("/c/{token}")
async def take_answer(request: Request, parts: Parts, token: str) -> Response:
    """Record the answer; the same answer twice changes nothing."""
    given = await form_fields(request)
    text = given.get("text", "").strip()
    async with parts.workshop.begin() as uow:
        link = await links.find(uow, token, ANSWERS, hold=True)
        ticket = await _ticket_of(uow, link, hold=True)
        wanted = given.get("answer", ANSWERS[link.purpose])
        solved = wanted != "not_resolved"
        settled = _settled(ticket)
        if settled == ("confirmed" if solved else "not_resolved"):
            return _answered(request, ticket, settled)
        if _over(uow, link) or ticket.resolved_at is None:
            return page(request, "error", {"code": "conflict"}, locale=ticket.locale, status=GONE)
        if len(text) > LONGEST_TEXT:
            facts = await _result_facts(uow, request, ticket)
            facts.update(text=text, errors={"text": "too_long"})
            return page(request, "confirm", facts, locale=ticket.locale, status=422)
        link.used_at = uow.clock.now()
        await tickets.confirm(uow, ticket, solved=solved, by="customer", note="" if solved else text)
    return _answered(request, ticket, "confirmed" if solved else "not_resolved")


@router.api_route("/u/{token}", methods=["GET", "HEAD"])
async def show_unsubscribe(request: Request, parts: Parts, token: str) -> Response:
    """What unsubscribing means, and a button."""
    async with parts.workshop.read() as uow:
        link = await links.find(uow, token, UNSUBSCRIBE)
        address, locale = await _address(uow, link)
    facts = {"address": address, "action_url": own_url(request)}
    return page(request, "unsubscribe", facts, locale=locale)


@router.post("/u/{token}")
async def unsubscribe(request: Request, parts: Parts, token: str) -> Response:
    """No more surveys for this customer: by the button, or by their mail program's (RFC 8058 §3.1).

    The body (`List-Unsubscribe=One-Click`, in whatever encoding) adds nothing to the token and is not read.
    """
    async with parts.workshop.begin() as uow:
        link = await links.find(uow, token, UNSUBSCRIBE, hold=True)
        if link.subject_id is None or link.customer_id is None:
            raise NotFound("this link is unknown")
        address, locale = await _address(uow, link)
        await withdraw_consent(uow, link.subject_id, link.customer_id)
        link.used_at = link.used_at or uow.clock.now()
    return page(request, "unsubscribed", {"address": address}, locale=locale)


async def _ticket_of(uow: UnitOfWork, link: Link, *, hold: bool = False) -> Ticket:
    if link.ticket_id is None:
        raise NotFound("this link is unknown")
    return await tickets.ticket_by_id(uow, link.ticket_id, hold=hold)


def _settled(ticket: Ticket) -> str:
    """What the customer has answered already: confirmed, not_resolved (work goes on), or ''."""
    if ticket.resolved_at is None:
        return "not_resolved"
    return "confirmed" if ticket.confirmed_at is not None else ""


def _over(uow: UnitOfWork, link: Link) -> bool:
    try:
        links.check(uow, link)
    except (links.LinkExpired, links.LinkUsed):
        return True
    return False


def _answered(request: Request, ticket: Ticket, answer: str) -> Response:
    facts = {"answer": answer, "ticket_number": ticket.number}
    return page(request, "confirm_done", facts, locale=ticket.locale)


async def _result_facts(uow: UnitOfWork, request: Request, ticket: Ticket) -> dict[str, Any]:
    """The customer's own subject and the latest result, unmasked: it is their ticket."""
    known = await ticket_facts(uow, ticket)
    sealer = await uow.vault.sealer(uow.session, ticket.data_key_id)
    sealed = await uow.session.scalar(
        select(TicketEntry.words_sealed)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind == "resolved")
        .order_by(TicketEntry.id.desc())
        .limit(1)
    )
    result: dict[str, str] = sealer.json(sealed, "ticket_entries.words") or {}
    named = {name: result.get(name, "") for name in ("cause", "solution", "precautions")}
    return {"ticket": known["ticket"], **named, "text": "", "errors": {}, "action_url": own_url(request)}


async def _address(uow: UnitOfWork, link: Link) -> tuple[str, str | None]:
    """The customer's masked address, and their language."""
    customer = await uow.session.get(Customer, link.customer_id) if link.customer_id else None
    if customer is None:
        raise NotFound("this link is unknown")
    sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    email = sealer.text(customer.email_sealed, "customers.email")
    phone = sealer.text(customer.phone_sealed, "customers.phone")
    return mask_contact(email or phone), customer.locale
