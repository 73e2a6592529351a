"""Kept connections: each lane has its own, so that an escalation never waits behind a survey blast."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Container
from datetime import datetime
from weakref import WeakSet

from workers.channels.breaker import Breaker
from workers.channels.smtp_open import CannotConnect, open_session, relay_context
from workers.channels.smtp_session import Session
from workers.channels.smtp_url import Relay
from workers.metrics import Metrics

_NOOP_PATIENCE = 5.0
_QUIT_PATIENCE = 1.0


class Dialer:
    """Opens sessions to the first relay that works; each has a breaker that leaves it alone when it does not.

    `tls_context` replaces the system's trust store (tests, private authorities); `step_timeout` bounds each
    step of opening, so that a relay that swallows packets leaves time for the next one.
    """

    def __init__(
        self,
        relays: tuple[Relay, ...],
        now: Callable[[], datetime],
        *,
        ehlo: str,
        step_timeout: float,
        tls_context: ssl.SSLContext | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        if not relays:
            raise ValueError("at least one relay is needed")
        self._relays = relays
        self._now = now
        self._ehlo = ehlo
        self._step_timeout = step_timeout
        self._given_context = tls_context
        self._contexts: dict[Relay, ssl.SSLContext | None] = {}
        self._breakers = {relay: Breaker[CannotConnect](relay.name, metrics) for relay in relays}
        self._opened: WeakSet[Session] = WeakSet()

    async def dial(self, not_at: Container[Relay] = ()) -> Session:
        """Return a fresh session, not at one of `not_at`. Raises CannotConnect, with the trouble of the
        first relay, when none answers.

        While all are left alone their last trouble is raised again without knocking: a thousand waiting
        mails must not become a thousand connects.
        """
        asked = False
        for relay in self._relays:
            if relay not in not_at and self._breakers[relay].may_try():
                asked = True
                session = await self._tried(relay)
                if session is not None:
                    return session
        errors = [self._breakers[relay].error for relay in self._relays if relay not in not_at]
        error = next((error for error in errors if error), None) or CannotConnect("connection_failed", "")
        # Where nobody was talked to there is no host (see `Outcome`).
        raise error if asked else CannotConnect(error.reason, "", error.code, error.text)

    def first_choice(self, not_at: Container[Relay]) -> Relay | None:
        """The first relay, but for `not_at`, of which no trouble is known."""
        works = (
            relay for relay in self._relays if relay not in not_at and self._breakers[relay].error is None
        )
        return next(works, None)

    def refused_us(self, relay: Relay, error: CannotConnect) -> None:
        """The relay took the connection and would not work with it: it is left alone as if it were down."""
        breaker = self._breakers[relay]
        breaker.failed(error, error.reason, breaker.begin())

    async def aclose(self) -> None:
        """Return when all sessions are closed; retired ones get a second to hear their farewell."""
        try:
            async with asyncio.timeout(_QUIT_PATIENCE):
                await self._all_ended()
        except TimeoutError:
            for session in self._opened:
                session.abort()
            await self._all_ended()

    async def _all_ended(self) -> None:
        for session in list(self._opened):
            await session.ended()

    async def _tried(self, relay: Relay) -> Session | None:
        breaker = self._breakers[relay]
        began = breaker.begin()
        try:
            session = await self._open(relay)
        except CannotConnect as error:
            breaker.failed(error, error.reason, began)
            return None
        except BaseException:
            breaker.let_go()
            raise
        breaker.worked()
        return session

    async def _open(self, relay: Relay) -> Session:
        try:
            context = await self._context(relay)
        except OSError as error:
            raise CannotConnect("tls_failed", relay.host, text="the CA file cannot be read") from error
        try:
            async with asyncio.timeout(2 * self._step_timeout):
                session = await open_session(
                    relay, self._now, context=context, ehlo=self._ehlo, patience=self._step_timeout
                )
            self._opened.add(session)
            return session
        except TimeoutError as error:
            raise CannotConnect("connection_failed", relay.host, text="timed out") from error

    async def _context(self, relay: Relay) -> ssl.SSLContext | None:
        if self._given_context is not None:
            return self._given_context
        if relay not in self._contexts:
            self._contexts[relay] = await asyncio.to_thread(relay_context, relay)
        return self._contexts[relay]


class LanePool:
    """The connections of one lane: at most `size`, guarded by `gate`; the one used last is used first.

    After `max_uses` mails a connection is retired; after `idle` seconds of rest it must answer a NOOP
    before it is trusted again.
    """

    def __init__(self, dialer: Dialer, *, size: int, max_uses: int, idle: float) -> None:
        self.size = size
        self.gate = asyncio.Semaphore(size)
        self._dialer = dialer
        self._max_uses = max_uses
        self._idle = idle
        self._resting: list[Session] = []

    async def take(self, not_at: Container[Relay] = ()) -> Session:
        """Return a usable session, not at one of `not_at`; only for a holder of `gate`.

        Raises CannotConnect.
        """
        while (session := self._newest(not_at)) is not None:
            if not session.usable:
                continue
            if not self._doubtful(session) or await self._answers(session):
                return session
            self._drop_doubtful()
        return await self._dialer.dial(not_at)

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
        """Return a new session, for when one turned out to be of no use. Raises CannotConnect."""
        return await self._dialer.dial(not_at)

    def refused_us(self, relay: Relay, error: CannotConnect) -> None:
        """See `Dialer.refused_us`."""
        self._dialer.refused_us(relay, error)

    def give_back(self, session: Session) -> None:
        """Keep the session for the next mail, or retire it when it has served long enough."""
        if not session.usable or session.uses >= self._max_uses:
            session.retire()
        else:
            session.idle_since = time.monotonic()
            self._resting.append(session)

    def goes_on(self, session: Session) -> bool:
        """Whether this session, in use, may take one more mail after the one it has."""
        return session.usable and session.uses < self._max_uses

    def close(self) -> None:
        """Retire all resting sessions."""
        while self._resting:
            self._resting.pop().retire()

    def _drop_doubtful(self) -> None:
        # What has rested as long as a dead one is probably dead too; asking each would eat the mail's time.
        for session in [resting for resting in self._resting if self._doubtful(resting)]:
            self._resting.remove(session)
            session.retire()

    def _doubtful(self, session: Session) -> bool:
        return time.monotonic() - session.idle_since > self._idle

    async def _answers(self, session: Session) -> bool:
        try:
            async with asyncio.timeout(_NOOP_PATIENCE):
                if await session.alive():
                    return True
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            session.abort()
            raise
        session.abort()
        return False
