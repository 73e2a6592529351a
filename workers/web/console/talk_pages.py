"""A communication record: a new one, its page with its history, closing, taking up again, sharing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.communications import Communication
from models.people import Customer, Staff, Team
from models.tickets import Ticket
from models.vocabulary import Medium, Role
from workers import communications
from workers.communications import CHANNELS, Talk
from workers.errors import Conflict, Forbidden, InvalidInput, NotFound
from workers.people import team_exactly
from workers.tickets import ticket_by_number
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import person_named
from workers.web.api.communication_views import history_of, shown_records
from workers.web.console import talk_changing
from workers.web.console.door import Visit, Visiting
from workers.web.console.forms import Form, Wrong
from workers.web.console.frame import done, show
from workers.web.console.talks import TALKS
from workers.web.parts import Parts, WebParts

router = APIRouter(include_in_schema=False)

LINE = 500
FIELDS = [
    "ticket",
    "customer",
    "channel",
    "description",
    "summary",
    "solution",
    "next_action",
    "next_at",
    "happened_at",
    "closed",
    "reached",
    "evidence",
    "team",
    "staff",
    "note",
]
BLANK = dict.fromkeys(FIELDS, "")
ACTS = ("change", "close", "reopen", "share")


@router.api_route(f"{TALKS}/new", methods=["GET", "HEAD"])
async def ask(request: Request, parts: Parts, visit: Visiting) -> Response:
    """An empty form, for a ticket or for a customer."""
    given = {"ticket": request.query_params.get("ticket", "")[:24]}
    return _new_page(request, parts, visit, given, {})


@router.post(f"{TALKS}/new")
async def record(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Record it, once however often the form is sent."""
    form = Form(visit.fields, parts.settings.timezone, parts.workshop.clock.now())
    try:
        number = await _record(parts, visit, form)
    except Wrong as wrong:
        return _new_page(request, parts, visit, visit.fields, wrong.errors, 422)
    except Forbidden:
        return _new_page(request, parts, visit, visit.fields, {"ticket": "not_yours"}, 409)
    except (InvalidInput, NotFound):
        return _new_page(request, parts, visit, visit.fields, {"": "talk_refused"}, 422)
    return done(parts, visit, f"{TALKS}/{number}", "talk_recorded")


async def _record(parts: WebParts, visit: Visit, form: Form) -> str:
    number, code = form.text("ticket", limit=24), form.text("customer", limit=24)
    once = form.text("once", limit=64)
    talk = Talk(
        channel=form.one_of("channel", CHANNELS, required=True) or Medium.PHONE,
        description=form.text("description", required=True),
        summary=form.text("summary", limit=LINE),
        solution=form.text("solution"),
        next_action=form.text("next_action", limit=LINE),
        next_at=form.text("next_at", limit=64),
        happened_at=form.moment("happened_at", to_come=False),
        closed=form.ticked("closed"),
        reached=form.ticked("reached"),
        evidence=form.text("evidence", limit=128) or None,
    )
    if not number and not code:
        form.errors["ticket"] = "required_text"
    if talk.closed and not talk.solution:
        form.errors["solution"] = "required_text"
    if not talk.closed and not talk.next_action:
        form.errors["next_action"] = "required_text"
    form.check()
    by = visit.person
    async with parts.workshop.begin() as uow:
        ticket = await _ticket(uow, by, number) if number else None
        customer = await _customer(uow, ticket, code)
        key = uow.vault.lookup("communication-key", f"{by.id}:{once}") if once else None
        made = await communications.record_talk(
            uow, talk, by=by, handler=by, customer=customer, ticket=ticket, row_key=key
        )
        return made.row.number


async def _ticket(uow: UnitOfWork, by: Staff, number: str) -> Ticket:
    """Held. An agent's own one; for them there is no other."""
    try:
        ticket = await ticket_by_number(uow, number)
    except NotFound as error:
        raise Wrong({"ticket": "unknown_ticket"}) from error
    if by.role is Role.AGENT and ticket.handler_id not in (None, by.id):
        raise Forbidden("agents record talks on their own tickets")
    return ticket


async def _customer(uow: UnitOfWork, ticket: Ticket | None, code: str) -> Customer:
    if ticket is not None:
        return await uow.session.get_one(Customer, ticket.customer_id)
    row = await uow.session.scalar(select(Customer).where(Customer.code == code.upper()))
    if row is None:
        raise Wrong({"customer": "unknown_customer"})
    return row


def _new_page(
    request: Request,
    parts: WebParts,
    visit: Visit,
    given: Mapping[str, str],
    errors: Mapping[str, str],
    status: int = 200,
) -> Response:
    facts = {
        "values": {**BLANK, **given},
        "errors": {**BLANK, **errors},
        "whole": errors.get(""),
        "once": given.get("once") or parts.workshop.vault.new_token(),
        "channels": list(CHANNELS),
        "action_url": f"{TALKS}/new",
        "list_url": TALKS,
    }
    return show(request, visit, "console_talk_new", facts, status=status)


@router.api_route(f"{TALKS}/{{number}}", methods=["GET", "HEAD"])
async def talk(request: Request, parts: Parts, visit: Visiting, number: str) -> Response:
    """One record with its history. 404 for what an agent may not see."""
    return await _page(request, parts, visit, number)


@router.post(f"{TALKS}/{{number}}/{{act}}")
async def act(request: Request, parts: Parts, visit: Visiting, number: str, act: str) -> Response:
    """Put it right, close it, take it up again, share it."""
    if act not in ACTS:
        raise NotFound("there is no such action")
    form = Form(visit.fields, parts.settings.timezone, parts.workshop.clock.now())
    try:
        async with parts.workshop.begin() as uow:
            row = await communications.record_by_number(uow, number, visit.person, hold=True)
            if visit.fields.get("version") != str(row.version):
                raise _Changed("it has changed since you read it")
            await _do(uow, row, visit.person, act, form)
            mine = row.handler_id == visit.person.id or visit.person.role is not Role.AGENT
    except _Changed:
        return await _page(request, parts, visit, number, act, {}, 409, stale=True)
    except Wrong as wrong:
        return await _page(request, parts, visit, number, act, wrong.errors, 422)
    except (InvalidInput, Conflict, Forbidden):
        return await _page(request, parts, visit, number, act, {"": "talk_refused"}, 409)
    return done(parts, visit, f"{TALKS}/{number}" if mine else TALKS, f"talk_{act}")


class _Changed(Conflict):
    """Somebody has changed the record since the form was shown."""


async def _do(uow: UnitOfWork, row: Communication, by: Staff, act: str, form: Form) -> None:
    if act == "change":
        await talk_changing.change(uow, row, by, form)
    elif act == "close":
        solution = form.text("solution")
        form.check()
        await communications.close(uow, row, by, solution)
    elif act == "reopen":
        action, when = form.text("next_action", required=True, limit=LINE), form.text("next_at", limit=64)
        form.check()
        await communications.reopen(uow, row, by, action, when)
    else:
        note, team, name = (
            form.text("note", limit=LINE),
            form.text("team", limit=64),
            form.text("staff", limit=254),
        )
        form.check()
        try:
            to_team = await team_exactly(uow, team) if team else None
            person = await person_named(uow, name) if name and not team else None
        except NotFound as error:
            raise Wrong({"staff": "not_staff"}) from error
        await communications.share(uow, row, by, team=to_team, person=person, words=note)


async def _page(
    request: Request,
    parts: WebParts,
    visit: Visit,
    number: str,
    act: str = "",
    errors: Mapping[str, str] | None = None,
    status: int = 200,
    *,
    stale: bool = False,
) -> Response:
    async with parts.workshop.read() as uow:
        row = await communications.record_by_number(uow, number, visit.person)
        facts = await _facts(uow, row, visit)
    facts |= {
        "act": act,
        "errors": {**BLANK, **(errors or {})},
        "whole": (errors or {}).get(""),
        "stale": stale,
    }
    return show(request, visit, "console_talk", facts, status=status)


async def _facts(uow: UnitOfWork, row: Communication, visit: Visit) -> dict[str, Any]:
    (shown,) = await shown_records(uow, [row])
    history = await history_of(uow, row)
    leads = visit.person.role in (Role.SUPERVISOR, Role.ADMINISTRATOR)
    teams = list(await uow.session.scalars(select(Team.name).order_by(Team.name)))
    talk = shown.model_dump(mode="json")
    held = talk_changing.form_values(talk, uow.settings.timezone)
    typed = talk_changing.touched(visit.fields) if "held" in visit.fields else {}
    return {
        "talk": talk,
        "change": {**held, **typed},
        "held": talk_changing.marks(held),
        "channels": list(CHANNELS),
        "history": [each.model_dump(mode="json") for each in reversed(history)],
        "may": leads or row.handler_id == visit.person.id,
        "teams": teams,
        "values": {**BLANK, **visit.fields},
        "talk_url": f"{TALKS}/{row.number}",
        "list_url": TALKS,
        "ticket_list_url": "/console/tickets",
    }
