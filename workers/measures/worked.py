"""Working time between many pairs of moments: for each calendar it is summed up once, then looked up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from workers.calendars import Calendar
from workers.measures.period import DAY
from workers.policy import Case, Policy

AROUND = 90 * DAY
"""How far beyond what is asked for a sum is drawn up, so that it seldom has to be drawn up anew."""


class Sums:
    """The working time of one calendar up to each of its openings, from `first` to `last` (UTC)."""

    def __init__(self, calendar: Calendar, first: datetime, last: datetime) -> None:
        begin, over = first - AROUND, last + AROUND
        self.first, self.last = begin.timestamp(), over.timestamp()
        self._opens: list[float] = []
        self._closes: list[float] = []
        self._before: list[float] = []
        total, at = 0.0, begin
        while at < over:
            opens = calendar.next_opening(at)
            at = calendar.next_closing(opens)
            start, end = opens.timestamp(), at.timestamp()
            self._opens.append(start)
            self._closes.append(end)
            self._before.append(total)
            total += end - start

    def between(self, start: float, end: float) -> float:
        """Seconds of working time between two moments (Unix time) within what it was drawn up for."""
        return self._until(end) - self._until(start)

    def _until(self, at: float) -> float:
        place = bisect_right(self._opens, at) - 1
        if place < 0:
            return 0.0
        return self._before[place] + min(at, self._closes[place]) - self._opens[place]


class Ruler:
    """Measures durations by the policies that judged; keeps the sums of the calendars it has met."""

    def __init__(self, policies: Mapping[UUID, Policy]) -> None:
        self._policies = policies
        self._sums: dict[int, Sums] = {}

    def calendar(self, version: UUID, case: Case) -> Calendar | None:
        """The calendar by which a request of this kind is judged; None: its priority is served around the
        clock.
        """
        own = self._policies[version].for_case(case)
        return None if own.around_the_clock(case.priority) else own.calendar

    def between(self, calendar: Calendar | None, start: float, end: float) -> float:
        """Seconds of working time from `start` to `end` (Unix time); on the clock without a calendar."""
        if calendar is None:
            return end - start
        known = self._sums.get(id(calendar))
        if known is None or start < known.first or known.last < end:
            known = self._sums[id(calendar)] = _wider(calendar, known, start, end)
        return known.between(start, end)


def _wider(calendar: Calendar, known: Sums | None, start: float, end: float) -> Sums:
    first = min(start, known.first) if known else start
    last = max(end, known.last) if known else end
    return Sums(calendar, datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC))


def spread(values: list[float]) -> tuple[int, float, float, float]:
    """Number, mean, median and 90th percentile of sorted values, as the databases compute them."""
    return len(values), sum(values) / len(values), _at(values, 0.5), _at(values, 0.9)


def _at(values: list[float], portion: float) -> float:
    wanted = (len(values) - 1) * portion
    below = int(wanted)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (wanted - below)
