"""Buckets that all workers share, in Redis; by Redis' own clock, so that machines need not agree."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import RedisError

from workers.channels.limits import COOL, FORGET, SLOWEST, Limit, LocalLimiter
from workers.settings.broker_url import is_sentinel, parse_sentinel_url

log = structlog.get_logger(__name__)

PREFIX = "closeloop:limit:"
PATIENCE = 0.5
CONNECTIONS = 4
ALONE = 10.0
"""Seconds for which a process keeps its own buckets after Redis did not answer."""

# KEYS: for each bucket its moment and its level; ARGV: credit, then interval in ms and burst for each.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local wait, fresh = 0, {}
for i = 1, #KEYS / 2 do
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local level = tonumber(redis.call('GET', KEYS[2 * i]) or '0')
  if level > 0 and 1000 * 2 ^ (level - 1) > interval then
    interval, burst = 1000 * 2 ^ (level - 1), 1
  end
  if interval > 0 then
    local full = math.max(tonumber(redis.call('GET', KEYS[2 * i - 1]) or '0'), now)
    wait = math.max(wait, full - now - (burst - 1 + tonumber(ARGV[1])) * interval)
    fresh[#fresh + 1] = {KEYS[2 * i - 1], full + interval}
  end
end
if wait <= 0 then
  for _, one in ipairs(fresh) do
    redis.call('SET', one[1], string.format('%.3f', one[2]), 'PX', math.ceil(one[2] - now) + 1000)
  end
  return 0
end
return math.ceil(wait)
"""
# KEYS: level, and what marks that it was raised just now; ARGV: slowest level, cool and forget in ms.
_SLOW = """
local level = tonumber(redis.call('GET', KEYS[1]) or '0')
if redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[2]) then
  level = math.min(tonumber(ARGV[1]), level + 1)
end
redis.call('SET', KEYS[1], level, 'PX', ARGV[3])
return level
"""
_COUNT = """
local value = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return value
"""


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to whichever Redis is the master; who finds none waits, as in the blocking pool."""


PATIENT: Mapping[str, Any] = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}


def _sentinels(url: str) -> Sentinel | None:
    """Those who are asked which Redis is the master, if the URL names any."""
    if not is_sentinel(url):
        return None
    place = parse_sentinel_url(url)
    asking = {"username": place.sentinel_user, "password": place.sentinel_password, "ssl": place.tls}
    return Sentinel(list(place.hosts), sentinel_kwargs={**asking, **PATIENT})  # type: ignore[no-untyped-call]  # redis leaves it untyped


def _pool(url: str, sentinels: Sentinel | None) -> ConnectionPool:
    """Connections to the Redis of an URL, or to the master that the Sentinels name.

    Many mails ask at once and wait for a connection; the usual pool raises, as if Redis were away.
    """
    habits = {**PATIENT, "max_connections": CONNECTIONS, "timeout": PATIENCE}
    if sentinels is None:
        return BlockingConnectionPool.from_url(url, **habits)
    place = parse_sentinel_url(url)
    login = {"username": place.user, "password": place.password, "ssl": place.tls, "db": place.database}
    return _MasterPool(place.service, sentinels, **login, **habits)  # type: ignore[no-untyped-call]  # redis leaves it untyped


class RedisLimiter:
    """See `Limiter`. One per event loop; `url` may name Sentinels.

    While Redis is away each process keeps buckets of its own.
    """

    def __init__(self, url: str) -> None:
        self._sentinels = _sentinels(url)
        self._redis = Redis.from_pool(_pool(url, self._sentinels))
        self._take = self._redis.register_script(_TAKE)
        self._slow = self._redis.register_script(_SLOW)
        self._count = self._redis.register_script(_COUNT)
        self._own = LocalLimiter()
        self._alone_until = 0.0

    async def take(self, limits: Sequence[Limit], credit: int = 0) -> float:
        """See `Limiter`."""
        keys = [name for limit in limits for name in (PREFIX + limit.key, f"{PREFIX}{limit.key}:level")]
        arguments: list[float] = [credit]
        for limit in limits:
            arguments += [round(limit.interval * 1000, 3), limit.burst]
        waited = await self._asked(self._take, keys, arguments)
        return await self._own.take(limits, credit) if waited is None else waited / 1000

    async def slow(self, key: str) -> None:
        """See `Limiter`."""
        keys = [f"{PREFIX}{key}:level", f"{PREFIX}{key}:cool"]
        await self._asked(self._slow, keys, [SLOWEST, int(COOL * 1000), int(FORGET * 1000)])
        await self._own.slow(key)

    async def count(self, key: str, by: int, seconds: float) -> int:
        """See `Limiter`."""
        counted = await self._asked(self._count, [f"{PREFIX}{key}:count"], [by, int(seconds * 1000)])
        return await self._own.count(key, by, seconds) if counted is None else int(counted)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        for asked in self._sentinels.sentinels if self._sentinels else ():
            await asked.aclose()

    async def _asked(self, script: Any, keys: list[str], arguments: list[float]) -> float | None:
        """What a script gives; None while Redis does not answer."""
        if time.monotonic() < self._alone_until:
            return None
        try:
            return float(await script(keys=keys, args=arguments))
        except (RedisError, OSError, TimeoutError) as error:
            self._alone_until = time.monotonic() + ALONE
            log.warning("limits_not_shared", error=type(error).__name__, seconds=ALONE)
            return None
