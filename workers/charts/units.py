"""What a figure is, how it is said, and where the marks of its axis stand."""

from __future__ import annotations

from enum import StrEnum
from math import ceil, floor, log10

from workers.text import duration_words


class Unit(StrEnum):
    """count: how many. percent: a share from 0 to 1. seconds: a length of time. score: a mean of 1 to 5."""

    COUNT = "count"
    PERCENT = "percent"
    SECONDS = "seconds"
    SCORE = "score"


SCORES = (1.0, 5.0)
_TIMES = (
    1,
    5,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    21600,
    43200,
    86400,
    172_800,
    432_000,
)
_DAY = 86_400
MARKS = 4
"""Marks of an axis, about."""


def words_of(value: float, unit: Unit, locale: str) -> str:
    """A figure in words: 1,234 · 15.3 % · 3分22秒 · 4.25."""
    if unit is Unit.PERCENT:
        return f"{_short(round(value * 100, 1))} %"
    if unit is Unit.SECONDS:
        return duration_words(value, locale)
    if unit is Unit.SCORE:
        return f"{value:.2f}"
    return _short(round(value, 1))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def steps(highest: float, unit: Unit) -> list[float]:
    """Where the marks of an axis stand that begins at 0 and reaches `highest`: about four round figures."""
    if unit is Unit.SCORE:
        return [1.0, 2.0, 3.0, 4.0, 5.0]
    step = _step(max(highest, 1e-9) / MARKS, unit)
    return [round(step * each, 6) for each in range(floor(highest / step + 1e-9) + 1)]


def _step(least: float, unit: Unit) -> float:
    """The smallest round step that is not smaller than this."""
    if unit is Unit.SECONDS:
        fit = next((each for each in _TIMES if each >= least), None)
        return float(fit) if fit else ceil(least / _DAY / 5) * 5 * float(_DAY)
    if unit is Unit.COUNT:
        least = max(least, 1)
    power = 10.0 ** floor(log10(least))
    fit = next(each for each in (1, 2, 5, 10) if each * power >= least * (1 - 1e-9))
    return float(fit * power)
