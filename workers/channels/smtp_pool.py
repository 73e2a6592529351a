"""Kept connections: each lane has its own, so that an escalation never waits behind a survey blast."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Container

from workers.channels.smtp_dial import Dialer, answers, doubtful
from workers.channels.smtp_open import CannotConnect
from workers.channels.smtp_session import Session
from workers.channels.smtp_url import Relay


class LanePool:
    """The connections of one lane: at most `size`, guarded by `gate`; the one used last is used first.

    After `max_uses` mails a connection is retired; after `idle` seconds of rest it must answer a NOOP
    before it is trusted again.
    """

    def __init__(
        self, dialer: Dialer, *, size: int, max_uses: int, idle: float, urgent: bool = False
    ) -> None:
        self.size = dialer.useful(size)
        self.gate = asyncio.Semaphore(self.size)
        self._dialer = dialer
        self._urgent = urgent
        self._max_uses = max_uses
        self._idle = idle
        self._resting: list[Session] = []

    async def take(self, not_at: Container[Relay] = ()) -> Session:
        """Return a usable session, not at one of `not_at`; only for a holder of `gate`.

        Raises CannotConnect, or Busy.
        """
        while (session := self._newest(not_at)) is not None:
            if not session.usable:
                continue
            if not doubtful(session, self._idle) or await answers(session):
                return session
            self._drop_doubtful()
        return await self._dialer.dial(not_at, urgent=self._urgent)

    def _newest(self, not_at: Container[Relay]) -> Session | None:
        """Take the resting session used last, at the first relay that is known to work if there is one.

        What was sent elsewhere (a quota was used up, an address needed more) leaves sessions there, too.
        """
        wanted = self._dialer.first_choice(not_at)
        for place in range(len(self._resting) - 1, -1, -1):
            relay = self._resting[place].relay
            if relay == wanted or (wanted is None and relay not in not_at):
                return self._resting.pop(place)
        return None

    async def fresh(self, not_at: Container[Relay] = ()) -> Session:
        """Return a new session, for when one turned out to be of no use. Raises CannotConnect, or Busy."""
        return await self._dialer.dial(not_at, urgent=self._urgent, anew=True)

    def refused_us(self, relay: Relay, error: CannotConnect) -> None:
        """See `Dialer.refused_us`."""
        self._dialer.refused_us(relay, error)

    def give_back(self, session: Session) -> None:
        """Keep the session for the next mail, or retire it when it has served long enough."""
        if not session.usable or session.uses >= self._max_uses:
            session.retire()
            return
        session.idle_since = time.monotonic()
        lines = self._dialer.lines_of(session)
        if lines is not None:
            lines.rest(session)
        else:
            self._resting.append(session)

    def goes_on(self, session: Session) -> bool:
        """Whether this session, in use, may take one more mail after the one it has."""
        lines = self._dialer.lines_of(session)
        awaited = lines is not None and lines.wanted
        return session.usable and session.uses < self._max_uses and not awaited

    def close(self) -> None:
        """Retire all resting sessions."""
        while self._resting:
            self._resting.pop().retire()

    def _drop_doubtful(self) -> None:
        # What has rested as long as a dead one is probably dead too; asking each would eat the mail's time.
        for session in [resting for resting in self._resting if doubtful(resting, self._idle)]:
            self._resting.remove(session)
            session.retire()
