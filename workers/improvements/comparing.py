"""Whether a measure worked: the same figure before it and after it, and whether the difference may be chance.

The rule. Fewer than `FEWEST` cases on either side say nothing. Shares and scores come with 95 % intervals;
the interval of their difference is made of both (Zou and Donner 2008, "MOVER"), and a change is one where it
leaves zero out. Durations are skewed, so what counts is how often a case after is quicker than one before:
the probability of superiority over the classes of their distribution with its 95 % interval (Mann and Whitney
1947, variance as of DeLong 1988), and a change is one where it leaves one half out. What has neither (counts)
is shown and not judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from models.improving import Improvement
from workers.aims.looking import figures_of, window_before, window_of
from workers.measures import CATALOGUE, Better, Figure, Period
from workers.unit_of_work import UnitOfWork

FEWEST = 20
"""With fewer cases than these on a side a chance difference is likelier than one that a measure made."""
LEAST_BEFORE = 28
"""Days looked back at least."""
_Z = 1.959964


class Verdict(StrEnum):
    """What the figures say. It is advice: people decide whether the measure was met."""

    BETTER = "better"
    WORSE = "worse"
    NO_CHANGE = "no_change"
    TOO_FEW = "too_few"
    NOT_YET = "not_yet"
    NOT_JUDGED = "not_judged"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the comparison: its days, the value in the measure's unit, and of how many cases."""

    period: Period
    value: float | None
    cases: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Before and after. `low` and `high` are the 95 % interval of what is judged (see above), None where
    nothing is: of the difference after − before in the measure's unit, for durations of the probability (0–1)
    that a case after is quicker. `after` is None until the first day after is over.
    """

    measure: str
    before: Side
    after: Side | None
    verdict: Verdict
    low: float | None = None
    high: float | None = None


async def compare(uow: UnitOfWork, row: Improvement) -> Comparison | None:
    """The comparison of the latest measure of an improvement; None where no figure was named for it.

    Before: as many days as its cycle has, at least 28, up to the day before it was carried out (or was due).
    After: from that day up to its verification, or up to today.
    """
    if row.measure is None or row.measure not in CATALOGUE:
        return None
    local = uow.policy.calendar.local_date
    begun = local(row.done_at or row.due_at)
    last = min(local(uow.clock.now()), local(row.verify_at))
    keys = _keys(row.measure)
    early = window_before(uow, begun, max(LEAST_BEFORE, row.cycle_days))
    before = await figures_of(uow, keys, row.scope, early)
    if last <= begun:
        return Comparison(row.measure, _side(early, before[row.measure]), None, Verdict.NOT_YET)
    late = window_of(uow, last, (last - begun) // timedelta(days=1) + 1)
    after = await figures_of(uow, keys, row.scope, late)
    verdict, ends = judge(row.measure, before, after)
    sides = (_side(early, before[row.measure]), _side(late, after[row.measure]))
    return Comparison(row.measure, *sides, verdict, *ends)


def _keys(measure: str) -> tuple[str, ...]:
    spread = f"{CATALOGUE[measure].family}_distribution"
    return (measure, spread) if spread in CATALOGUE and spread != measure else (measure,)


def _side(period: Period, figure: Figure) -> Side:
    return Side(period, figure.value, figure.cases)


_Ends = tuple[float | None, float | None]


def judge(measure: str, before: Mapping[str, Figure], after: Mapping[str, Figure]) -> tuple[Verdict, _Ends]:
    """What two sets of figures say of a measure, and the interval by which they say it."""
    early, late = before[measure], after[measure]
    better = CATALOGUE[measure].better
    if min(early.cases, late.cases) < FEWEST or early.value is None or late.value is None:
        return Verdict.TOO_FEW, (None, None)
    if better is Better.NEITHER:
        return Verdict.NOT_JUDGED, (None, None)
    if None not in (early.low, early.high, late.low, late.high):
        ends = difference(early, late)
        return _verdict(ends, 0.0, rises=better is Better.HIGHER), ends
    spread = f"{CATALOGUE[measure].family}_distribution"
    if spread in before:
        counts = _classes(before[spread], after[spread])
        ends = superiority(*counts)
        return _verdict(ends, 0.5, rises=True), ends
    return Verdict.NOT_JUDGED, (None, None)


def _verdict(ends: tuple[float, float], middle: float, *, rises: bool) -> Verdict:
    low, high = ends
    if low <= middle <= high:
        return Verdict.NO_CHANGE
    return Verdict.BETTER if (low > middle) is rises else Verdict.WORSE


def difference(early: Figure, late: Figure) -> tuple[float, float]:
    """The 95 % interval of late − early from the interval of each."""
    a, b = late.value or 0.0, early.value or 0.0
    reach_low = math.hypot(a - (late.low or 0.0), (early.high or 0.0) - b)
    reach_high = math.hypot((late.high or 0.0) - a, b - (early.low or 0.0))
    return a - b - reach_low, a - b + reach_high


def _classes(before: Figure, after: Figure) -> tuple[list[int], list[int]]:
    """How many cases each class has before and after, quickest class first."""
    early = {part.key: part.cases for part in before.parts}
    late = {part.key: part.cases for part in after.parts}
    keys = [part.key for part in (before.parts or after.parts)]
    return [early.get(key, 0) for key in keys], [late.get(key, 0) for key in keys]


def superiority(before: Sequence[int], after: Sequence[int]) -> tuple[float, float]:
    """The 95 % interval of how probably a case after lies in a lower class than one before (a tie is half).

    Both are numbers of cases by class, the lowest class first.
    """
    many_before, many_after = sum(before), sum(after)
    if many_before < 2 or many_after < 2:
        return 0.0, 1.0
    of_after = [(sum(before[place + 1 :]) + before[place] / 2) / many_before for place in range(len(before))]
    of_before = [(sum(after[:place]) + after[place] / 2) / many_after for place in range(len(after))]
    theta = sum(count * part for count, part in zip(after, of_after, strict=True)) / many_after
    spread = (
        _variance(after, of_after, theta) / many_after + _variance(before, of_before, theta) / many_before
    )
    reach = _Z * math.sqrt(spread)
    return max(0.0, theta - reach), min(1.0, theta + reach)


def _variance(counts: Sequence[int], parts: Sequence[float], mean: float) -> float:
    total: Any = sum(count * (part - mean) ** 2 for count, part in zip(counts, parts, strict=True))
    return float(total) / (sum(counts) - 1)
