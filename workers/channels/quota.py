"""How many mails a relay takes a day: a share is kept for what is urgent, surveys are spread over the day."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import structlog

from workers.channels.limits import Limiter
from workers.channels.smtp_url import Relay
from workers.metrics import Metrics

log = structlog.get_logger(__name__)

RESERVED = 0.2
"""The share of a day's mails that only the urgent lane may use."""
TELLING = 0.2
"""The share that must be used before a forecast means anything."""
LONGEST_WAIT = 3600.0
LOOK_AGAIN = timedelta(minutes=1)
"""How long a used-up quota is believed in: a mail that did not leave gives its place back."""
HEAD_START = timedelta(hours=1)

SentSince = Callable[[str, datetime], Awaitable[int]]
"""How many mails a relay (by host name) has taken since a moment: what the ledger knows."""


class Day(NamedTuple):
    """The relay's day around a moment, in the team's zone; it may have 23 or 25 hours."""

    start: datetime
    end: datetime

    @classmethod
    def around(cls, now: datetime, zone: ZoneInfo) -> Day:
        """The day that `now` falls in."""
        today = now.astimezone(zone).date()
        start, end = (
            datetime.combine(day, time(), zone).astimezone(now.tzinfo)
            for day in (today, today + timedelta(days=1))
        )
        return cls(start, end)

    def share(self, now: datetime) -> float:
        """How much of the day is over, 0 to 1."""
        return min(1.0, max(0.0, (now - self.start) / (self.end - self.start)))


class Quotas:
    """Counts what each relay took today, in the limiter that all workers share.

    `now` gives machine time, UTC: a provider's day passes no faster in a demonstration. `sent_since` fills
    a counter that was lost; without it counting begins at 0. `relays` are all there are, first choice first.
    """

    def __init__(
        self,
        limiter: Limiter,
        zone: ZoneInfo,
        now: Callable[[], datetime],
        *,
        sent_since: SentSince | None = None,
        metrics: Metrics | None = None,
        relays: Sequence[Relay] = (),
    ) -> None:
        self._limiter = limiter
        self._zone = zone
        self._now = now
        self._sent_since = sent_since
        self._metrics = metrics
        self._warned: dict[str, datetime] = {}
        self._relays = tuple(relays)
        self._full: dict[tuple[Relay, str], datetime] = {}
        self._overflowed: dict[tuple[Relay, str], datetime] = {}

    async def take(self, relay: Relay, lane: str) -> float:
        """0 when the mail may go and has been counted, else the seconds after which to ask again."""
        if not relay.quota:
            return 0.0
        now = self._now()
        day = Day.around(now, self._zone)
        used = await self._count(relay, day, 1)
        if used == 1 and self._sent_since is not None:
            before = await self._sent_since(relay.host, day.start)
            used = await self._count(relay, day, before) if before else used
        room = self._room(relay, lane, day, now)
        if used <= room:
            self._tell(relay, day, now, used)
            return 0.0
        await self._count(relay, day, -1)
        if self._room(relay, lane, day, day.end) < used:
            self._note_full(relay, lane, day, now)
        seconds = (day.end - now).total_seconds()
        if lane == "bulk" and used <= (1 - RESERVED) * relay.quota:
            turn = day.start + (day.end - day.start) * (used / ((1 - RESERVED) * relay.quota)) - HEAD_START
            seconds = max(60.0, (turn - now).total_seconds())
        return min(LONGEST_WAIT, max(1.0, seconds))

    def used_up(self, lane: str) -> frozenset[Relay]:
        """The relays that have nothing left today for mails of this lane, as far as was just seen.

        Not those where a survey only waits for its share of the day.
        """
        if not self._full:
            return frozenset()
        now = self._now()
        return frozenset(
            relay for (relay, whose), until in self._full.items() if whose == lane and until > now
        )

    def _note_full(self, relay: Relay, lane: str, day: Day, now: datetime) -> None:
        self._full[relay, lane] = min(day.end, now + LOOK_AGAIN)
        if self._overflowed.get((relay, lane)) != day.start:
            self._overflowed[relay, lane] = day.start
            log.warning("relay_quota_used_up", relay=relay.name, lane=lane, then=self._then(relay, lane))

    def _then(self, relay: Relay, lane: str) -> str:
        """Where the mails of a lane go when this relay takes no more of them today."""
        full = {relay, *self.used_up(lane)}
        return next((other.name for other in self._relays if other not in full), "tomorrow")

    async def give_back(self, relay: Relay) -> None:
        """The mail that was counted did not leave."""
        if relay.quota:
            await self._count(relay, Day.around(self._now(), self._zone), -1)

    def _room(self, relay: Relay, lane: str, day: Day, now: datetime) -> float:
        """How many mails of today may have gone for one of this lane to go as well."""
        if lane == "urgent":
            return relay.quota
        shared = (1 - RESERVED) * relay.quota
        return shared if lane != "bulk" else max(1.0, shared * day.share(now + HEAD_START))

    async def _count(self, relay: Relay, day: Day, by: int) -> int:
        lives = (day.end - self._now()).total_seconds() + 3600
        return await self._limiter.count(f"{relay.name}:{day.start:%Y%m%dT%H%MZ}", by, lives)

    def _tell(self, relay: Relay, day: Day, now: datetime, used: int) -> None:
        passed = day.share(now)
        early = used >= TELLING * relay.quota and used > passed * relay.quota
        if self._metrics is not None:
            self._metrics.quota_used.labels(relay.name).set(used / relay.quota)
            self._metrics.quota_ends_early.labels(relay.name).set(int(early))
        if early and self._warned.get(relay.name) != day.start:
            self._warned[relay.name] = day.start
            ends = day.start + (now - day.start) * (relay.quota / used)
            then = self._then(relay, "normal")
            log.warning(
                "relay_quota_ends_early", relay=relay.name, used=used, ends_at=ends.isoformat(), then=then
            )
