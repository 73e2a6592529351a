"""Figures from what was counted: shares, means with their intervals, and what is too few to be told."""

from __future__ import annotations

import math
from collections.abc import Sequence

from workers.measures.catalogue import CATALOGUE
from workers.measures.figure import Figure, Part, Silence

SMALLEST_GROUP = 5
"""Scores of fewer answers are not told. So many anonymous ones leave the ballot box together, so no
difference of two figures tells of fewer either."""
FEWEST_RANKED = 10
"""Whoever has fewer answers is not ranked: with ten, the mean of scores that vary by one is still uncertain
by seven tenths either way."""
MUCH = 15
"""Per cent of low scores (1–2) from which they are highlighted (row D6)."""
_Z = 1.959964


def no_value(key: str, silence: Silence = Silence.NO_CASES, cases: int = 0) -> Figure:
    """A figure without a value, and why."""
    return Figure(key, CATALOGUE[key].unit, None, cases, silence=silence, ranked=False)


def number(key: str, value: float, cases: int) -> Figure:
    """A plain value computed from so many cases; without cases it has none."""
    return Figure(key, CATALOGUE[key].unit, value, cases) if cases else no_value(key)


def count(key: str, cases: int, parts: Sequence[Part] = ()) -> Figure:
    """How many there were."""
    return Figure(key, CATALOGUE[key].unit, float(cases), cases, parts=tuple(parts))


def share(key: str, some: int, of: int) -> Figure:
    """`some` of `of`, with the interval of Wilson (1927), which fits for shares near 0 and 1 as well."""
    if not of:
        return no_value(key)
    low, high = _wilson(some, of)
    return Figure(key, CATALOGUE[key].unit, some / of, of, low, high)


def parts(counts: Sequence[tuple[str, int]]) -> tuple[Part, ...]:
    """Each part with its share of all of them."""
    total = sum(cases for _, cases in counts)
    return tuple(Part(key, cases, cases / total if total else 0.0) for key, cases in counts)


def mean_score(key: str, cases: int, total: float, squares: float) -> Figure:
    """The mean of scores 1…5 from their number, sum and sum of squares, with Student's interval."""
    if cases < SMALLEST_GROUP:
        return no_value(key, Silence.TOO_FEW if cases else Silence.NO_CASES, cases)
    mean = total / cases
    variance = max(0.0, (squares - cases * mean * mean) / (cases - 1))
    reach = _student(cases - 1) * math.sqrt(variance / cases)
    low, high = max(1.0, mean - reach), min(5.0, mean + reach)
    return Figure(key, CATALOGUE[key].unit, mean, cases, low, high, ranked=cases >= FEWEST_RANKED)


def low_share(key: str, low: int, cases: int) -> Figure:
    """The share of scores 1–2, highlighted from 15 % on."""
    if cases < SMALLEST_GROUP:
        return no_value(key, Silence.TOO_FEW if cases else Silence.NO_CASES, cases)
    ends = _wilson(low, cases)
    much = 100 * low >= MUCH * cases
    ranked = cases >= FEWEST_RANKED
    return Figure(key, CATALOGUE[key].unit, low / cases, cases, *ends, highlighted=much, ranked=ranked)


def _wilson(some: int, of: int) -> tuple[float, float]:
    portion, squared = some / of, _Z * _Z
    middle = (portion + squared / (2 * of)) / (1 + squared / of)
    reach = _Z * math.sqrt(portion * (1 - portion) / of + squared / (4 * of * of)) / (1 + squared / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t by the expansion of Cornish and Fisher: right to 0.01 from four
    degrees of freedom on, which is the fewest that are asked for.
    """
    z = _Z
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
