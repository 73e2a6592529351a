"""The three kinds of time.

* `now()` is the time of promises: deadlines, limits, verdicts. A demo speeds it up, tests move it by hand.
* `machine()` is the machine's wall time: leases, retry pauses, signature windows. Nothing moves it.
* `real_delay(due)` turns a promised moment into the seconds a bell has to wait.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
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
MAY_DIFFER = 20.0
"""Seconds that the clocks of this machine and of the database may differ: so much any lease has to spare."""
COMPARED_EVERY = 10.0
SURE_SECONDS = 2.0
"""An answer that took longer does not say what time it is."""
CORRECTION = 1.0
"""Seconds by which time servers set a clock right: such steps are followed, lest they add up in years."""


def _steady() -> float:
    # Unlike the monotonic clock, the boot-time clock goes on while a laptop sleeps: waking is no jump.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class ClockWatch:
    """Notices that the wall clock of this machine was set while the process runs, or is another one than the
    database's.

    What is due then nobody knows: no alarm is heard, no errand done, no message begun until the clock is
    right again; what comes in is taken in. Starting the process anew says that the new time is the true one,
    unless the database says otherwise: whose clock is ahead takes for lost what others are about to send.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = _steady) -> None:
        self._wall = wall
        self._steady = steady
        self._apart = wall() - steady()
        self._differs = 0.0
        self._compared_at = -COMPARED_EVERY

    def jump(self) -> float:
        """By how many seconds the wall clock is ahead (negative: behind) of where it ought to be."""
        apart = self._wall() - self._steady()
        jump = apart - self._apart
        if abs(jump) <= CORRECTION:
            self._apart = apart
        return jump

    def compared(self, differs: float) -> None:
        """This machine's clock is `differs` seconds ahead of the database's (negative: behind).

        One that differed and agrees now was put right: that is no jump, even if it was wrong from the start.
        """
        if abs(self._differs) > MAY_DIFFER >= abs(differs):
            self._apart = self._wall() - self._steady()
        self._differs = differs
        self._compared_at = time.monotonic()

    async def compare(self, ask: Callable[[], Awaitable[float | None]]) -> None:
        """Ask the database what time it is (seconds since 1970). An answer that took long says nothing."""
        asked = time.time()
        theirs = await ask()
        took = time.time() - asked
        if theirs is not None and took <= SURE_SECONDS:
            self.compared(asked + took / 2 - float(theirs))

    @property
    def to_be_compared(self) -> bool:
        """Whether it was not compared for a while."""
        return time.monotonic() - self._compared_at >= COMPARED_EVERY

    def differs(self) -> float:
        """By how many seconds it is ahead of the database's clock, if that is too much; else 0."""
        return self._differs if abs(self._differs) > MAY_DIFFER else 0.0

    def wrong_by(self) -> float:
        """By how many seconds the clock of this machine is wrong; 0 if it is right as far as is known."""
        jump = self.jump()
        return jump if abs(jump) > MAY_PART else self.differs()

    def parted(self) -> bool:
        """Whether nobody knows what is due."""
        return self.wrong_by() != 0


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
