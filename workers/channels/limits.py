"""How fast may be sent: token buckets per relay and per recipient domain, shared by all workers or local.

The buckets are kept as GCRA does: one number each, the moment at which the bucket will be full again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple, Protocol

SLOWEST = 10
COOL = 5.0
FORGET = 900.0
"""Seconds after which a domain that was slowed down and did not complain again goes at full speed."""


class Limit(NamedTuple):
    """A bucket: `interval` seconds a mail (0: only if slowed down), of which `burst` may go at once."""

    key: str
    interval: float
    burst: int


class Limiter(Protocol):
    """Where the buckets are kept."""

    async def take(self, limits: Sequence[Limit], credit: int = 0) -> float:
        """0 when one mail may go now (and has been counted in every bucket), else seconds to wait (nothing
        was counted). `credit` mails more than the burst may go: for what is urgent.
        """
        ...

    async def slow(self, key: str) -> None:
        """The other side found it too much: halve the speed of this bucket, for a while."""
        ...

    async def count(self, key: str, by: int, seconds: float) -> int:
        """Add to a counter that is forgotten after `seconds`; its new value."""
        ...

    async def aclose(self) -> None:
        """Give back connections."""
        ...


def limit_of(relay: str, rate: float, domain: str = "") -> Limit:
    """The bucket of a relay, or of one recipient domain behind it. The domain is kept as a hash only."""
    key = relay if not domain else f"{relay}|{blake2b(domain.encode(), digest_size=12).hexdigest()}"
    return Limit(key, 1 / rate if rate else 0.0, max(1, int(rate)))


def slowed_interval(level: int) -> float:
    """Seconds a mail after so many complaints in a row: 1, 2, 4 … 512."""
    return 2.0 ** (level - 1) if level > 0 else 0.0


class LocalLimiter:
    """Buckets of one process; safe to use from several threads. `now` is machine time in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}
        self._levels: dict[str, tuple[int, float]] = {}
        self._counts: dict[str, tuple[int, float]] = {}

    async def take(self, limits: Sequence[Limit], credit: int = 0) -> float:
        """See `Limiter`."""
        with self._lock:
            now, wait = self._now(), 0.0
            taken: list[tuple[str, float]] = []
            for limit in limits:
                interval = max(limit.interval, slowed_interval(self._level(limit.key, now)))
                if not interval:
                    continue
                burst = limit.burst if interval == limit.interval else 1
                full_at = max(self._full_at.get(limit.key, 0.0), now)
                wait = max(wait, full_at - now - (burst - 1 + credit) * interval)
                taken.append((limit.key, full_at + interval))
            if wait <= 0:
                self._full_at.update(taken)
                self._tidy(now)
            return max(0.0, wait)

    async def slow(self, key: str) -> None:
        """See `Limiter`."""
        with self._lock:
            now = self._now()
            level, since = self._level(key, now), self._levels.get(key, (0, -COOL))[1]
            if now - since >= COOL or level == 0:
                self._levels[key] = (min(SLOWEST, level + 1), now)

    async def count(self, key: str, by: int, seconds: float) -> int:
        """See `Limiter`."""
        with self._lock:
            now = self._now()
            value, until = self._counts.get(key, (0, 0.0))
            value = by + (value if until > now else 0)
            self._counts[key] = (value, now + seconds)
            return value

    async def aclose(self) -> None:
        """Nothing to give back."""

    def _level(self, key: str, now: float) -> int:
        level, since = self._levels.get(key, (0, 0.0))
        return level if now - since < FORGET else 0

    def _tidy(self, now: float) -> None:
        if len(self._full_at) > 10_000:
            self._full_at = {key: moment for key, moment in self._full_at.items() if moment > now}
            self._counts = {key: kept for key, kept in self._counts.items() if kept[1] > now}
            self._levels = {key: told for key, told in self._levels.items() if now - told[1] < FORGET}
