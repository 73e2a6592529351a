"""Opening connections: the first relay that works is asked, one that does not is left alone for a while."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Container
from datetime import datetime
from weakref import WeakSet

from workers.channels.breaker import Breaker
from workers.channels.smtp_lines import Lines
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
        idle: float = 30,
    ) -> None:
        if not relays:
            raise ValueError("at least one relay is needed")
        self._relays = relays
        self._now = now
        self._ehlo = ehlo
        self._step_timeout = step_timeout
        self._idle = idle
        self._given_context = tls_context
        self._contexts: dict[Relay, ssl.SSLContext | None] = {}
        self._breakers = {relay: Breaker[CannotConnect](relay.name, metrics) for relay in relays}
        self._opened: WeakSet[Session] = WeakSet()
        self.lines = {relay: Lines(relay.connections) for relay in relays if relay.connections}

    async def dial(
        self, not_at: Container[Relay] = (), *, urgent: bool = False, anew: bool = False
    ) -> Session:
        """Return a session, not at one of `not_at`. Raises CannotConnect, with the trouble of the first
        relay, when none answers.

        It is fresh, but at a relay that allows few connections: there it may be one that rests, unless it is
        to be made `anew`, and Busy is raised when none gets free.

        While all are left alone their last trouble is raised again without knocking: a thousand waiting
        mails must not become a thousand connects.
        """
        asked = False
        for relay in self._relays:
            if relay not in not_at and self._breakers[relay].may_try():
                asked = True
                if relay in self.lines:
                    session = await self._shared(relay, self.lines[relay], urgent, anew)
                else:
                    session = await self._tried(relay)
                if session is not None:
                    return session
        errors = [self._breakers[relay].error for relay in self._relays if relay not in not_at]
        error = next((error for error in errors if error), None) or CannotConnect("connection_failed", "")
        # Where nobody was talked to there is no host (see `Outcome`).
        raise error if asked else CannotConnect(error.reason, "", error.code, error.text)

    def lines_of(self, session: Session) -> Lines | None:
        """The few lines that this session is one of; None where the relay takes as many as come."""
        return self.lines.get(session.relay) if self.lines and session.relay is not None else None

    def useful(self, size: int) -> int:
        """How many of so many connections may be open at all: more would only wait for each other."""
        if len(self.lines) < len(self._relays):
            return size
        return min(size, sum(relay.connections for relay in self._relays))

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
        for lines in self.lines.values():
            for session in lines.resting:
                session.retire()
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

    async def _shared(self, relay: Relay, lines: Lines, urgent: bool, anew: bool) -> Session | None:
        await lines.enter(urgent=urgent)
        session: Session | None = None
        try:
            if anew:
                await lines.emptied()
            while session is None and lines.resting:
                session = await self._proved(lines.resting.pop())
            session = session or await self._tried(relay)
        finally:
            if session is None:
                lines.leave()
        return lines.lend(session) if session is not None else None

    async def _proved(self, session: Session) -> Session | None:
        """The session that has rested, if it still works."""
        if not session.usable:
            return None
        return session if not doubtful(session, self._idle) or await answers(session) else None

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


def doubtful(session: Session, idle: float) -> bool:
    """Whether the session has rested for more than `idle` seconds."""
    return time.monotonic() - session.idle_since > idle


async def answers(session: Session) -> bool:
    """Whether the session still answers; else it is thrown away."""
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
