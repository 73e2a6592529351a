"""The same durations in working time: by the calendar and the policy version that judged each request.

Requests are read in batches, each by a statement of its own, and only their durations kept (8 bytes each).
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from sqlalchemy import Row, or_, select

from models.people import Customer, Team
from models.tickets import Ticket
from workers.measures.asking import Question
from workers.measures.times import BUCKETS, Found, distribution, ends_of, spread_figures
from workers.measures.worked import Ruler, spread
from workers.policy import Case, Policy

BATCH = 5_000


async def first_response(asked: Question, wanted: Collection[str]) -> Found:
    """First response − received in working time."""
    return await _worked(asked, "first_response", wanted)


async def resolution(asked: Question, wanted: Collection[str]) -> Found:
    """Result − received in working time."""
    return await _worked(asked, "resolution", wanted)


async def _worked(asked: Question, clock: str, wanted: Collection[str]) -> Found:
    family = f"{clock}_working"
    found: Found = {}
    for group, durations in (await _durations(asked, clock)).items():
        values = sorted(durations)
        figures = spread_figures(family, spread(values))
        figures |= distribution(family, clock, _counts(clock, values))
        found[group] = {key: figures[key] for key in wanted}
    return found


def _counts(clock: str, values: Sequence[float]) -> list[int]:
    counts = [0] * (len(BUCKETS[clock]) + 1)
    edges = [edge for _, edge in BUCKETS[clock]]
    place = 0
    for value in values:  # in order
        while place < len(edges) and value > edges[place]:
            place += 1
        counts[place] += 1
    return counts


async def _durations(asked: Question, clock: str) -> dict[Any, array[float]]:
    ruler = Ruler(asked.uow)
    teams = dict((await asked.uow.session.execute(select(Team.id, Team.name))).all())
    by_group: dict[Any, array[float]] = defaultdict(lambda: array("d"))
    async for rows in _batches(asked, clock):
        for row in rows:
            policy = await ruler.know(row.policy_version_id)
            case = _case(policy, row, teams)
            worked = ruler.between(row.policy_version_id, case, row.received_at, row.ended_at)
            by_group[row.grp if asked.group is not None else None].append(worked)
    return by_group


async def _batches(asked: Question, clock: str) -> AsyncIterator[Sequence[Row[Any]]]:
    """The requests in order of the moment by which they belong to the period, so many at once."""
    moment, end = ends_of(clock)
    query = asked.tickets(
        moment,
        Ticket.id,
        moment.label("moment"),
        Ticket.received_at,
        end.label("ended_at"),
        Ticket.policy_version_id,
        Ticket.priority,
        Ticket.category,
        Ticket.subkind,
        Ticket.channel,
        Ticket.team_id,
        Customer.level,
        Customer.customer_group,
        customers=True,
    )
    query = query.where(end.is_not(None)).order_by(moment, Ticket.id).limit(BATCH)
    rows = (await asked.uow.session.execute(query)).all()
    while rows:
        yield rows
        if len(rows) < BATCH:
            return
        last = rows[-1]
        after = query.where(moment >= last.moment, or_(moment > last.moment, Ticket.id > last.id))
        rows = (await asked.uow.session.execute(after)).all()


def _case(policy: Policy, row: Row[Any], teams: dict[Any, str]) -> Case:
    """What the calendar of a request depends on; nothing but its priority where the policy has only one."""
    if not policy.document.calendar_for:
        return Case(row.priority)
    team = teams.get(row.team_id)
    if team is None:
        facts = (row.category, row.subkind, row.level, row.priority, row.channel)
        team = policy.assignment(*facts).team
    return Case(
        priority=row.priority,
        category=row.category,
        customer_level=row.level,
        customer_group=row.customer_group,
        team=team,
        channel=row.channel,
    )
