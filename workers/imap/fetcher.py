"""Fetches mailboxes: holds the lease, keeps a connection, waits for news, rests when something is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from datetime import timedelta

import structlog

from workers.imap.faults import AUTHENTICATION, Fault
from workers.imap.hands import Hands
from workers.imap.keeper import LEASE, Keeper, LeaseLost
from workers.imap.session import Session
from workers.imap.walk import PATIENCE, Suspects, Walk
from workers.settings.imap_url import MailboxUrl
from workers.unit_of_work import Workshop

IDLE_SECONDS = 9 * 60.0
"""RFC 2177 wants IDLE issued anew within 29 minutes; routers forget a silent connection sooner."""
TRY_EVERY = 5.0
BREATH = 1.0
"""Between two looks after the server has told of news and there were none."""
DATABASE_PAUSE = 5.0
GRACE_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Fetching:
    """All mailboxes of an installation. Several processes may run it: each mailbox is one's at a time."""

    def __init__(
        self,
        workshop: Workshop,
        boxes: Sequence[MailboxUrl],
        *,
        lease: timedelta = LEASE,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`lease`: after how long another process takes over from one that died."""
        self._fetchers = [Fetcher(workshop, box, lease=lease, idle_seconds=idle_seconds) for box in boxes]

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; what is under way then has ten seconds. Errors are logged, not raised."""
        tasks = [asyncio.create_task(each.run(stop)) for each in self._fetchers]
        try:
            await stop.wait()
            if tasks:
                await asyncio.wait(tasks, timeout=GRACE_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class Fetcher:
    """One mailbox."""

    def __init__(self, workshop: Workshop, box: MailboxUrl, *, lease: timedelta, idle_seconds: float) -> None:
        self._workshop = workshop
        self._box = box
        self._lease = lease
        self._idle_seconds = idle_seconds
        self._keeper = Keeper(workshop, box, lease)
        self._suspects = Suspects()
        self._halt = asyncio.Event()
        self._halt_idle = threading.Event()
        self._deaf = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Trouble with the database is logged, and tried again."""
        while not stop.is_set():
            try:
                if await self._keeper.take():
                    await self._hold(stop)
                else:
                    await _wait(stop, TRY_EVERY)
            except LeaseLost:
                log.warning("mailbox_taken_over", mailbox=self._box.name)
            except Exception:
                log.exception("mailbox_not_fetched", mailbox=self._box.name)
                await _wait(stop, DATABASE_PAUSE)

    async def _hold(self, stop: asyncio.Event) -> None:
        """Fetch for as long as the lease is ours."""
        self._halt.clear()
        self._halt_idle.clear()
        watches = (asyncio.create_task(self._renew()), asyncio.create_task(self._hear(stop)))
        try:
            while not self._halt.is_set():
                rest = await self._keeper.rest()
                if rest:
                    log.warning("mailbox_rests", mailbox=self._box.name, seconds=round(rest))
                    await _wait(self._halt, rest)
                else:
                    await self._connect()
        finally:
            for each in watches:
                each.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            await self._release()

    async def _release(self) -> None:
        try:
            await self._keeper.release()
        except Exception as error:  # then it runs out by itself
            log.warning("mailbox_lease_not_released", mailbox=self._box.name, error=type(error).__name__)

    async def _renew(self) -> None:
        """Keep the lease, whatever the thread waits for; whoever has lost it stops at once."""
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 4)
            try:
                await self._keeper.renew()
            except LeaseLost:
                log.warning("mailbox_taken_over", mailbox=self._box.name)
                self._stop_soon()
                return
            except Exception as error:  # whether the lease still holds is asked again by each transaction
                log.warning("mailbox_lease_not_renewed", mailbox=self._box.name, error=type(error).__name__)

    async def _hear(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stop_soon()

    def _stop_soon(self) -> None:
        self._halt.set()
        self._halt_idle.set()

    async def _connect(self) -> None:
        """One connection, from its beginning to its end. What was wrong is written down and waited out."""
        hands = Hands()
        session: Session | None = None
        well = False
        try:
            session = await hands.do(PATIENCE, Session.open, self._box, hands.told)
            await self._stay(hands, session)
            well = True
        except Fault as fault:
            await self._rest_after(fault)
        finally:
            if session is not None:
                with contextlib.suppress(Fault):  # the connection is let go, whatever it says
                    await hands.do(GRACE_SECONDS / 2, lambda: session.close(politely=well))
            hands.end()

    async def _stay(self, hands: Hands, session: Session) -> None:
        """Look, wait for news, look again."""
        heard, first = True, True
        while not self._halt.is_set():
            halted = self._halt.is_set
            walk = Walk(
                hands, session, self._keeper, self._box, self._workshop.settings, self._suspects, halted
            )
            if not await walk.look():
                return
            if walk.new and not heard:
                self._deaf = True  # it takes IDLE and does not tell
            in_vain, first = heard and not walk.new and not first, False
            asked = time.monotonic()
            heard = await self._wait_for_news(hands, session)
            if in_vain and (left := BREATH - (time.monotonic() - asked)) > 0:
                await _wait(self._halt, left)

    async def _wait_for_news(self, hands: Hands, session: Session) -> bool:
        """Give whether the server told of new mail; also True where it was not asked to."""
        if not session.can_idle:
            await _wait(self._halt, self._box.poll)
            return True
        if await hands.do(PATIENCE, session.grown):
            return True
        only_one = len(self._box.folders) == 1 and not self._deaf
        seconds = self._idle_seconds if only_one else min(self._box.poll, self._idle_seconds)
        return await hands.do(seconds + PATIENCE, session.idle, seconds, self._halt_idle) or not only_one

    async def _rest_after(self, fault: Fault) -> None:
        pause = await self._keeper.failed(fault.reason)
        told = log.error if fault.reason == AUTHENTICATION else log.warning
        told(
            "mailbox_fault",
            mailbox=self._box.name,
            reason=fault.reason,
            code=fault.code,
            pause_seconds=round(pause.total_seconds()),
        )
        if fault.reason != AUTHENTICATION:  # that rest is kept in the database, where a restart finds it
            await _wait(self._halt, pause.total_seconds())


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):  # the time has passed: that is what was waited for
        await asyncio.wait_for(event.wait(), seconds)
