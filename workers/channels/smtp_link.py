"""The connection to a relay as bytes: what is said goes out, what comes back is cut into replies."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

_LONGEST_REPLY = 32 * 1024


class SessionLost(Exception):
    """The connection ended or the relay broke the protocol; `args[0]` says which. It is of no more use."""


class Reply(NamedTuple):
    """One complete reply; `text` without codes, lines joined by a space; `at` = promise time of its
    arrival.
    """

    code: int
    text: str
    at: datetime


class Link(asyncio.Protocol):
    """The protocol of an opened connection; it counts the replies that are owed and hears them in order.

    `now` gives promise time; it is read when a reply *arrives*, not when somebody gets round to looking at
    it. `doomed`: it works, but must not be used for a further mail. `on_end` is called when the
    socket is closed.
    """

    def __init__(self, transport: asyncio.Transport, now: Callable[[], datetime]) -> None:
        self.doomed = False
        self._transport = transport
        self._now = now
        self._buffer = b""
        self._replies: deque[Reply] = deque()
        self._owed = 0
        self._lost: str | None = None
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._leaving = False
        self._ended = asyncio.Event()
        self.on_end: Callable[[], None] | None = None

    # -- asyncio's side

    def take_over(self) -> None:
        """Become the protocol of the opened connection, which must have no reply outstanding."""
        transport = self._transport
        transport.set_write_buffer_limits(high=0)  # so that "drained" means: handed to the system
        transport.set_protocol(self)
        if transport.is_closing():
            self._lose("connection lost")

    def data_received(self, data: bytes) -> None:
        if self._lost is not None:
            return
        self._buffer += data
        while (end := self._end_of_reply()) > 0:
            block, self._buffer = self._buffer[:end], self._buffer[end:]
            self._take(block)
        if end < 0 or len(self._buffer) > _LONGEST_REPLY:
            self._lose("malformed reply")
        self._wake()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    def eof_received(self) -> bool:
        self._lose("connection lost")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose("connection lost")
        self._ended.set()
        if self.on_end is not None:
            told, self.on_end = self.on_end, None
            told()

    def _end_of_reply(self) -> int:
        """Length of the first complete reply in the buffer; 0: none yet, -1: that is no reply."""
        start = 0
        while (newline := self._buffer.find(b"\n", start)) >= 0:
            line = self._buffer[start : newline + 1]
            if not line[:3].isdigit() or line[3:4] not in (b" ", b"-", b"\r", b"\n"):
                return -1
            start = newline + 1
            if line[3:4] != b"-":
                return start
        return 0

    def _take(self, block: bytes) -> None:
        lines = block.splitlines()
        text = b" ".join(line[4:].strip() for line in lines).decode("utf-8", "backslashreplace")
        if self._leaving:
            self.abort()
        elif self._owed > 0:
            self._owed -= 1
            self._replies.append(Reply(int(lines[-1][:3]), text, self._now()))
        else:
            # Usually 421 before the relay closes an idle connection.
            self._lose("reply without a command")

    def _lose(self, why: str) -> None:
        if self._lost is None:
            self._lost = why
            self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- our side

    @property
    def usable(self) -> bool:
        """Whether a further mail may be sent here."""
        return self._lost is None and not self.doomed

    def abort(self) -> None:
        """Throw the connection away, at once and without a word."""
        self._lose("closed by us")

    def retire(self) -> None:
        """Say QUIT and close when the relay has answered, or after two seconds (RFC 5321 §4.1.1.10)."""
        if not self.usable or self._owed:
            self.abort()
            return
        self.doomed = self._leaving = True
        self._transport.write(b"QUIT\r\n")
        asyncio.get_running_loop().call_later(2, self.abort)

    async def ended(self) -> None:
        """Return when the socket is closed: a turn of the loop after `abort`, later after `retire`."""
        await self._ended.wait()

    async def alive(self) -> bool:
        """Ask with NOOP whether a connection that has been idle still answers."""
        try:
            self._write(b"NOOP\r\n", replies=1)
            return (await self._reply()).code == 250 and self.usable
        except SessionLost:
            return False

    def _write(self, data: bytes, *, replies: int) -> None:
        self._check()
        self._owed += replies
        self._transport.write(data)

    def _check(self) -> None:
        if self._lost is not None:
            raise SessionLost(self._lost)

    async def _reply(self) -> Reply:
        while not self._replies:
            await self._wait()
        reply = self._replies.popleft()
        if reply.code == 421:  # RFC 5321 §3.8: the relay closes the connection after this
            self.doomed = True
        return reply

    async def _wait(self) -> None:
        self._check()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
