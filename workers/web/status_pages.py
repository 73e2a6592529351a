"""Where a ticket stands, for its customer: by the link in the receipt, or by one that is asked for at /q."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from models.tickets import Ticket, TicketEntry
from models.vocabulary import DeadlineKind, TicketState
from workers import links, looking_up
from workers.deadlines import open_ones
from workers.errors import InvalidInput, NotFound
from workers.notifications import ticket_facts
from workers.unit_of_work import UnitOfWork
from workers.web.attempts import caller_of
from workers.web.pages import STATUS_PATH, form_fields, own_url, page
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

SEE_OTHER, GONE, UNPROCESSABLE = 303, 410, 422
SHOWN_FOR = timedelta(days=90)
"""How long after closing the page is there."""
PUBLIC = (
    "received",
    "accepted",
    "first_response",
    "customer_wrote",
    "waiting",
    "resumed",
    "resolved",
    "feedback_given",
    "confirmed",
    "unconfirmed",
    "reopened",
    "closed",
    "merged",
)
"""Lines of the log that a customer may know of, as mere facts."""
MOST_LINES = 100


@router.api_route(STATUS_PATH, methods=["GET", "HEAD"])
async def ask(request: Request) -> Response:
    """Asks for the number, and for the address that it was written from."""
    sent = request.query_params.get("sent") == "1"
    facts = {"sent": sent, "number": "", "contact": "", "error": None, "action_url": own_url(request)}
    return page(request, "lookup", facts)


@router.post(STATUS_PATH)
async def look_up(request: Request, parts: Parts) -> Response:
    """The same answer whatever there is. Raises TooManyAttempts for who asks one after the other."""
    parts.codes.count(f"lookup {caller_of(request)}")
    given = await form_fields(request)
    number, contact = given.get("number", "")[:40], given.get("contact", "")[:254]
    try:
        if not number.strip():
            raise InvalidInput("a number is needed")
        async with parts.workshop.begin() as uow:
            await looking_up.ask(uow, number, contact)
    except InvalidInput:
        facts = {"sent": False, "number": number, "contact": contact, "action_url": own_url(request)}
        error = "contact" if number.strip() else "number"
        return page(request, "lookup", {**facts, "error": error}, status=UNPROCESSABLE)
    lang = "zh_CN" if request.query_params.get("lang") == "zh_CN" else "en"
    kept = f"&lang={lang}" if "lang" in request.query_params else ""
    return RedirectResponse(f"{STATUS_PATH}?sent=1{kept}", SEE_OTHER)


@router.api_route(f"{STATUS_PATH}/{{number}}/{{token}}", methods=["GET", "HEAD"])
async def status(request: Request, parts: Parts, number: str, token: str) -> Response:
    """State, promised time and what happened, without anybody's words. Looking changes nothing."""
    if not number.isalnum():
        raise NotFound("this link is unknown")
    async with parts.workshop.read() as uow:
        named = await uow.session.scalar(select(Ticket).where(Ticket.number == number.upper()[:24]))
        right = links.status_token(uow.vault, named.id, named.customer_id) if named else ""
        if named is None or not hmac.compare_digest(token.lower().encode(), right.encode()):
            raise NotFound("this link is unknown")
        ticket = await _present(uow, named)
        if ticket.closed_at is not None and uow.clock.now() > ticket.closed_at + SHOWN_FOR:
            return page(request, "error", {"code": "conflict"}, locale=ticket.locale, status=GONE)
        facts = await _facts(uow, ticket)
    return page(request, "status", facts, locale=ticket.locale)


async def _present(uow: UnitOfWork, ticket: Ticket) -> Ticket:
    """The ticket, or the one that it goes on in."""
    seen = {ticket.id}
    while ticket.merged_into_id is not None and ticket.merged_into_id not in seen:
        seen.add(ticket.merged_into_id)
        ticket = await uow.session.get_one(Ticket, ticket.merged_into_id)
    return ticket


async def _facts(uow: UnitOfWork, ticket: Ticket) -> dict[str, Any]:
    known = await ticket_facts(uow, ticket)
    lines = await uow.session.execute(
        select(TicketEntry.kind, TicketEntry.at)
        .where(TicketEntry.ticket_id == ticket.id, TicketEntry.kind.in_(PUBLIC))
        .order_by(TicketEntry.at.desc(), TicketEntry.id.desc())
        .limit(MOST_LINES)
    )
    return {
        "number": ticket.number,
        "subject": known["ticket"]["subject"],
        "state": ticket.state.value,
        "received_at": ticket.received_at.isoformat(),
        "promised": await _promised(uow, ticket),
        "waits": ticket.waiting_since is not None,
        "log": [{"kind": kind, "at": at.isoformat()} for kind, at in lines],
    }


async def _promised(uow: UnitOfWork, ticket: Ticket) -> dict[str, str] | None:
    """By when an answer or the result is promised, while it is awaited."""
    if ticket.state in (TicketState.AWAITING_FEEDBACK, TicketState.RESOLVED, TicketState.CLOSED):
        return None
    if ticket.first_response_at is None:
        for row in await open_ones(uow, ticket, [DeadlineKind.FIRST_RESPONSE]):
            if row.limit_at is not None:
                return {"what": "answer", "at": row.limit_at.isoformat()}
    if ticket.expected_resolution_at is not None:
        return {"what": "result", "at": ticket.expected_resolution_at.isoformat()}
    return None
