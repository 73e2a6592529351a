"""The same durations in working time: by the calendar and the policy version that judged each request.

Requests are read day by day, each by a statement of its own, and only their durations kept (8 bytes each).
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from sqlalchemy import Row, String, select, type_coerce

from models.keys import PolicyVersion
from models.people import Customer, Team
from models.tickets import Ticket
from models.vocabulary import Priority
from workers.calendars import Calendar
from workers.measures.asking import Question
from workers.measures.period import DAY
from workers.measures.sql import unix_time
from workers.measures.times import BUCKETS, Found, distribution, ends_of, spread_figures, timed
from workers.measures.worked import Ruler, spread
from workers.policy import Case, Policy

SLICES = 30
"""So many statements read a period, one a day of a shorter one; more where each would read of more than:"""
WIDEST = 14 * DAY


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
    versions = await asked.uow.session.scalars(select(PolicyVersion.id))
    policies = {version: await asked.uow.policy_of(version) for version in versions}
    teams = dict((await asked.uow.session.execute(select(Team.id, Team.name))).all())
    ruler = Ruler(policies)
    simple = not any(policy.document.calendar_for for policy in policies.values())
    calendars: dict[Any, Calendar | None] = {}
    by_group: dict[Any, array[float]] = defaultdict(lambda: array("d"))
    grouped = asked.group is not None
    async for rows in _slices(asked, clock, simple):
        for row in rows:
            told: tuple[Any, ...] = tuple(row)
            group, values = (told[0], told[1:]) if grouped else (None, told)
            start, end, key = values[0], values[1], values[2:]
            if key not in calendars:
                calendars[key] = ruler.calendar(key[0], _case(policies[key[0]], key, teams))
            by_group[group].append(ruler.between(calendars[key], start, end))
    return by_group


async def _slices(asked: Question, clock: str, simple: bool) -> AsyncIterator[Sequence[Row[Any]]]:
    """Begin and end in Unix time, and of what kind a request is, a day of the period after the other (of a
    longer one some days at once). Priorities are read as words: enums of so many rows would take their time.
    """
    moment, end = ends_of(clock)
    kind: list[Any] = [Ticket.policy_version_id, type_coerce(Ticket.priority, String)]
    if not simple:
        kind += [Ticket.category, Ticket.subkind, Ticket.channel, Ticket.team_id]
        kind += [Customer.level, Customer.customer_group]
    session = asked.uow.session
    moments = unix_time(session, Ticket.received_at), unix_time(session, end)
    query = asked.tickets(moment, *moments, *kind, customers=not simple).where(timed(clock))
    begin, last = asked.period.first, asked.period.last
    width = min(max(DAY, (last - begin) / SLICES), WIDEST)
    while begin < last:
        until = min(begin + width, last)
        yield (await session.execute(query.where(moment >= begin, moment < until))).all()
        begin = until


def _case(policy: Policy, kind: Sequence[Any], teams: dict[Any, str]) -> Case:
    """What the calendar of a request depends on; nothing but its priority where no policy has several."""
    priority = Priority(kind[1])
    if not policy.document.calendar_for:
        return Case(priority)
    category, subkind, channel, team_id, level, group = kind[2:]
    team = teams.get(team_id)
    if team is None:
        team = policy.assignment(category, subkind, level, priority, channel).team
    return Case(
        priority=priority,
        category=category,
        customer_level=level,
        customer_group=group,
        team=team,
        channel=channel,
    )
