"""Working time between many pairs of moments: for each calendar it is summed up once, then looked up."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from uuid import UUID

from workers.calendars import Calendar
from workers.measures.period import DAY
from workers.policy import Case, Policy
from workers.unit_of_work import UnitOfWork

AROUND = 90 * DAY
"""How far beyond what is asked for a sum is drawn up, so that it seldom has to be drawn up anew."""


class Sums:
    """The working time of one calendar up to each of its openings, from `first` to `last` (UTC)."""

    def __init__(self, calendar: Calendar, first: datetime, last: datetime) -> None:
        self.first, self.last = first - AROUND, last + AROUND
        self._opens: list[float] = []
        self._closes: list[float] = []
        self._before: list[float] = []
        total, at = 0.0, self.first
        while at < self.last:
            opens = calendar.next_opening(at)
            at = calendar.next_closing(opens)
            start, end = opens.timestamp(), at.timestamp()
            self._opens.append(start)
            self._closes.append(end)
            self._before.append(total)
            total += end - start

    def between(self, start: datetime, end: datetime) -> float:
        """Seconds of working time from `start` to `end`, both within what it was drawn up for."""
        return self._until(end.timestamp()) - self._until(start.timestamp())

    def _until(self, at: float) -> float:
        place = bisect_right(self._opens, at) - 1
        if place < 0:
            return 0.0
        return self._before[place] + min(at, self._closes[place]) - self._opens[place]


class Ruler:
    """Measures durations by the policies that judged; keeps the sums of the calendars it has met."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._policies: dict[UUID, Policy] = {}
        self._calendars: dict[tuple[UUID, Case], Calendar | None] = {}
        self._sums: dict[int, Sums] = {}

    async def know(self, version: UUID) -> Policy:
        """The policy of a version; must have been asked for before something is measured by it."""
        if version not in self._policies:
            self._policies[version] = await self._uow.policy_of(version)
        return self._policies[version]

    def between(self, version: UUID, case: Case, start: datetime, end: datetime) -> float:
        """Seconds of working time from `start` to `end` for a request of this kind; on the clock where its
        priority is served around the clock.
        """
        key = (version, case)
        if key not in self._calendars:
            own = self._policies[version].for_case(case)
            around = own.around_the_clock(case.priority)
            self._calendars[key] = None if around else own.calendar
        calendar = self._calendars[key]
        if calendar is None:
            return (end - start).total_seconds()
        return self._covering(calendar, start, end).between(start, end)

    def _covering(self, calendar: Calendar, start: datetime, end: datetime) -> Sums:
        known = self._sums.get(id(calendar))
        if known is None:
            known = self._sums[id(calendar)] = Sums(calendar, start, end)
        elif start < known.first or known.last < end:
            first, last = min(start, known.first), max(end, known.last)
            known = self._sums[id(calendar)] = Sums(calendar, first, last)
        return known


def spread(values: list[float]) -> tuple[int, float, float, float]:
    """Number, mean, median and 90th percentile of sorted values, as the databases compute them."""
    return len(values), sum(values) / len(values), _at(values, 0.5), _at(values, 0.9)


def _at(values: list[float], portion: float) -> float:
    wanted = (len(values) - 1) * portion
    below = int(wanted)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (wanted - below)
