"""The live queue: what is due within the hour, what is overdue, how much each team and person has in hand."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from models.people import Staff, Team
from models.vocabulary import Role
from workers.unit_of_work import UnitOfWork
from workers.web.api.ticket_views import staff_by_ids
from workers.web.console.door import Visiting
from workers.web.console.frame import show
from workers.web.console.live_queue import Queue, queue_of
from workers.web.console.ticket_list import Found
from workers.web.console.tickets import TICKETS, rows_of
from workers.web.parts import Parts

router = APIRouter(include_in_schema=False)

LIVE = "/console/live"
EVERY = ("30", "60", "300")
"""Seconds after which a browser without script may be asked to load the page again."""
ALL_TEAMS = "*"
LONGEST_NAME = 64
UNPROCESSABLE = 422
MOST_LOADS = 100


@router.api_route(LIVE, methods=["GET", "HEAD"])
async def live(request: Request, parts: Parts, visit: Visiting) -> Response:
    """Agents see what they have in hand; a supervisor the own team's first, and any other on demand."""
    given = {name: request.query_params.get(name, "").strip()[:LONGEST_NAME] for name in ("team", "every")}
    agent = visit.person.role is Role.AGENT
    async with parts.workshop.read() as uow:
        teams = {} if agent else {row.name: row.id for row in await uow.session.scalars(select(Team))}
        chosen = given["team"] or own_team(visit.person, teams)
        errors = _wrong(given, chosen, teams)
        wrong = any(errors.values())
        queue = await queue_of(uow, visit.person, teams.get(chosen))
        facts = {
            "given": {**given, "team": chosen},
            "errors": errors,
            "opened": wrong or any(given.values()),
            "teams": sorted(teams),
            "agent": agent,
            "live_url": LIVE,
            "here_url": f"{LIVE}?{urlencode({name: value for name, value in given.items() if value})}",
            "every": list(EVERY),
            "refresh": given["every"] if given["every"] in EVERY else "",
            **await _shown(uow, queue, {ident: name for name, ident in teams.items()}),
        }
    return show(request, visit, "console_live", facts, status=UNPROCESSABLE if wrong else 200)


def own_team(person: Staff, teams: dict[str, UUID]) -> str:
    """The team that somebody who leads one looks at first; all teams for others."""
    own = next((name for name, ident in teams.items() if ident == person.team_id), None)
    return own if own and person.role is Role.SUPERVISOR else ALL_TEAMS


def _wrong(given: dict[str, str], team: str, teams: dict[str, UUID]) -> dict[str, str | None]:
    """What is wrong with each field, as a code of the group `error`."""
    return {
        "team": None if team == ALL_TEAMS or team in teams else "unknown_team",
        "every": None if given["every"] in ("", *EVERY) else "choose",
    }


async def _shown(uow: UnitOfWork, queue: Queue, teams: dict[Any, str]) -> dict[str, Any]:
    """The queue as the page shows it, masked."""
    loads = queue.loads[:MOST_LOADS]
    staff = await staff_by_ids(uow, [each.staff_id for each in loads])
    clocks = {ticket.id: clock for ticket, clock in (*queue.overdue, *queue.soon)}
    rows = await rows_of(uow, Found([ticket for ticket, _ in (*queue.overdue, *queue.soon)], clocks, ""))
    late = len(queue.overdue)
    return {
        "at": queue.at.isoformat(),
        "states": [{"code": code.value, "count": count} for code, count in queue.states.items()],
        "overdue": {"rows": rows[:late], "count": queue.overdue_count},
        "soon": {"rows": rows[late:], "count": queue.soon_count},
        "loads": [
            {
                "team": teams.get(each.team_id),
                "name": _name(staff.get(each.staff_id)) if each.staff_id else None,
                "tickets": each.tickets,
                "soon": each.soon,
                "overdue": each.overdue,
            }
            for each in queue.loads[:MOST_LOADS]
        ],
        "overdue_url": f"{TICKETS}?overdue=1",
    }


def _name(person: Staff | None) -> str | None:
    return f"{person.name} {person.number}" if person else None
