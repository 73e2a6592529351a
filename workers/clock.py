"""The three kinds of time.

* `now()` is the time of promises: deadlines, limits, verdicts. A demo speeds it up, tests move it by hand.
* `machine()` is the machine's wall time: leases, retry pauses, signature windows. Nothing moves it.
* `real_delay(due)` turns a promised moment into the seconds a bell has to wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Port for time; all moments are aware datetimes in UTC."""

    def now(self) -> datetime:
        """Promise time."""
        ...

    def machine(self) -> datetime:
        """Wall time of this machine."""
        ...

    def real_delay(self, due: datetime) -> float:
        """Seconds of machine time until promise time `due`; 0 when it has come."""
        ...


class SystemClock:
    """Promise time is machine time: what every real installation runs on."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def machine(self) -> datetime:
        return datetime.now(UTC)

    def real_delay(self, due: datetime) -> float:
        return max(0.0, (due - self.now()).total_seconds())


MAY_PART = 5.0
"""Seconds that wall and steady clock may part before nobody knows any more what is due."""
CORRECTION = 1.0
"""Seconds by which time servers set a clock right: such steps are followed, lest they add up in years."""


def _steady() -> float:
    # Unlike the monotonic clock, the boot-time clock goes on while a laptop sleeps: waking is no jump.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class ClockWatch:
    """Notices that the wall clock of this machine was set while the process runs.

    What is due then nobody knows: no alarm is heard, no errand done, no message begun until the clock is
    right again; what comes in is taken in. Starting the process anew says that the new time is the true one.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = _steady) -> None:
        self._wall = wall
        self._steady = steady
        self._apart = wall() - steady()

    def jump(self) -> float:
        """By how many seconds the wall clock is ahead (negative: behind) of where it ought to be."""
        apart = self._wall() - self._steady()
        jump = apart - self._apart
        if abs(jump) <= CORRECTION:
            self._apart = apart
        return jump

    def parted(self) -> bool:
        """Whether it was set by more than MAY_PART seconds."""
        return abs(self.jump()) > MAY_PART


class FastClock:
    """Promise time that runs `speed` times as fast as the machine's, from `start` on (for demonstrations).

    `at` is the machine's time (seconds since 1970) at which it starts, default now: until then it stands
    still at `start`. Clocks of several processes with the same three figures show the same time. It is
    driven by the monotonic clock, so that a correction of the wall clock does not make it jump.
    """

    def __init__(self, speed: float, start: datetime | None = None, at: float | None = None) -> None:
        if speed <= 0:
            raise ValueError("speed must be positive")
        self.speed = speed
        self._start = start or datetime.now(UTC)
        self._origin = time.monotonic() + (at - time.time() if at is not None else 0.0)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=max(0.0, time.monotonic() - self._origin) * self.speed)

    def machine(self) -> datetime:
        return datetime.now(UTC)

    def real_delay(self, due: datetime) -> float:
        at_speed = (due - self._start).total_seconds() / self.speed
        return max(0.0, at_speed - (time.monotonic() - self._origin)) if due > self._start else 0.0


def clock_for(speed: float, start: datetime | None = None, at: float | None = None) -> Clock:
    """The clock of an installation: the machine's own, or for a demonstration one that hurries."""
    return SystemClock() if speed == 1 and start is None else FastClock(speed, start, at)
