"""Where the forms of a ticket's page are sent: once, by whom may, on what they saw; mistakes come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import or_, select
from starlette.responses import Response

from models.tickets import Ticket, TicketEntry
from models.vocabulary import Medium, Role
from workers import tickets
from workers.errors import Conflict, Forbidden, InvalidInput, NotFound
from workers.notifications import customer_recipient, staff_ticket_facts
from workers.unit_of_work import UnitOfWork
from workers.web.console.door import Visit, Visiting
from workers.web.console.forms import Form, Wrong
from workers.web.console.frame import done, show
from workers.web.console.ticket_acts import ACTS
from workers.web.console.ticket_doing import Doing
from workers.web.console.ticket_page import page_facts
from workers.web.console.tickets import TICKETS
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

PREVIEWED = {"answer": "reply_to_customer", "resolve": "result_feedback"}
UNPROCESSABLE, CONFLICT = 422, 409


class Changed(Conflict):
    """Somebody has changed the ticket since the form was shown."""


@router.post(f"{TICKETS}/{{number}}/{{act}}")
async def act(request: Request, parts: Parts, visit: Visiting, number: str, act: str) -> Response:
    """Do it and go back to the page; or show it again with what was typed, and what is wrong with it."""
    if act not in ACTS:
        raise NotFound("there is no such action")
    form = Form(visit.fields, parts.settings.timezone, parts.workshop.clock.now())
    if act in PREVIEWED and form.fields.get("step") == "preview":
        return await _preview(request, parts, visit, number, act)
    try:
        next_number, mine = await _do(parts, visit, number, act, form)
    except Changed:
        return await _again(request, parts, visit, number, act, CONFLICT, stale=True)
    except Wrong as wrong:
        return await _again(
            request, parts, visit, number, act, UNPROCESSABLE, errors=wrong.errors, offers=wrong.offers
        )
    except tickets.NeedsTriage:
        return await _again(request, parts, visit, number, act, CONFLICT, errors={"": "triage"})
    except (InvalidInput, Conflict, Forbidden) as error:
        status = UNPROCESSABLE if isinstance(error, InvalidInput) else CONFLICT
        code = "forbidden" if isinstance(error, Forbidden) and act != "merge" else act
        return await _again(request, parts, visit, number, act, status, errors={"": code})
    return done(parts, visit, f"{TICKETS}/{next_number}" if mine else TICKETS, act)


async def _do(parts: WebParts, visit: Visit, number: str, act: str, form: Form) -> tuple[str, bool]:
    """The act in its transaction; gives the ticket to look at next, and whether this person may."""
    async with parts.workshop.begin() as uow:
        if act == "merge":
            await tickets.hold_two(uow, number, form.fields.get("into", ""))
        ticket = await tickets.ticket_by_number(uow, number)
        by = visit.person
        if by.role is Role.AGENT and ticket.handler_id not in (None, by.id):
            raise Forbidden("agents act on their own tickets only")
        if await _changed(uow, ticket, form):
            raise Changed("it has changed since you read it")
        shown = await ACTS[act](Doing(uow, ticket, by, form)) or ticket
        return shown.number, by.role is not Role.AGENT or shown.handler_id in (None, by.id)


async def _changed(uow: UnitOfWork, ticket: Ticket, form: Form) -> bool:
    """Whether a person has written into its log since the form was shown, this one by sending it twice too.

    What the clockwork writes by itself (a warning, a receipt) takes no form from anybody's hands.
    """
    if form.fields.get("version") == str(ticket.version):
        return False
    try:
        seen = UUID(form.fields.get("seen", ""))
    except ValueError:
        return True
    later = select(TicketEntry.id).where(TicketEntry.ticket_id == ticket.id, TicketEntry.id > seen)
    people = or_(TicketEntry.staff_id.is_not(None), TicketEntry.actor == "customer")
    return await uow.session.scalar(later.where(people).limit(1)) is not None


async def _again(
    request: Request,
    parts: WebParts,
    visit: Visit,
    number: str,
    act: str,
    status: int,
    *,
    errors: dict[str, str] | None = None,
    stale: bool = False,
    offers: Mapping[str, str] | None = None,
    more: dict[str, Any] | None = None,
) -> Response:
    async with parts.workshop.read() as uow:
        ticket = await tickets.ticket_by_number(uow, number, hold=False)
        facts = await page_facts(uow, ticket, visit, act=act, values=visit.fields, errors=errors, stale=stale)
    facts["acts"] |= offers or {}
    return show(request, visit, "console_ticket", {**facts, **(more or {})}, status=status)


async def _preview(request: Request, parts: WebParts, visit: Visit, number: str, act: str) -> Response:
    """What the customer would get, before anything is sent."""
    form = Form(visit.fields, parts.settings.timezone, parts.workshop.clock.now())
    names = ("text",) if act == "answer" else ("cause", "solution", "precautions")
    words = {name: form.text(name, required=name != "precautions") for name in names}
    if form.errors:
        return await _again(request, parts, visit, number, act, UNPROCESSABLE, errors=form.errors)
    async with parts.workshop.read() as uow:
        ticket = await tickets.ticket_by_number(uow, number, hold=False)
        shown = await _rendered(uow, parts, visit, ticket, PREVIEWED[act], words)
    return await _again(request, parts, visit, number, act, 200, more={"preview": shown})


async def _rendered(
    uow: UnitOfWork, parts: WebParts, visit: Visit, ticket: Ticket, kind: str, words: dict[str, str]
) -> dict[str, str] | None:
    """Subject and text, the customer masked as everywhere; None where they can only be rung up."""
    to = await customer_recipient(uow, ticket, ticket.channel if kind == "reply_to_customer" else None)
    if to is None:
        return None
    link = f"{parts.settings.public_url}/c/…"
    facts = await staff_ticket_facts(uow, ticket)
    name = visit.person.name
    facts |= {**words, "agent": name, "from_name": name, "locale": to.locale}
    facts["recipient"] = {"name": facts["ticket"]["customer"].split(" ")[0], "kind": "customer"}
    facts["links"] = {"confirm": link, "not_resolved": link}
    if to.channel is Medium.SMS:
        return {"subject": "", "text": parts.renderer.render_sms(kind, to.locale, facts)}
    mail = parts.renderer.render_mail(kind, to.locale, facts)
    return {"subject": mail.subject, "text": mail.text}
