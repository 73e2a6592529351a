"""What is like a ticket, on its page, and the page from which it is passed on (row E8).

How a ticket's page shows it: put `**await similar_facts(uow, ticket, visit.person, locale)` among its facts,
inside the transaction that reads them, and `{% include "web/_similar.html" %}` into its template.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Role, TicketState
from workers import knowledge
from workers.errors import Conflict, Forbidden, InvalidInput
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork
from workers.web.api.similar import similar_shown
from workers.web.console.door import Visit, Visiting
from workers.web.console.frame import done, show
from workers.web.console.search_page import PLACES
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

TICKETS = "/console/tickets"
OPEN = (TicketState.TO_ASSIGN, TicketState.IN_PROGRESS, TicketState.AWAITING_FEEDBACK)
SEE_OTHER, UNPROCESSABLE = 303, 422


async def similar_facts(uow: UnitOfWork, ticket: Ticket, reader: Staff, locale: str) -> dict[str, Any]:
    """What `_similar.html` needs: what is like the ticket, and whether it may be passed on, or written up."""
    rows = [
        {**each.model_dump(mode="json"), "url": f"{PLACES[each.kind]}/{each.number}"}
        for each in await similar_shown(uow, ticket, reader, locale)
    ]
    own = reader.role is not Role.AGENT or ticket.handler_id in (None, reader.id)
    return {
        "similar": rows,
        "pass_on_url": f"{TICKETS}/{ticket.number}/pass-on" if own and ticket.state in OPEN else None,
        "write_up_url": f"{TICKETS}/{ticket.number}/write-up" if own and ticket.resolved_at else None,
    }


@router.api_route(f"{TICKETS}/{{number}}/pass-on", methods=["GET", "HEAD"])
async def preview(request: Request, parts: Parts, visit: Visiting, number: str) -> Response:
    """What the customer would read, to be changed or sent."""
    source = request.query_params.get("source", "")[:24]
    return show(request, visit, "console_pass_on", await _facts(parts, visit, number, source))


@router.post(f"{TICKETS}/{{number}}/pass-on")
async def pass_on(request: Request, parts: Parts, visit: Visiting, number: str) -> Response:
    """It goes as this person's answer."""
    source, text = visit.fields.get("source", "")[:24], visit.fields.get("text", "")
    try:
        async with parts.workshop.begin() as uow:
            ticket = await _own(uow, visit, number)
            await knowledge.pass_on(uow, ticket, visit.person, source, text)
    except (InvalidInput, Conflict):
        facts = {**await _facts(parts, visit, number, source), "text": text, "refused": True}
        return show(request, visit, "console_pass_on", facts, status=UNPROCESSABLE)
    return done(parts, visit, f"{TICKETS}/{number}", "pass_on")


@router.post(f"{TICKETS}/{{number}}/write-up")
async def write_up(parts: Parts, visit: Visiting, number: str) -> Response:
    """A draft of the ticket's result, opened to be written."""
    async with parts.workshop.begin() as uow:
        ticket = await _own(uow, visit, number)
        entry = (await knowledge.draft_of(uow, ticket, visit.person)).number
    return RedirectResponse(f"{PLACES['knowledge']}/{entry}/edit", SEE_OTHER)


async def _own(uow: UnitOfWork, visit: Visit, number: str) -> Ticket:
    ticket = await ticket_by_number(uow, number)
    if visit.person.role is Role.AGENT and ticket.handler_id not in (None, visit.person.id):
        raise Forbidden("agents act on their own tickets only")
    return ticket


async def _facts(parts: WebParts, visit: Visit, number: str, source: str) -> dict[str, Any]:
    async with parts.workshop.read() as uow:
        ticket = await ticket_by_number(uow, number, hold=False)
        ready = await knowledge.prepare(uow, ticket, visit.person, source)
    return {
        "number": ticket.number,
        "source": ready.source,
        "source_url": f"{PLACES['knowledge' if ready.entry else 'ticket']}/{ready.source}",
        "text": ready.text,
        "to": ready.to,
        "channel": ready.channel,
        "other_language": ready.locale != ("zh_CN" if ticket.locale.startswith("zh") else "en"),
        "refused": False,
        "form_url": f"{TICKETS}/{ticket.number}/pass-on",
        "back_url": f"{TICKETS}/{ticket.number}",
    }
