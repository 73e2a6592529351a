"""Resident memory of worker processes over time: how much, and whether it grows."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ops.bench.processes import peak_mb, resident_mb

EVERY_SECONDS = 0.5
WARM_UP = 0.25
"""The share of a run in which pools and caches fill; what grows later than that is a leak."""

Sample = tuple[float, float]


class Watcher:
    """Takes the memory of each process twice a second, in a thread of its own."""

    def __init__(self, names: Mapping[str, int]) -> None:
        self._names = dict(names)
        self.samples: dict[str, list[Sample]] = {name: [] for name in names}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch for as long as the context lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join()

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._end.wait(EVERY_SECONDS):
            for name, pid in self._names.items():
                self.samples[name].append((time.monotonic() - began, resident_mb(pid)))

    def figures(self) -> dict[str, Any]:
        """`summary` of each process, with the peak that the kernel knows of; call it while they live."""
        return {
            name: summary(self.samples[name]) | {"peak_mb": round(peak_mb(pid), 1)}
            for name, pid in self._names.items()
        }


def summary(samples: Sequence[Sample]) -> dict[str, Any]:
    """First, last and greatest MB of (seconds, MB), and the slope after the warm-up in MB a minute."""
    if not samples:
        return {}
    late = samples[int(len(samples) * WARM_UP) :]
    return {
        "first_mb": round(samples[0][1], 1),
        "last_mb": round(samples[-1][1], 1),
        "max_mb": round(max(memory for _, memory in samples), 1),
        "slope_mb_per_minute": round(slope(late) * 60, 2),
        "every_tenth": [round(samples[len(samples) * tenth // 10][1], 1) for tenth in range(10)],
    }


def slope(samples: Sequence[Sample]) -> float:
    """MB per second of the straight line that fits (seconds, MB) best; 0 for fewer than two moments."""
    if len({moment for moment, _ in samples}) < 2:
        return 0.0
    found = statistics.linear_regression([moment for moment, _ in samples], [mb for _, mb in samples])
    return found.slope
