"""What a race costs: CPU of the workers, their helpers and the servers, and the workers' memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ops.bench.processes import cpu_seconds, family, machine_seconds, peak_mb

if TYPE_CHECKING:
    from ops.bench.arena import Arena


class Meter:
    """CPU of the workers, their helpers, and the servers during a race, and the workers' memory."""

    def __init__(self, arena: Arena, workers: Sequence[int], helpers: Sequence[int] = ()) -> None:
        self._groups = {
            "worker": list(workers),
            "helper": list(helpers),
            "database": [arena.postgres.pid],
            "broker": [arena.redis.pid],
            "sink": [arena.sink.pid],
        }
        self._before = self._read()
        self._machine, self._began = machine_seconds(), time.monotonic()
        self._peaks: dict[int, float] = {}
        self._spent: dict[str, float] = {}
        self._busy = 0.0

    def look(self) -> None:
        """Take note of the workers' memory; whoever has ended by the end is counted as it was last seen."""
        for pid in self._groups["worker"]:
            for one in family(pid):
                self._peaks[one] = max(self._peaks.get(one, 0.0), peak_mb(one))

    def stop(self) -> None:
        """The race is over: what comes now, such as looking through a full ledger, is nobody's cost."""
        self._spent = {name: after - self._before[name] for name, after in self._read().items()}
        self._busy = (machine_seconds() - self._machine) / (time.monotonic() - self._began)
        self.look()

    def figures(self, count: int, seconds: float) -> dict[str, Any]:
        """CPU milliseconds per mail by group, and the workers' peak memory in MB (each, highest first)."""
        spent, busy = self._spent, self._busy
        peaks = sorted(self._peaks.values(), reverse=True)
        per_mail = {f"{name}_cpu_ms_per_mail": _round(value * 1000 / count) for name, value in spent.items()}
        without_sink = sum(spent.values()) - spent["sink"]
        return {
            "mails": count,
            "seconds": _round(seconds),
            "mails_per_second": _round(count / seconds),
            **per_mail,
            "all_workers_cpu_ms_per_mail": _round((spent["worker"] + spent["helper"]) * 1000 / count),
            "total_cpu_ms_per_mail": _round(without_sink * 1000 / count),
            "cores_busy": _round(sum(spent.values()) / seconds),
            "cores_busy_by_others": _round(max(0.0, busy - sum(spent.values()) / seconds)),
            "worker_peak_mb": _round(peaks[0]),
            "worker_peaks_mb": [_round(value) for value in peaks[:8]],
        }

    def _read(self) -> dict[str, float]:
        return {name: sum(cpu_seconds(pid) for pid in pids) for name, pids in self._groups.items()}


def settle(pids: Sequence[int], *, least: float = 3.0, most: float = 60.0) -> None:
    """Wait until processes have started up: at least `least` seconds, then until they take next to no CPU."""
    end = time.monotonic() + most
    time.sleep(least)
    calm = 0
    while calm < 2 and time.monotonic() < end:
        before = sum(cpu_seconds(pid) for pid in pids)
        time.sleep(0.5)
        calm = calm + 1 if sum(cpu_seconds(pid) for pid in pids) - before < 0.1 else 0


def _round(value: float) -> float:
    return round(value, 3)
