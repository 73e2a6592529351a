"""The few connections that a relay allows: all lanes of a process share them, what is urgent goes first."""

from __future__ import annotations

import asyncio

from workers.channels.smtp_session import Session

PATIENCE = 5.0
"""Seconds that a mail waits for one of them before its row is given back."""


class Busy(Exception):
    """All connections that this relay allows are in use; no byte has left."""


class Lines:
    """At most `limit` connections to one relay, in use or at rest.

    From two on, one is kept for what is urgent.
    """

    def __init__(self, limit: int) -> None:
        self.resting: list[Session] = []
        self._limit = limit
        self._used = 0
        self._waiting: dict[asyncio.Future[None], bool] = {}

    @property
    def wanted(self) -> bool:
        """Whether somebody waits for a connection."""
        return bool(self._waiting)

    async def enter(self, *, urgent: bool) -> None:
        """Wait for one's turn, and count as one in use until `leave`. Raises Busy when it takes too long."""
        earlier = self._waiting if not urgent else [turn for turn, hurry in self._waiting.items() if hurry]
        if not earlier and self._room(urgent):
            self._used += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = urgent
        try:
            async with asyncio.timeout(PATIENCE):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave()  # it came at the very last moment
            if isinstance(error, TimeoutError):
                raise Busy from None
            raise
        finally:
            self._waiting.pop(turn, None)

    def leave(self) -> None:
        """One is free again: it goes to who waits, what is urgent first."""
        self._used -= 1
        for turn in sorted(self._waiting, key=lambda turn: not self._waiting[turn]):
            if not turn.done() and self._room(self._waiting[turn]):
                self._used += 1
                turn.set_result(None)

    def lend(self, session: Session) -> Session:
        """The session, in use until it is rested or ends."""
        session.on_end = self.leave
        return session

    def rest(self, session: Session) -> None:
        """Keep the session for whoever comes next."""
        session.on_end = None
        self.resting.append(session)
        self.leave()

    async def emptied(self) -> None:
        """Say farewell to all that rest, and return when they are closed."""
        leaving, self.resting = self.resting, []
        for session in leaving:
            session.retire()
        for session in leaving:
            await session.ended()

    def _room(self, urgent: bool) -> bool:
        return self._used < (self._limit if urgent else max(1, self._limit - 1))
