"""What a webhook only names, got by code that runs in a thread: a certificate, a mail, an attachment."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import TypeVar

from workers.errors import CloseloopError
from workers.intake.fetching import Fetch

T = TypeVar("T")

MOST_KEPT = 64
KEEP_SECONDS = 86_400.0
KEEP_FAILURE_SECONDS = 60.0


class Outside:
    """`Fetch` for code outside of an event loop, with a memory. One for a process, for all its threads."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._failed: OrderedDict[str, tuple[float, CloseloopError]] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def get(
        self, url: str, *, hosts: Collection[str], cap: int, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """See `Fetch`. Blocks: not to be called on an event loop."""
        return asyncio.run(self._fetched(url, hosts, cap, headers))

    def kept(self, url: str, *, hosts: Collection[str], cap: int) -> bytes:
        """As `get`, but once a day at most for an address; a failure is remembered, too, for a minute.

        One at a time: whoever makes up addresses must not keep all threads busy.
        """
        with self._one_at_a_time:
            until, found = self._kept.get(url, (0.0, b""))
            if until >= time.monotonic():
                return found
            ended, failure = self._failed.get(url, (0.0, None))
            if failure is not None and ended >= time.monotonic():
                raise failure
            return self._anew(url, hosts, cap)

    def _anew(self, url: str, hosts: Collection[str], cap: int) -> bytes:
        # Two memories: made-up addresses, which all fail, must not push out what is needed each time.
        try:
            found = self.get(url, hosts=hosts, cap=cap)
        except CloseloopError as error:
            _remember(self._failed, url, (time.monotonic() + KEEP_FAILURE_SECONDS, error))
            raise
        _remember(self._kept, url, (time.monotonic() + KEEP_SECONDS, found))
        return found

    async def _fetched(
        self, url: str, hosts: Collection[str], cap: int, headers: Mapping[str, str] | None
    ) -> bytes:
        return await self._fetch(url, hosts=hosts, cap=cap, headers=headers)


def _remember(kept: OrderedDict[str, T], url: str, what: T) -> None:
    kept[url] = what
    kept.move_to_end(url)
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)
