"""Whether this machine's clock is right, as far as others can tell: database, broker, a time server."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from workers.cli.output import Finding

if TYPE_CHECKING:
    from workers.settings import Settings

MAY_DIFFER = 2.0
TOO_MUCH = 30.0
NTP_PORT = 123
NTP_EPOCH = 2_208_988_800
"""Seconds from 1900, where NTP begins to count, to 1970."""
RIGHT = "set the clock by a time server: timedatectl set-ntp true"


def clock_findings(settings: Settings, ntp: str = "") -> Iterator[Finding]:
    """The difference to each clock that can be asked, half of the way there and back taken off.

    `ntp` is the name or address of a time server, empty for none.
    """
    compared = False
    for name, offset in _offsets(settings, ntp):
        if offset is None:
            yield Finding("clock", "warning", f"{name} tells no time")
            continue
        compared = True
        words = f"{abs(offset):.2f} s {'ahead of' if offset > 0 else 'behind'} {name}"
        if abs(offset) > MAY_DIFFER:
            result = "bad" if abs(offset) > TOO_MUCH else "warning"
            yield Finding("clock", result, words, f"{RIGHT}, on both machines")
        else:
            yield Finding("clock", "good", words)
    if not compared:
        yield Finding(
            "clock",
            "warning",
            "there is nothing to compare it with",
            "name a time server: closeloop doctor --ntp pool.ntp.org",
        )


def _offsets(settings: Settings, ntp: str) -> Iterator[tuple[str, float | None]]:
    from models.session import is_sqlite

    if not is_sqlite(settings.database_url):
        yield "the database", _quietly(lambda: asyncio.run(_database_offset(settings.database_url)))
    if settings.broker_url.startswith(("redis://", "rediss://")):
        yield "the broker", _quietly(lambda: _redis_offset(settings.broker_url))
    if ntp:
        yield ntp, _quietly(lambda: ntp_offset(ntp))


def _quietly(ask: Callable[[], float]) -> float | None:
    try:
        return ask()
    except Exception:  # whoever does not answer is told of elsewhere
        return None


async def _database_offset(url: str) -> float:
    from sqlalchemy import text

    from models.session import make_engine

    engine = make_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))  # connecting takes long, and not as long both ways
            began = time.time()
            theirs = float(await connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")))
            return (began + time.time()) / 2 - theirs
    finally:
        await engine.dispose()


def _redis_offset(url: str) -> float:
    import redis

    with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
        client.ping()
        began = time.time()
        seconds, micro = client.time()
        return (began + time.time()) / 2 - float(seconds + micro / 1e6)


def ntp_offset(server: str, port: int = NTP_PORT) -> float:
    """Seconds that this machine is ahead of a time server (SNTP, RFC 4330 §5). Raises OSError, ValueError."""
    address = socket.getaddrinfo(server, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(address[0], socket.SOCK_DGRAM) as door:
        door.settimeout(3)
        began = time.time()
        door.sendto(b"\x23" + bytes(47), address[4])  # version 4, mode 3: a client asks
        answer = door.recv(512)
        ended = time.time()
    if len(answer) < 48 or answer[0] & 7 != 4 or not answer[1]:
        raise ValueError("no answer of a time server")
    received, sent = (_moment(answer, at) for at in (32, 40))
    return ((began - received) + (ended - sent)) / 2


def _moment(answer: bytes, at: int) -> float:
    seconds, fraction = struct.unpack_from("!II", answer, at)
    return float(seconds - NTP_EPOCH + fraction / 2**32)
