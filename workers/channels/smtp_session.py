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

PATIENCE = 10.0
_SMALL = 64 * 1024
_ENVELOPE = (Step.MAIL, Step.RCPT, Step.DATA)
_BARE_NEWLINE = re.compile(rb"\r\n|\r|\n")


class Answer(NamedTuple):
    """The reply that decided about a transaction, and the step it came at. Accepted only as DOT with 2xx."""

    step: Step
    reply: Reply

    @property
    def accepted(self) -> bool:
        """Whether the relay took responsibility for the mail."""
        return self.step is Step.DOT and 200 <= self.reply.code < 300


class Mail(NamedTuple):
    """A mail to one recipient: addresses as between angle brackets, `body` in wire form."""

    sender: bytes
    recipient: bytes
    body: bytes

    @property
    def domain(self) -> str:
        """The recipient's domain in lower case."""
        return self.recipient.rpartition(b"@")[2].decode("ascii").lower()


class EnvelopeLost(SessionLost):
    """The relay has answered a mail, but not the envelope that had left with its end."""


def nothing_follows() -> None:
    """No mail is begun together with the end of this one."""


class Session(Link):
    """One connection to a relay, for one transaction at a time.

    `extensions` are what the relay said in EHLO, lower-case name to parameter. `uses` counts mails,
    `idle_since` is a moment of `time.monotonic()` that the pool sets. `patience`: seconds that an envelope
    which has left ahead of its turn may wait for an answer.
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
        self.patience = PATIENCE
        self._dirty = False
        self._ahead = False

    def holds(self, mail: Mail) -> bool:
        """Whether the mail is within the relay's announced limit."""
        return not 0 < self.size_limit < len(mail.body)

    def reaches(self, mail: Mail) -> bool:
        """Whether the recipient's address can be said here: one beyond ASCII needs SMTPUTF8."""
        return self.utf8 or mail.recipient.isascii()

    async def transact(
        self,
        mail: Mail,
        at_dot: Callable[[], None],
        follow: Callable[[], Mail | None] = nothing_follows,
    ) -> Answer:
        """Send one mail.

        `at_dot` is called just before the bytes leave after which the relay may accept. `follow` may name the
        mail that is going to be sent next on this session, with nothing said in between: its envelope then
        leaves in one write with the end of this mail, as RFC 2920 §3.1 allows ("the actual transfer of
        message content is explicitly allowed to be the first command in a group"). Of that next mail no byte
        of content has left before its own call. Raises SessionLost (EnvelopeLost: see there); if cancelled,
        the session must be aborted by the caller.
        """
        refused = await self._envelope(mail)
        return refused if refused is not None else await self._content(mail.body, at_dot, follow)

    async def would_take(self, sender: str, recipient: str) -> Answer | None:
        """Whether the relay takes this envelope: None, or the refusal. No mail is begun; RSET takes it back.

        Addresses as between angle brackets, without white space. Raises SessionLost.
        """
        self._dirty = True
        commands = (f"MAIL FROM:<{sender}>\r\n", f"RCPT TO:<{recipient}>\r\n")
        for step, command in zip((Step.MAIL, Step.RCPT), commands, strict=True):
            self._write(command.encode(), replies=1)
            reply = await self._reply()
            if not _goes_on(step, reply):
                return Answer(step, reply)
        self._write(b"RSET\r\n", replies=1)
        await self._after_reset()
        return None

    def _commands(self, mail: Mail) -> tuple[bytes, bytes, bytes]:
        options = b" SIZE=%d" % len(mail.body) if self.announces_size else b""
        if self.eight_bit and not mail.body.isascii():
            options += b" BODY=8BITMIME"
        if self.utf8 and not mail.recipient.isascii():
            options += b" SMTPUTF8"  # RFC 6531 §3.4: for the address here and the one in To alike
        return (
            b"MAIL FROM:<%b>%b\r\n" % (mail.sender, options),
            b"RCPT TO:<%b>\r\n" % mail.recipient,
            b"DATA\r\n",
        )

    async def _envelope(self, mail: Mail) -> Answer | None:
        """Return None when the relay waits for the mail, else the refusal."""
        if self._ahead:
            self._ahead = False  # said already, with the end of the last mail
            if not self.usable:
                self.abort()
                raise SessionLost(self._lost or "the relay has had enough of this connection")
            if not self._replies:
                await self._first_word()
            return await self._envelope_answers()
        self.uses += 1
        commands = self._commands(mail)
        if self.pipelining:
            return await self._envelope_at_once(commands)
        if self._dirty:
            self._write(b"RSET\r\n", replies=1)
            await self._after_reset()
        for step, command in zip(_ENVELOPE, commands, strict=True):
            self._write(command, replies=1)
            reply = await self._reply()
            if not _goes_on(step, reply):
                self._dirty = True
                return Answer(step, reply)
        return None

    async def _first_word(self) -> None:
        try:
            async with asyncio.timeout(self.patience):
                while not self._replies:
                    await self._wait()
        except TimeoutError:
            self.abort()
            raise EnvelopeLost("what was said with the end of the last mail is not answered") from None

    async def _envelope_at_once(self, commands: tuple[bytes, bytes, bytes]) -> Answer | None:
        lead = b"RSET\r\n" if self._dirty else b""
        self._write(lead + b"".join(commands), replies=3 + bool(lead))
        if lead:
            await self._after_reset()
        return await self._envelope_answers()

    async def _envelope_answers(self) -> Answer | None:
        refused: Answer | None = None
        for step in _ENVELOPE:
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

    async def _content(
        self, mail: bytes, at_dot: Callable[[], None], follow: Callable[[], Mail | None]
    ) -> Answer:
        if len(mail) <= _SMALL:
            self._check()
            following = follow() if self.pipelining else None
            at_dot()
            if following is None:
                self._write(mail + b".\r\n", replies=1)
            else:
                self.uses += 1
                self._ahead = True
                self._write(b"".join((mail, b".\r\n", *self._commands(following))), replies=4)
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
