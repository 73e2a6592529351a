"""Progress for people, figures for both people and programs."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_BEGAN = time.monotonic()


def say(words: str) -> None:
    """A line of progress on stderr, with the seconds since the start."""
    print(f"{time.monotonic() - _BEGAN:6.1f} s  {words}", file=sys.stderr, flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that `share` (0–1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(round(share * len(ordered), 9)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the greatest, to a tenth; empty for no values."""
    if not values:
        return {}
    return {
        "p50": round(statistics.median(values), 1),
        "p95": round(percentile(values, 0.95), 1),
        "p99": round(percentile(values, 0.99), 1),
        "max": round(max(values), 1),
    }


def median_of(rounds: Sequence[Mapping[str, Any]], name: str) -> float:
    """The median of one figure over rounds."""
    return statistics.median(float(item[name]) for item in rounds)


def table(document: Mapping[str, Any]) -> str:
    """The document's figures as lines `name  value`, nested names joined by dots."""
    lines = list(_lines("", document))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _lines(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _lines(f"{prefix}.{name}" if prefix else str(name), inner)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _lines(f"{prefix}[{place}]", inner)
    else:
        yield prefix, str(value)
