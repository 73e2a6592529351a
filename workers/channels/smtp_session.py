"""The mail transaction on an opened relay connection, pipelined where the relay offers it (RFC 2920).

aiosmtplib has opened, secured and authenticated the connection; from then on this protocol owns its
transport. aiosmtplib's own transaction waits for every reply and drops replies that arrive together, so it
cannot pipeline.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from workers.channels.smtp_codes import Step

_LONGEST_REPLY = 32 * 1024
_SMALL = 64 * 1024
_BARE_NEWLINE = re.compile(rb"\r\n|\r|\n")


class SessionLost(Exception):
    """The connection ended or the relay broke the protocol; `args[0]` says which. It is of no more use."""


class Reply(NamedTuple):
    """One complete reply; `text` without codes, lines joined by a space; `at` = promise time of its
    arrival.
    """

    code: int
    text: str
    at: datetime


class Answer(NamedTuple):
    """The reply that decided about a transaction, and the step it came at. Accepted only as DOT with 2xx."""

    step: Step
    reply: Reply

    @property
    def accepted(self) -> bool:
        return self.step is Step.DOT and 200 <= self.reply.code < 300


class Session(asyncio.Protocol):
    """One connection to a relay, for one transaction at a time.

    `now` gives promise time; it is read when a reply *arrives*, not when somebody gets round to looking at
    it.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        now: Callable[[], datetime],
        host: str,
        *,
        tls: bool,
        extensions: Mapping[str, str],
    ) -> None:
        self.host = host
        self.tls = tls
        self.pipelining = "pipelining" in extensions
        self.eight_bit = "8bitmime" in extensions
        self.announces_size = "size" in extensions
        limit = extensions.get("size", "").strip()
        self.size_limit = int(limit) if limit.isdecimal() else 0
        self.uses = 0
        self.idle_since = 0.0
        self.doomed = False
        self._now = now
        self._transport = transport
        self._buffer = b""
        self._replies: deque[Reply] = deque()
        self._owed = 0
        self._lost: str | None = None
        self._dirty = False
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._leaving = False

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

    def _end_of_reply(self) -> int:
        """Length of the first complete reply in the buffer; 0 when there is none yet, -1 when it is no
        reply.
        """
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
            # Usually 421 before the relay closes an idle connection. Nobody asked, so nobody can use the
            # rest.
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

    async def alive(self) -> bool:
        """Ask with NOOP whether a connection that has been idle still answers."""
        try:
            self._write(b"NOOP\r\n", replies=1)
            return (await self._reply()).code == 250 and self.usable
        except SessionLost:
            return False

    async def transact(
        self, sender: bytes, recipient: bytes, mail: bytes, at_dot: Callable[[], None]
    ) -> Answer:
        """Send one mail to one recipient; both addresses as they stand between the angle brackets.

        `mail` must have gone through `wire_form`. `at_dot` is called just before the bytes leave after which
        the relay may accept. Raises SessionLost; if cancelled, the session must be aborted by the caller.
        """
        self.uses += 1
        refused = await self._envelope(self._commands(sender, recipient, mail))
        return refused if refused is not None else await self._content(mail, at_dot)

    def _commands(self, sender: bytes, recipient: bytes, mail: bytes) -> tuple[bytes, bytes, bytes]:
        options = b" SIZE=%d" % len(mail) if self.announces_size else b""
        if self.eight_bit and not mail.isascii():
            options += b" BODY=8BITMIME"
        return b"MAIL FROM:<%b>%b\r\n" % (sender, options), b"RCPT TO:<%b>\r\n" % recipient, b"DATA\r\n"

    async def _envelope(self, commands: tuple[bytes, bytes, bytes]) -> Answer | None:
        """Return None when the relay waits for the mail, else the refusal."""
        if self.pipelining:
            return await self._envelope_at_once(commands)
        if self._dirty:
            self._write(b"RSET\r\n", replies=1)
            await self._after_reset()
        for step, command in zip((Step.MAIL, Step.RCPT, Step.DATA), commands, strict=True):
            self._write(command, replies=1)
            reply = await self._reply()
            if not _goes_on(step, reply):
                self._dirty = True
                return Answer(step, reply)
        return None

    async def _envelope_at_once(self, commands: tuple[bytes, bytes, bytes]) -> Answer | None:
        lead = b"RSET\r\n" if self._dirty else b""
        self._write(lead + b"".join(commands), replies=3 + bool(lead))
        if lead:
            await self._after_reset()
        refused: Answer | None = None
        for step in (Step.MAIL, Step.RCPT, Step.DATA):
            try:
                reply = await self._reply()
            except SessionLost:
                if refused is None:
                    raise
                return refused  # it has said why before it hung up
            if refused is None and not _goes_on(step, reply):
                refused = Answer(step, reply)
            if self.doomed:
                return refused
        if refused is not None:
            self._dirty = True
            if reply.code == 354:
                await self._empty_mail(refused)
        return refused

    async def _empty_mail(self, refused: Answer) -> None:
        """RFC 2920 §3.1: DATA was accepted although there is no recipient; a lone dot ends it."""
        if refused.step is not Step.RCPT:
            self.abort()  # MAIL refused, the rest taken: such a relay gets not even an empty mail
            return
        try:
            self._write(b".\r\n", replies=1)
            await self._reply()
        except SessionLost:
            pass

    async def _after_reset(self) -> None:
        reply = await self._reply()
        if reply.code != 250:
            self.abort()
            raise SessionLost("RSET refused")
        self._dirty = False

    async def _content(self, mail: bytes, at_dot: Callable[[], None]) -> Answer:
        if len(mail) <= _SMALL:
            self._check()
            at_dot()
            self._write(mail + b".\r\n", replies=1)
            return Answer(Step.DOT, await self._reply())
        # A long mail goes first and its dot by itself: a loss on the way is then certainly a loss before
        # the dot.
        self._write(mail, replies=1)
        while self._paused and not self._replies:
            await self._wait()
        if self._replies:
            self.doomed = True  # refused halfway (too large, say): where the relay stands now, nobody knows
            reply = await self._reply()
            if reply.code < 400:
                self.abort()
                raise SessionLost("answered before the end of the mail")
            return Answer(Step.DATA, reply)
        self._check()
        at_dot()
        self._write(b".\r\n", replies=0)
        return Answer(Step.DOT, await self._reply())

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


def _goes_on(step: Step, reply: Reply) -> bool:
    return reply.code == 354 if step is Step.DATA else 200 <= reply.code < 300


def wire_form(mail: bytes) -> bytes:
    """Return the mail with CRLF line ends and doubled leading dots (RFC 5321 §4.5.2), ready for the final
    dot.

    A bare CR or LF becomes CRLF: left alone, it would let a mail smuggle in a second one.
    """
    breaks = mail.count(b"\r\n")
    if mail.count(b"\n") != breaks or mail.count(b"\r") != breaks:
        mail = _BARE_NEWLINE.sub(b"\r\n", mail)
    if not mail.endswith(b"\r\n"):
        mail += b"\r\n"
    if b"\r\n." in mail:
        mail = mail.replace(b"\r\n.", b"\r\n..")
    return b"." + mail if mail.startswith(b".") else mail
