"""What a webhook only names, got by code that runs in a thread: a certificate, a mail, an attachment."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping

from workers.errors import CloseloopError
from workers.intake.fetching import Fetch

MOST_KEPT = 64
KEEP_SECONDS = 86_400.0
KEEP_FAILURE_SECONDS = 60.0


class Outside:
    """`Fetch` for code outside of an event loop, with a memory. One for a process, for all its threads."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: OrderedDict[str, tuple[float, bytes | CloseloopError]] = OrderedDict()
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
            if until < time.monotonic():
                until, found = self._anew(url, hosts, cap)
                self._kept[url] = until, found
                self._kept.move_to_end(url)
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        if isinstance(found, CloseloopError):
            raise found
        return found

    def _anew(self, url: str, hosts: Collection[str], cap: int) -> tuple[float, bytes | CloseloopError]:
        try:
            return time.monotonic() + KEEP_SECONDS, self.get(url, hosts=hosts, cap=cap)
        except CloseloopError as error:
            return time.monotonic() + KEEP_FAILURE_SECONDS, error

    async def _fetched(
        self, url: str, hosts: Collection[str], cap: int, headers: Mapping[str, str] | None
    ) -> bytes:
        return await self._fetch(url, hosts=hosts, cap=cap, headers=headers)
