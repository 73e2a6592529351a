"""What runs, for the monthly list that supervisors get of what has not been verified yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.people import Staff
from models.surveys import Followup
from models.tickets import Ticket
from workers.directory import people_in_roles
from workers.followups.finding import OVER, is_overdue
from workers.unit_of_work import UnitOfWork


async def running_by_supervisor(uow: UnitOfWork) -> list[tuple[Staff, list[dict[str, Any]]]]:
    """The running cases of each supervisor's teams, as mails list them: what is due first in front."""
    found = await uow.session.execute(
        select(Followup, Ticket.number, Ticket.team_id)
        .join(Ticket, Ticket.id == Followup.ticket_id)
        .where(Followup.state.not_in(OVER))
    )
    teams: defaultdict[UUID | None, list[tuple[Followup, str]]] = defaultdict(list)
    for followup, number, team_id in found:
        teams[team_id].append((followup, number))
    names = {row.id: row.name for row in await uow.session.scalars(select(Staff))}
    people: dict[UUID, Staff] = {}
    cases: defaultdict[UUID, list[tuple[Followup, str]]] = defaultdict(list)
    for team_id, rows in teams.items():
        for person in await people_in_roles(uow, team_id=team_id, handler_id=None, roles=["supervisor"]):
            people[person.id] = person
            cases[person.id] += rows
    return [(people[ident], _lines(uow, rows, names)) for ident, rows in cases.items()]


def _lines(
    uow: UnitOfWork, rows: Sequence[tuple[Followup, str]], names: dict[UUID, str]
) -> list[dict[str, Any]]:
    now = uow.clock.now()
    lines = []
    for followup, number in rows:
        due_at = (followup.due_at if followup.started_at else None) or followup.start_by
        owner_id = followup.measure_owner_id or followup.owner_id
        line = {
            "ticket": number,
            "state": followup.state.value,
            "round": followup.round,
            "owner": names.get(owner_id, "") if owner_id else "",
            "due_at": due_at.isoformat(),
            "overdue": is_overdue(followup, now),
        }
        lines.append((due_at, number, line))
    return [line for _, _, line in sorted(lines, key=_due)]


def _due(line: tuple[Any, ...]) -> tuple[Any, str]:
    return line[0], line[1]
