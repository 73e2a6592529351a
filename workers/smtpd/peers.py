"""How much one sending machine may ask for: connections at a time, mails a minute."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass

MOST_CONNECTIONS = 50
CONNECTIONS_PER_PEER = 20
MAILS_PER_MINUTE = 600
"""A mail server that forwards a whole team's inbox comes from few addresses: ten a second, put off beyond."""
MOST_PEERS = 10_000


def peer_key(host: str) -> str:
    """Whom to count together: one IPv4 address, one /64 of IPv6, since that is what one customer is given."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return host


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class Peers:
    """Counts connections and mails by machine. `now` is any steady clock's time in seconds."""

    def __init__(
        self,
        connections: int = MOST_CONNECTIONS,
        per_peer: int = CONNECTIONS_PER_PEER,
        per_minute: int = MAILS_PER_MINUTE,
    ) -> None:
        self._connections = connections
        self._per_peer = per_peer
        self._per_minute = per_minute
        self._open: Counter[str] = Counter()
        self._buckets: dict[str, _Bucket] = {}

    def admit(self, peer: str) -> bool:
        """Count a connection in; False when there are too many, of this machine or at all."""
        if self._open.total() >= self._connections or self._open[peer] >= self._per_peer:
            return False
        self._open[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        """Count a connection out."""
        self._open[peer] -= 1
        if not self._open[peer]:
            del self._open[peer]

    def may_mail(self, peer: str, now: float) -> bool:
        """Take a token for one mail; False when this machine has used those of the last minute."""
        bucket = self._buckets.get(peer)
        if bucket is None:
            self._forget(now)
            bucket = self._buckets[peer] = _Bucket(self._per_minute, now)
        bucket.tokens = min(self._per_minute, bucket.tokens + (now - bucket.filled) * self._per_minute / 60)
        bucket.filled = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _forget(self, now: float) -> None:
        # A bucket is full again after a minute, and a full one is like none.
        if len(self._buckets) >= MOST_PEERS:
            self._buckets = {
                peer: bucket for peer, bucket in self._buckets.items() if now - bucket.filled < 60
            }
        while len(self._buckets) >= MOST_PEERS:
            self._buckets.pop(next(iter(self._buckets)))
