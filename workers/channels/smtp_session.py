"""The mail transaction on an opened relay connection, pipelined where the relay offers it (RFC 2920).

aiosmtplib has opened, secured and authenticated the connection; from then on this protocol owns its
transport. aiosmtplib's own transaction waits for every reply and drops replies that arrive together, so it
cannot pipeline.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from workers.channels.smtp_codes import Step
from workers.channels.smtp_link import Link, Reply, SessionLost
from workers.channels.smtp_url import Relay

_SMALL = 64 * 1024
_BARE_NEWLINE = re.compile(rb"\r\n|\r|\n")


class Answer(NamedTuple):
    """The reply that decided about a transaction, and the step it came at. Accepted only as DOT with 2xx."""

    step: Step
    reply: Reply

    @property
    def accepted(self) -> bool:
        """Whether the relay took responsibility for the mail."""
        return self.step is Step.DOT and 200 <= self.reply.code < 300


class Session(Link):
    """One connection to a relay, for one transaction at a time.

    `extensions` are what the relay said in EHLO, lower-case name to parameter. `uses` counts mails,
    `idle_since` is a moment of `time.monotonic()` that the pool sets.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        now: Callable[[], datetime],
        host: str,
        *,
        tls: bool,
        extensions: Mapping[str, str],
        relay: Relay | None = None,
    ) -> None:
        super().__init__(transport, now)
        self.host = host
        self.relay = relay
        self.tls = tls
        self.pipelining = "pipelining" in extensions
        self.eight_bit = "8bitmime" in extensions
        self.utf8 = "smtputf8" in extensions
        self.announces_size = "size" in extensions
        limit = extensions.get("size", "").strip()
        self.size_limit = int(limit) if limit.isdecimal() else 0
        self.uses = 0
        self.idle_since = 0.0
        self._dirty = False

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
        if self.utf8 and not recipient.isascii():
            options += b" SMTPUTF8"  # RFC 6531 §3.4: for the address here and the one in To alike
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
            return await self._verdict()
        # A long mail goes first and its dot by itself: a loss on the way is then a loss before the dot.
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
        return await self._verdict()

    async def _verdict(self) -> Answer:
        reply = await self._reply()
        if reply.code < 200 or 300 <= reply.code < 400:
            self.doomed = True  # no answer to a mail: we do not speak of the same thing any more
        return Answer(Step.DOT, reply)


def _goes_on(step: Step, reply: Reply) -> bool:
    return reply.code == 354 if step is Step.DATA else 200 <= reply.code < 300


def wire_form(mail: bytes) -> bytes:
    """Return the mail with CRLF line ends and doubled leading dots (RFC 5321 §4.5.2), lacking its final dot.

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
