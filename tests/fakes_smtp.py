"""A scripted SMTP server for tests: it can refuse, hang, drip, delay and hang up at any step, and keeps all
mails.

    script = Script().on("rcpt", refuse("450 4.7.1 greylisted"), times=1).on("dot", cut(), recipient="bob@")
    async with ScriptedSmtp(script) as server:
        ... parse_smtp_urls(server.url) ...
        assert [mail.recipient for mail in server.mails] == ["alice@example.org"]

Steps: connect ehlo starttls auth mail rcpt data body dot rset noop quit. `body` comes before the final dot
has been read, `dot` after it. Rules may be added and cleared while the server runs. `ThreadedSmtp` is the
same server in its own thread, for tests that are not asynchronous or that start other processes.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import lru_cache
from types import TracebackType
from typing import Self, cast

import trustme


@dataclass(frozen=True)
class Action:
    """What to do at a step: wait `delay` seconds, then answer `reply` (None = the usual one), then perhaps
    hang up.

    `hang` never answers; `drip` is the pause in seconds between the bytes of the answer; `silent` answers
    nothing; `held` waits for an event first.
    """

    reply: bytes | None = None
    delay: float = 0.0
    drip: float = 0.0
    hang: bool = False
    cut: bool = False
    silent: bool = False
    held: asyncio.Event | None = None


def refuse(reply: str) -> Action:
    """Answer with `reply`, e.g. `550 5.1.1 no such user`; several lines separated by a line feed."""
    return Action(reply=reply.replace("\n", "\r\n").encode() + b"\r\n")


def say(raw: bytes) -> Action:
    """Answer with exactly these bytes."""
    return Action(reply=raw)


def close_with(reply: str) -> Action:
    """Answer with `reply`, then hang up (as with 421)."""
    return Action(reply=reply.encode() + b"\r\n", cut=True)


def cut() -> Action:
    """Hang up without an answer."""
    return Action(cut=True, silent=True)


def hang() -> Action:
    """Never answer; the connection stays open."""
    return Action(hang=True)


def delay(seconds: float) -> Action:
    """Answer as usual, later."""
    return Action(delay=seconds)


def held(until: asyncio.Event) -> Action:
    """Answer as usual, once this is set: for what must not depend on how fast the machine is."""
    return Action(held=until)


def drip(pause: float) -> Action:
    """Answer as usual, byte by byte."""
    return Action(drip=pause)


@dataclass
class Rule:
    """An action bound to a step; `skip` lets the first ones pass, `times` limits it, `recipient` is a part
    of one.

    `after` (step `body` only): how many bytes of the mail are read first.
    """

    step: str
    action: Action
    times: int | None = None
    recipient: str | None = None
    skip: int = 0
    after: int = 0

    def fits(self, step: str, recipient: str) -> bool:
        """Say whether the rule applies now, and count."""
        if step != self.step or (self.recipient is not None and self.recipient not in recipient):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


@dataclass
class Script:
    """What the server offers and how it behaves.

    `starttls` / `implicit_tls`: server contexts (see `certificates`); `users`: name → password, which makes
    AUTH compulsory; `size`: announced limit in bytes.
    """

    pipelining: bool = True
    eight_bit: bool = True
    utf8: bool = False
    esmtp: bool = True
    size: int | None = None
    starttls: ssl.SSLContext | None = None
    implicit_tls: ssl.SSLContext | None = None
    users: Mapping[str, str] | None = None
    data_without_recipient: bool = False
    """Accept DATA although no recipient was accepted, as RFC 2920 §3.1 warns of."""
    forgetful: bool = False
    """Drop whatever has come in behind a final dot, as some do that offer PIPELINING."""
    rules: list[Rule] = field(default_factory=list)

    def on(
        self,
        step: str,
        action: Action,
        *,
        times: int | None = None,
        recipient: str | None = None,
        skip: int = 0,
        after: int = 0,
    ) -> Self:
        """Add a rule; the first that fits wins. For `rcpt` the recipient is the one being named."""
        self.rules.append(Rule(step, action, times, recipient, skip, after))
        return self

    def clear(self) -> None:
        """Behave from now on."""
        self.rules.clear()

    def rule(self, step: str, recipient: str) -> Rule | None:
        """Return the rule for this step, if there is one."""
        return next((rule for rule in self.rules if rule.fits(step, recipient)), None)


@dataclass(frozen=True)
class CaughtMail:
    """A mail whose final dot was read and that was not refused. `answered`: the 250 was sent, too."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    at: float
    connection: int
    tls: bool
    user: str | None
    answered: bool

    @property
    def recipient(self) -> str:
        """The only recipient."""
        (only,) = self.recipients
        return only

    @property
    def message(self) -> EmailMessage:
        """The mail as the standard library reads it; the same object each time."""
        return _as_read(self.data)

    @property
    def message_id(self) -> str:
        """The Message-ID header."""
        return str(self.message["Message-ID"])


@lru_cache(maxsize=1_000)  # stories ask for the same mails again and again
def _as_read(data: bytes) -> EmailMessage:
    return message_from_bytes(data, policy=policy.default)


class ScriptedSmtp:
    """The server. It keeps its port over `stop` and `start`, so that an outage can be played."""

    def __init__(self, script: Script | None = None, *, port: int = 0) -> None:
        self.script = script or Script()
        self.port = port
        self.mails: list[CaughtMail] = []
        self.commands: list[tuple[int, str]] = []
        self.behind: list[tuple[str, bytes]] = []
        """By verb: what had come in behind a command, unread, when it was read."""
        self.violations: list[str] = []
        self.connections = 0
        self.open_connections = 0
        self.most_connections = 0
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The URL for CLOSELOOP_SMTP_URL, with the first user and the TLS mode of the script."""
        mode = "start" if self.script.starttls else "implicit" if self.script.implicit_tls else "none"
        login = next((f"{name}:{word}@" for name, word in (self.script.users or {}).items()), "")
        return f"smtp://{login}127.0.0.1:{self.port}?tls={mode}"

    def count(self, verb: str) -> int:
        """How many commands of this verb came in."""
        return sum(1 for _, line in self.commands if line.upper().startswith(verb.upper()))

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, ssl=self.script.implicit_tls, backlog=1000
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def close_door(self) -> None:
        """Refuse new connections; those there are go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def stop(self) -> None:
        """Hang up on everybody and refuse connections."""
        self.close_door()
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def hang_up(self) -> None:
        """Cut the connections there are; new ones are welcome."""
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def until(self, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Wait until `condition` holds; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - a condition over several lists has no event
                await asyncio.sleep(0.005)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._talks.add(task)
        self.connections += 1
        self.open_connections += 1
        self.most_connections = max(self.most_connections, self.open_connections)
        talk = _Talk(self, self.connections, reader, writer)
        try:
            await talk.run()
        except (_HangUp, OSError, asyncio.CancelledError):
            pass
        finally:
            self.open_connections -= 1
            self._talks.discard(task)
            writer.transport.abort()


class _HangUp(Exception):
    pass


class _Talk:
    """The dialogue on one connection."""

    def __init__(
        self, server: ScriptedSmtp, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.script = server.script
        self.number = number
        self.reader = reader
        self.writer = writer
        self.buffer = b""
        self.tls = self.script.implicit_tls is not None
        self.user: str | None = None
        self.sender: str | None = None
        self.utf8 = False
        self.recipients: list[str] = []

    async def run(self) -> None:
        await self.answer("connect", b"220 scripted.example ESMTP\r\n")
        while True:
            line = await self.line()
            self.server.commands.append((self.number, line.decode("utf-8", "replace")))
            verb = line.split(b" ", 1)[0].split(b":", 1)[0].upper().decode("ascii", "replace")
            self.server.behind.append((verb, self.buffer))
            if self.buffer and not self.script.pipelining:
                self.server.violations.append(f"pipelined after {verb} though not offered")
            handler = getattr(self, f"do_{verb.lower()}", None)
            if handler is None:
                await self.send(b"502 5.5.1 unknown command\r\n")
            else:
                await handler(line)

    async def more(self) -> bytes:
        chunk = await self.reader.read(65536)
        if not chunk:
            raise _HangUp
        return chunk

    async def line(self) -> bytes:
        while b"\n" not in self.buffer:
            self.buffer += await self.more()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    async def send(self, data: bytes, pause: float = 0.0) -> None:
        if not pause:
            self.writer.write(data)
            await self.writer.drain()
            return
        for position in range(len(data)):
            self.writer.write(data[position : position + 1])
            await self.writer.drain()
            await asyncio.sleep(pause)

    async def answer(self, step: str, usual: bytes, recipient: str | None = None) -> bool:
        """Answer by the script; says whether the answer was (or stood for) the usual one."""
        who = recipient if recipient is not None else " ".join(self.recipients)
        rule = self.script.rule(step, who)
        return await self.act(rule.action if rule else Action(), usual)

    async def act(self, action: Action, usual: bytes) -> bool:
        await asyncio.sleep(action.delay)
        if action.held:
            await action.held.wait()
        if action.hang:
            await asyncio.Event().wait()
        reply = b"" if action.silent else usual if action.reply is None else action.reply
        await self.send(reply, action.drip)
        if action.cut:
            if reply:
                self.writer.close()  # let the words arrive first
                with contextlib.suppress(OSError, ssl.SSLError):  # it is cut off in any case
                    await self.writer.wait_closed()
            raise _HangUp
        return action.reply is None or action.reply[:1] == usual[:1]

    def reset(self) -> None:
        self.sender = None
        self.utf8 = False
        self.recipients = []

    async def do_ehlo(self, _: bytes) -> None:
        if not self.script.esmtp:
            await self.send(b"502 5.5.1 say HELO\r\n")
            return
        offers = ["scripted.example"]
        offers += ["PIPELINING"] if self.script.pipelining else []
        offers += ["8BITMIME"] if self.script.eight_bit else []
        offers += ["SMTPUTF8"] if self.script.utf8 else []
        offers += [f"SIZE {self.script.size}"] if self.script.size is not None else []
        offers += ["STARTTLS"] if self.script.starttls and not self.tls else []
        offers += ["AUTH PLAIN LOGIN"] if self.script.users else []
        lines = [f"250{'-' if offer is not offers[-1] else ' '}{offer}\r\n" for offer in offers]
        await self.answer("ehlo", "".join(lines).encode())

    async def do_helo(self, _: bytes) -> None:
        await self.send(b"250 scripted.example\r\n")

    async def do_starttls(self, _: bytes) -> None:
        if self.script.starttls is None:
            await self.send(b"502 5.5.1 no TLS here\r\n")
        elif await self.answer("starttls", b"220 2.0.0 go ahead\r\n"):
            await self.writer.start_tls(self.script.starttls)
            self.tls = True

    async def do_auth(self, line: bytes) -> None:
        words = line.decode("ascii", "replace").split()
        users = self.script.users or {}
        try:
            if words[1].upper() == "PLAIN":
                _, name, word = base64.b64decode(words[2]).decode().split("\0")
            else:
                name = base64.b64decode(words[2]).decode()
                await self.send(b"334 UGFzc3dvcmQ6\r\n")
                word = base64.b64decode(await self.line()).decode()
        except (ValueError, IndexError, binascii.Error):
            await self.send(b"501 5.5.2 cannot read that\r\n")
            return
        if users.get(name) != word:
            await self.answer("auth", b"535 5.7.8 authentication credentials invalid\r\n")
        elif await self.answer("auth", b"235 2.7.0 welcome\r\n"):
            self.user = name

    async def do_mail(self, line: bytes) -> None:
        if self.script.users and self.user is None:
            await self.send(b"530 5.7.0 authentication required\r\n")
        elif self.sender is not None:
            await self.send(b"503 5.5.1 nested MAIL\r\n")
        elif await self.answer("mail", b"250 2.1.0 ok\r\n", _path(line)):
            self.sender = _path(line)
            self.utf8 = self.script.utf8 and b" SMTPUTF8" in line.upper()

    async def do_rcpt(self, line: bytes) -> None:
        if self.sender is None:
            await self.send(b"503 5.5.1 MAIL first\r\n")
        elif not line.isascii() and not self.utf8:
            await self.send(b"553 5.6.7 SMTPUTF8 was not asked for\r\n")
        elif await self.answer("rcpt", b"250 2.1.5 ok\r\n", _path(line)):
            self.recipients.append(_path(line))

    async def do_data(self, _: bytes) -> None:
        if not self.recipients and not (self.script.data_without_recipient and self.sender is not None):
            await self.send(b"503 5.5.1 no recipients\r\n")
        elif await self.answer("data", b"354 go ahead\r\n"):
            await self.take_mail(await self.body())
            self.reset()

    async def body(self) -> bytes:
        """Read up to the final dot; what the script wants at `body` happens on the way."""
        rule = self.script.rule("body", " ".join(self.recipients))
        read = bytearray(b"\r\n")
        searched = 0
        while True:
            read += self.buffer
            self.buffer = b""
            if rule is not None and len(read) - 2 >= rule.after:
                await self.act(rule.action, b"")
                rule = None
            end = read.find(b"\r\n.\r\n", max(0, searched - 4))
            if end >= 0:
                break
            searched = len(read)
            self.buffer = await self.more()
        self.buffer = b"" if self.script.forgetful else bytes(read[end + 5 :])
        return bytes(read[2 : end + 2]).replace(b"\r\n..", b"\r\n.").removeprefix(b".")

    async def take_mail(self, data: bytes) -> None:
        if not self.recipients:
            await self.send(b"554 5.5.1 no valid recipients\r\n")
            return
        rule = self.script.rule("dot", " ".join(self.recipients))
        action = rule.action if rule else Action()
        refused = action.reply is not None and action.reply[:1] in b"45"
        answered = not (action.hang or action.silent)
        if not refused:
            self.server.mails.append(
                CaughtMail(
                    sender=self.sender or "",
                    recipients=tuple(self.recipients),
                    data=data,
                    at=time.monotonic(),
                    connection=self.number,
                    tls=self.tls,
                    user=self.user,
                    answered=answered,
                )
            )
        await self.act(action, b"250 2.0.0 ok: queued as %08X\r\n" % len(self.server.mails))

    async def do_rset(self, _: bytes) -> None:
        self.reset()
        await self.answer("rset", b"250 2.0.0 ok\r\n")

    async def do_noop(self, _: bytes) -> None:
        await self.answer("noop", b"250 2.0.0 ok\r\n")

    async def do_quit(self, _: bytes) -> None:
        await self.act(Action(cut=True), b"221 2.0.0 bye\r\n")


def _path(line: bytes) -> str:
    return line[line.index(b"<") + 1 : line.rindex(b">")].decode("utf-8", "backslashreplace")


class ThreadedSmtp:
    """A `ScriptedSmtp` in its own thread: `with ThreadedSmtp(script) as server: server.mails`."""

    def __init__(self, script: Script | None = None, *, port: int = 0) -> None:
        self._smtp = ScriptedSmtp(script, port=port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> ScriptedSmtp:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._smtp.start(), self._loop).result(60)
        return self._smtp

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._smtp.stop(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass(frozen=True)
class Certificates:
    """`server` for the script, `client` trusts it, `stranger` is a client that does not."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    stranger: ssl.SSLContext


def certificates(*names: str) -> Certificates:
    """Make a certificate for `names` (127.0.0.1 and localhost if none are given) from an authority of its
    own.
    """
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Certificates(server, client, ssl.create_default_context())
