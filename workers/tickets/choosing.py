"""Who takes the next ticket of a team: by turns or load, skilled and senior people first where asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from sqlalchemy import func, select

from models.people import Staff, Team
from models.tickets import Ticket
from models.vocabulary import Role, TicketState
from workers.directory import people_in_roles, people_present
from workers.directory.presence import absences_from
from workers.locks import hold
from workers.policy import Assignment, Policy
from workers.unit_of_work import UnitOfWork

ABSENT, FULL = "absent", "full"


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom a request goes to; or why to nobody: `absent` (all agents are) or `full` (those present have as
    many tickets in progress as they may have). Neither: the team has nobody at all.
    """

    person: Staff | None
    why: str = ""


async def next_handler(uow: UnitOfWork, team: Team, skill: str | None = None) -> Staff | None:
    """Who takes a ticket that somebody hands to this team: chosen as its own tickets are, and where none of
    its agents can, the supervisor, then an administrator.
    """
    rule = Assignment(team.name, by=uow.policy.way_of(team.name))
    choice = await choose_handler(uow, team, rule, uow.policy, kind=skill)
    return choice.person or await _leader(uow, team)


async def choose_handler(
    uow: UnitOfWork, team: Team, rule: Assignment, policy: Policy, *, kind: str | None = None
) -> Choice:
    """Who of a team takes the next ticket, in the way of `rule`; `kind` is the ticket's technical kind.

    People with the skill of the rule (or, unless it is shared out by load alone, with that of the kind) come
    first where some are there, of these the senior ones where the rule wants it. A team without agents is
    served by its supervisor, then by an administrator.
    """
    agents = [person for person in await _agents(uow, team.id) if person.role is Role.AGENT]
    if not agents:
        return Choice(await _leader(uow, team))
    there = {person.id for person in await people_present(uow, team.id)}
    present = [person for person in agents if person.id in there]
    if not present:
        return Choice(None, ABSENT)
    general = policy.open_limit(team.name)
    limited = any(person.open_limit or general for person in present)
    by_load = rule.by != "round_robin"
    if by_load and uow.ahead is None:
        # Two who look at the same loads at once would both choose the same person.
        await hold(uow, [f"assign:{team.id.hex}"])
    loads = await _loads(uow, present, policy) if limited or by_load else {}
    free = [person for person in present if _has_room(person, general, loads)]
    if not free:
        return Choice(None, FULL)
    skill = rule.skill or (None if rule.by == "load" else kind)
    skilled = [person for person in free if skill and skill in person.skills]
    pool = skilled or free
    if rule.senior:
        pool = [person for person in pool if person.senior] or pool
    if by_load:
        return Choice(min(pool, key=lambda person: (loads[person.id].weight, *_waiting(person))))
    turn = await uow.draw_turn(_series(team.id, rule, skill if skilled else None))
    return Choice(pool[(turn - 1) % len(pool)])


async def back_at(uow: UnitOfWork, team: Team) -> datetime | None:
    """When the first of a team's absent agents is known to be back (UTC); None: of nobody it is known."""
    now = uow.clock.now()
    agents = [person for person in await _agents(uow, team.id) if person.role is Role.AGENT]
    untils = {person.id: person.absent_until for person in agents}
    away = {ident: until for ident, until in untils.items() if until is not None and until > now}
    for row in await absences_from(uow, now, now):
        if row.staff_id in untils:
            away[row.staff_id] = max(row.ends_at, away.get(row.staff_id, row.ends_at))
    return min(away.values(), default=None)


@dataclass(frozen=True, slots=True)
class _Load:
    tickets: int = 0
    weight: int = 0


async def _loads(uow: UnitOfWork, people: Sequence[Staff], policy: Policy) -> dict[UUID, _Load]:
    """What each of these has in progress: accepted, or given to them and not accepted yet."""
    loads = {person.id: _Load() for person in people}
    rows = await uow.session.execute(
        select(Ticket.handler_id, Ticket.priority, func.count())
        .where(Ticket.handler_id.in_(loads), Ticket.state == TicketState.IN_PROGRESS)
        .group_by(Ticket.handler_id, Ticket.priority)
    )
    for handler, priority, count in rows:
        assert handler is not None  # it is one of those asked for
        before = loads[handler]
        weight = before.weight + count * policy.weight(priority)
        loads[handler] = _Load(before.tickets + count, weight)
    return loads


def _has_room(person: Staff, general: int | None, loads: dict[UUID, _Load]) -> bool:
    limit = person.open_limit or general
    return limit is None or loads[person.id].tickets < limit


def _waiting(person: Staff) -> tuple[bool, float, str]:
    last = person.last_assigned_at
    return last is not None, last.timestamp() if last else 0.0, person.number


def _series(team_id: UUID, rule: Assignment, skill: str | None) -> str:
    """The counter of turns. Those who are asked for by skill take turns of their own, so that they do not
    pass over the turns of the others.
    """
    circle = f"{team_id.hex}{skill or ''}{rule.senior}"
    return f"turn:{blake2b(circle.encode(), digest_size=12).hexdigest()}"


async def _agents(uow: UnitOfWork, team_id: UUID) -> Sequence[Staff]:
    if uow.ahead is not None:
        return [person for person in uow.ahead.staff if person.team_id == team_id]
    members = select(Staff).where(Staff.active.is_(True), Staff.team_id == team_id).order_by(Staff.number)
    return (await uow.session.scalars(members)).all()


async def _leader(uow: UnitOfWork, team: Team) -> Staff | None:
    everybody = await people_in_roles(uow, team_id=team.id, handler_id=None, roles=["supervisor"])
    return everybody[0] if everybody else None
