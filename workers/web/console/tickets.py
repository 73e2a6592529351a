"""The list of tickets: one's own, those nobody has yet, the team's, all; filtered, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.deadlines import Deadline
from models.people import Staff, Team
from models.tickets import Ticket
from models.vocabulary import Category, Priority, Role, TicketState
from workers.unit_of_work import UnitOfWork
from workers.web.api.ticket_views import customers_by_ids, staff_by_ids, summary_view
from workers.web.console.door import Visiting
from workers.web.console.frame import show
from workers.web.console.my_tickets import clock_view
from workers.web.console.ticket_list import Asked, Found, find
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

TICKETS = "/console/tickets"
KEPT = ("view", "state", "priority", "category", "team", "overdue", "untriaged", "number")


@router.api_route(TICKETS, methods=["GET", "HEAD"])
async def tickets(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Those still worked on by their next limit, others the newest first."""
    given = {name: request.query_params.get(name, "").strip()[:64] for name in KEPT}
    async with parts.workshop.read() as uow:
        teams = list(await uow.session.scalars(select(Team).order_by(Team.name)))
        asked = _asked(given, visit.person, teams)
        found = await find(uow, visit.person, asked, request.query_params.get("cursor", "")[:80])
        rows = await rows_of(uow, found)
    chosen = {name: value for name, value in given.items() if value}
    facts = {
        "rows": rows,
        "view": asked.view,
        "views": [
            {"code": each, "url": f"{TICKETS}?{urlencode({'view': each})}"} for each in _views(visit.person)
        ],
        "given": given,
        "states": list(TicketState),
        "priorities": list(Priority),
        "categories": list(Category),
        "teams": [team.name for team in teams] if visit.person.role is not Role.AGENT else [],
        "filtered": bool(chosen.keys() - {"view"}),
        "list_url": TICKETS,
        "first_url": f"{TICKETS}?{urlencode(chosen)}" if "cursor" in request.query_params else None,
        "next_url": f"{TICKETS}?{urlencode({**chosen, 'cursor': found.cursor})}" if found.cursor else None,
    }
    return show(request, visit, "console_tickets", facts)


def _views(person: Staff) -> tuple[str, ...]:
    return ("mine", "free") if person.role is Role.AGENT else ("mine", "free", "team", "all")


def _asked(given: dict[str, str], person: Staff, teams: Sequence[Team]) -> Asked:
    """What the address asks for; words that mean nothing here are as good as none."""
    views = _views(person)
    view = given["view"] if given["view"] in views else "mine" if person.role is Role.AGENT else "all"
    team = next((team.id for team in teams if team.name == given["team"]), None)
    return Asked(
        view=view,
        state=TicketState(given["state"]) if given["state"] in list(TicketState) else None,
        priority=Priority(given["priority"]) if given["priority"] in list(Priority) else None,
        category=Category(given["category"]) if given["category"] in list(Category) else None,
        team_id=team,
        overdue=given["overdue"] == "1",
        untriaged=given["untriaged"] == "1",
        number=_number(given["number"]),
    )


def _number(text: str) -> str:
    """How a number begins: as it stands on the ticket, or its date and figures alone."""
    plain = "".join(text.upper().split())
    return f"CS{plain}" if plain.isdigit() else plain


async def rows_of(uow: UnitOfWork, found: Found) -> list[dict[str, Any]]:
    """Tickets as the list shows them, masked; a handful of queries for all."""
    customers = await customers_by_ids(uow, [row.customer_id for row in found.tickets])
    staff = await staff_by_ids(uow, [row.handler_id for row in found.tickets])
    keys = [row.data_key_id for row in found.tickets]
    await uow.vault.warm(uow.session, [*keys, *(each.data_key_id for each in customers.values())])
    return [
        await _row(uow, row, customers[row.customer_id], staff, found.clocks.get(row.id))
        for row in found.tickets
    ]


async def _row(
    uow: UnitOfWork, row: Ticket, customer: Any, staff: dict[Any, Staff], clock: Deadline | None
) -> dict[str, Any]:
    handler = staff.get(row.handler_id) if row.handler_id else None
    shown = (await summary_view(uow, row, customer, handler)).model_dump(mode="json")
    return {
        **shown,
        "url": f"{TICKETS}/{row.number}",
        "handler_name": f"{handler.name} {handler.number}" if handler else None,
        "clock": clock_view(uow, clock),
    }
