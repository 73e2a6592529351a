"""Where a target stands: what it came to, what it should come to by now, and of how many cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import select

from models.improving import Target
from models.vocabulary import TargetState
from workers.aims import look, window_of
from workers.aims.looking import FEWEST
from workers.unit_of_work import UnitOfWork

_DAY = timedelta(days=1)
SLACK = 0.1
"""A tenth of the whole way may lack before a target counts as behind: no figure moves on a straight line."""


class Stand(StrEnum):
    """Where a target stands. `reached` while it runs: the goal is met just now, and has to last."""

    ON_TRACK = "on_track"
    BEHIND = "behind"
    REACHED = "reached"
    MISSED = "missed"
    TOO_FEW = "too_few"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Standing:
    """A target now, or as it ended. `current` and `expected` are in the measure's unit; `current` is None
    where there is no case at all. `cases`: of how many, in the window that ends on `until` (UTC, exclusive).
    `way`: the part of the way from start to goal that is done (1: all; may be below 0 and above 1).
    """

    target: Target
    stand: Stand
    current: float | None
    cases: int
    expected: float
    way: float | None
    until: datetime


async def standing(uow: UnitOfWork, target: Target) -> Standing:
    """Where it stands: of one that runs as measured now, of one that has ended as it ended."""
    if target.state is not TargetState.RUNNING:
        ended = target.ended_at or target.ends_at
        return _judged(
            target, target.result_value, target.result_cases or 0, ended, Stand(target.state.value)
        )
    return await measured(uow, target)


async def running_standings(uow: UnitOfWork) -> list[Standing]:
    """All targets that run, what ends first in front."""
    rows = await uow.session.scalars(
        select(Target).where(Target.state == TargetState.RUNNING).order_by(Target.ends_at, Target.id)
    )
    return [await measured(uow, row) for row in rows.all()]


async def measured(uow: UnitOfWork, target: Target) -> Standing:
    """A target that runs, measured over the window up to today, or to its last day when that is over."""
    until = min(uow.clock.now(), target.ends_at)
    last_day = uow.policy.calendar.local_date(until)
    if until == target.ends_at:
        last_day = last_day_of(uow, target)
    found = await look(uow, target.measure, target.scope, window_of(uow, last_day, target.window_days))
    return _judged(target, found.value, found.cases, until)


def last_day_of(uow: UnitOfWork, target: Target) -> date:
    """The last local day of a target."""
    return uow.policy.calendar.local_date(target.ends_at) - _DAY


def _judged(
    target: Target, current: float | None, cases: int, until: datetime, stand: Stand | None = None
) -> Standing:
    whole = target.goal_value - target.start_value
    expected = target.start_value + whole * _part_of_time(target, until)
    way = None if current is None else (current - target.start_value) / whole
    if stand is None:
        stand = _stand(target, way, cases, until)
    return Standing(target, stand, current, cases, expected, way, until)


def _stand(target: Target, way: float | None, cases: int, until: datetime) -> Stand:
    if way is None or cases < FEWEST:
        return Stand.TOO_FEW
    if way >= 1:
        return Stand.REACHED
    if until >= target.ends_at:
        return Stand.MISSED
    return Stand.ON_TRACK if way >= _part_of_time(target, until) - SLACK else Stand.BEHIND


def _part_of_time(target: Target, at: datetime) -> float:
    return min(1.0, max(0.0, (at - target.starts_at) / (target.ends_at - target.starts_at)))
