"""The public questions: figures of a period, the same by groups, and as a trend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from sqlalchemy import func, select

from models.tickets import Ticket
from workers.errors import InvalidInput
from workers.measures import care, counts, limits, messages, scores, times, working
from workers.measures.asking import Question
from workers.measures.catalogue import CATALOGUE, Unit
from workers.measures.discretion import hide_differences
from workers.measures.figure import Figure, Figures, GroupFigures, Silence
from workers.measures.making import count, no_value
from workers.measures.narrowing import Group, Narrowing, Viewer
from workers.measures.period import Period
from workers.measures.times import Found
from workers.unit_of_work import UnitOfWork

_FAMILIES: Mapping[str, Callable[[Question, Collection[str]], Awaitable[Found]]] = {
    "received": counts.received,
    "transfers": counts.transfers,
    "types": counts.types,
    "first_response": times.first_response,
    "first_response_working": working.first_response,
    "acceptance": times.acceptance,
    "resolution": times.resolution,
    "resolution_working": working.resolution,
    "results": counts.results,
    "overdue": limits.overdue,
    "scores": scores.scores,
    "surveys": care.surveys,
    "followups": care.followups,
    "evaluations": care.evaluations,
    "messages": messages.states,
    "delays": messages.delays,
}


async def figures(
    uow: UnitOfWork, viewer: Viewer, period: Period, narrowing: Narrowing, measures: Collection[str]
) -> Figures:
    """The figures of a period by these keys of the catalogue, in this order. Raises InvalidInput for a key
    that is none. What a viewer may not see comes without a value, and says so.
    """
    asked = Question(uow, viewer, period, narrowing)
    found = await _computed(asked, measures)
    items = {key: _shown(viewer, key, found.get(None, {})) for key in measures}
    return Figures(period, narrowing, items, await _special(asked))


async def by_group(
    uow: UnitOfWork,
    viewer: Viewer,
    period: Period,
    narrowing: Narrowing,
    measures: Collection[str],
    group: Group,
) -> list[GroupFigures]:
    """The same for each group that has any case; parts of the period (`day` … `quarter`) all, in order.

    Others come by their code; what belongs to none (nobody's requests) comes last.
    """
    asked = Question(uow, viewer, period, narrowing, group)
    found = await _computed(asked, measures)
    if asked.parts:
        found = {number: found.get(number, {}) for number in range(len(asked.parts))}
    names = await asked.labels(list(found))
    rows = [
        GroupFigures(*names.get(key, ("", "")), {each: _shown(viewer, each, mine) for each in measures})
        for key, mine in found.items()
    ]
    return rows if asked.parts else sorted(rows, key=lambda row: (row.key == "", row.key))


async def _computed(asked: Question, measures: Collection[str]) -> dict[Any, dict[str, Figure]]:
    """All figures that the viewer may see, family by family, each in statements of its own."""
    families: dict[str, list[str]] = defaultdict(list)
    for key in measures:
        if key not in CATALOGUE:
            raise InvalidInput("there is no such measure", hint="ask for the catalogue of measures")
        if asked.viewer.own is None or CATALOGUE[key].for_agents:
            families[CATALOGUE[key].family].append(key)
    found: dict[Any, dict[str, Figure]] = defaultdict(dict)
    for family, keys in families.items():
        for group, some in (await _FAMILIES[family](asked, keys)).items():
            found[group].update(some)
    return hide_differences(found, [key for key in measures if key in CATALOGUE])


def _shown(viewer: Viewer, key: str, found: Mapping[str, Figure]) -> Figure:
    if viewer.own is not None and not CATALOGUE[key].for_agents:
        return no_value(key, Silence.NOT_FOR_AGENTS)
    nothing = count(key, 0) if CATALOGUE[key].unit is Unit.COUNT else no_value(key)
    return found.get(key, nothing)


async def _special(asked: Question) -> dict[str, int]:
    """The special periods that requests of this period fell into, and how many did."""
    rows = asked.tickets(Ticket.received_at, Ticket.special_period.label("label"), apart=False)
    found = rows.where(Ticket.special_period.is_not(None)).subquery()
    query = select(found.c.label, func.count()).group_by(found.c.label).order_by(found.c.label)
    return dict((await asked.uow.session.execute(query)).all())
