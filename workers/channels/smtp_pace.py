"""How fast a relay, and each recipient domain behind it, is written to; what has to wait is told how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from workers.channels.limits import FORGET, Limit, Limiter, LocalLimiter, limit_of
from workers.channels.quota import Quotas
from workers.channels.smtp_url import Relay
from workers.metrics import Metrics

_NONE: frozenset[Relay] = frozenset()
SHORT_WAIT = 1.0
"""Seconds that a mail waits on its connection: giving the row back and claiming it again costs more."""


class Wait(NamedTuple):
    """`seconds` until the next try; `reason` is fit for an Outcome. `used_up`: ask another relay."""

    seconds: float
    reason: str
    used_up: bool = False


class Pace:
    """Asks the buckets before each mail. Where nothing is limited and nobody complained it costs nothing."""

    def __init__(
        self,
        limiter: Limiter | None = None,
        metrics: Metrics | None = None,
        now: Callable[[], float] = time.monotonic,
        quotas: Quotas | None = None,
    ) -> None:
        self._limiter: Limiter = limiter or LocalLimiter()
        self._quotas = quotas
        self._throttled = metrics.mails_throttled if metrics is not None else None
        self._now = now
        self._slowed: dict[str, float] = {}
        self._turns: dict[str, float] = {}

    async def wait(self, relay: Relay, domain: str, lane: str) -> Wait | None:
        """None when the mail may go now, else why not, and when it should be tried again.

        Waits here by itself when it is but a moment. Each that is sent away is told a later time, so that
        they do not all come back at once. What is urgent may use one burst more than the others.
        """
        seconds = await self._bucket(relay, domain, lane)
        if seconds:
            return Wait(seconds, "throttled")
        seconds = await self._quotas.take(relay, lane) if self._quotas is not None else 0.0
        return Wait(seconds, "quota", relay in self.used_up(lane)) if seconds else None

    def used_up(self, lane: str) -> frozenset[Relay]:
        """The relays whose quota of today has nothing left for this lane."""
        return self._quotas.used_up(lane) if self._quotas is not None else _NONE

    def free(self, relay: Relay, domain: str) -> bool:
        """Whether nothing is limited or counted here, so that `wait` need not be asked."""
        counted = self._quotas is not None and bool(relay.quota)
        return not counted and not self._limits(relay, domain)

    async def not_sent(self, relay: Relay | None) -> None:
        """A mail that was let go did not leave after all: it does not count for the day."""
        if self._quotas is not None and relay is not None:
            await self._quotas.give_back(relay)

    async def _bucket(self, relay: Relay, domain: str, lane: str) -> float:
        limits = self._limits(relay, domain)
        if not limits:
            return 0.0
        credit = limits[0].burst if lane == "urgent" else 0
        seconds = await self._limiter.take(limits, credit)
        if 0 < seconds <= SHORT_WAIT:
            await asyncio.sleep(seconds)
            seconds = await self._limiter.take(limits, credit)
        if seconds <= 0:
            return 0.0
        if self._throttled is not None:
            self._throttled.labels(relay.name).inc()
        return self._turn(limits[-1], seconds)

    async def complained(self, relay: Relay, domain: str) -> None:
        """The relay said that this domain, or the one behind it, wants fewer mails (421, 4.7.28)."""
        limit = limit_of(relay.name, relay.per_domain, domain)
        self._slowed[limit.key] = self._now() + FORGET
        await self._limiter.slow(limit.key)

    async def aclose(self) -> None:
        """Give back the limiter's connections."""
        await self._limiter.aclose()

    def _limits(self, relay: Relay, domain: str) -> list[Limit]:
        limits = [limit_of(relay.name, relay.rate)] if relay.rate else []
        if relay.per_domain or self._slowed:
            limit = limit_of(relay.name, relay.per_domain, domain)
            if relay.per_domain or self._slowed.get(limit.key, 0.0) > self._now():
                limits.append(limit)
        return limits

    def _turn(self, limit: Limit, seconds: float) -> float:
        now = self._now()
        if len(self._turns) > 10_000:
            self._turns = {key: turn for key, turn in self._turns.items() if turn > now}
        turn = max(now + seconds, self._turns.get(limit.key, 0.0) + max(limit.interval, 0.05))
        self._turns[limit.key] = turn
        return turn - now


class Counted:
    """The relay whose quota a mail under way counts for; one that does not leave gives its place back."""

    def __init__(self, pace: Pace) -> None:
        self.relay: Relay | None = None
        self._pace = pace

    async def give_back(self) -> None:
        """It did not leave, at least not here."""
        relay, self.relay = self.relay, None
        await self._pace.not_sent(relay)
