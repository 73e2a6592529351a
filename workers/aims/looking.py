"""A figure over a window of whole local days, and whether there are enough cases to judge by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from workers.aims.scope import narrowing_for
from workers.errors import InvalidInput
from workers.measures import CATALOGUE, EVERYTHING, Figure, Measure, Period, days_between, figures
from workers.unit_of_work import UnitOfWork

FEWEST = 10
"""A value of fewer cases says nothing that a target could be judged by."""
_NO_VALUE = "distribution"


@dataclass(frozen=True, slots=True)
class Look:
    """A measure over a period: its value in its own unit (None: there is none) and of how many cases."""

    period: Period
    value: float | None
    cases: int

    @property
    def enough(self) -> bool:
        """Whether it can be judged."""
        return self.value is not None and self.cases >= FEWEST


def measure_named(key: str) -> Measure:
    """The measure of the catalogue that has one value. Raises InvalidInput."""
    found = CATALOGUE.get(key)
    if found is None or key.endswith(_NO_VALUE):
        raise InvalidInput(
            "there is no measure of this name with one value", hint="ask for the catalogue of measures"
        )
    return found


def window_of(uow: UnitOfWork, last_day: date, days: int) -> Period:
    """The `days` local days up to `last_day`, which is included."""
    return days_between(last_day - timedelta(days=days - 1), last_day, ZoneInfo(uow.policy.zone))


def window_before(uow: UnitOfWork, day: date, days: int) -> Period:
    """The `days` local days before `day`."""
    return window_of(uow, day - timedelta(days=1), days)


async def look(uow: UnitOfWork, measure: str, scope: Mapping[str, Any], period: Period) -> Look:
    """What the measure comes to in this period."""
    figure = (await figures_of(uow, (measure,), scope, period))[measure]
    return Look(period, figure.value, figure.cases)


async def figures_of(
    uow: UnitOfWork, keys: tuple[str, ...], scope: Mapping[str, Any], period: Period
) -> Mapping[str, Figure]:
    """Several measures of a scope in a period."""
    return (await figures(uow, EVERYTHING, period, narrowing_for(scope), keys)).items
