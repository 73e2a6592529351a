"""How often one caller may try what could be guessed: counted in this process, forgotten in time."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import Request

from workers.errors import TooManyAttempts

REMEMBERED = 20_000


class Attempts:
    """At most `most` tries of one caller within `seconds`; the least recent callers are forgotten first."""

    def __init__(self, most: int, seconds: float, *, steady: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._steady = steady
        self._callers: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def count(self, caller: str) -> None:
        """Note one more try. Raises TooManyAttempts when there were too many."""
        now = self._steady()
        since, tries = self._callers.pop(caller, (now, 0))
        if now - since > self._seconds:
            since, tries = now, 0
        self._callers[caller] = since, tries + 1
        while len(self._callers) > REMEMBERED:
            self._callers.popitem(last=False)
        if tries >= self._most:
            raise TooManyAttempts(
                "too many tries from here", f"try again in {max(1, round(self._seconds / 60))} minutes"
            )


def caller_of(request: Request) -> str:
    """The address a request comes from; of IPv6 the first 64 bits, which belong to one customer."""
    host = request.client.host if request.client else ""
    return ":".join(host.split(":")[:4]) if host.count(":") > 3 else host
