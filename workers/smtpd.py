"""The SMTP door of a forwarded inbox (RFC 5321): takes mail for our own addresses, stores it, says 250."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from workers.delivery.identity import is_return_path
from workers.errors import CloseloopError, TooLarge
from workers.intake.store import Event, content_id, store
from workers.settings import Settings
from workers.unit_of_work import Workshop

MEGABYTE = 1024 * 1024
SIZE_LIMIT = 25 * MEGABYTE
# RFC 5321 §4.5.3.1.6 allows 1000 bytes; real senders write whole HTML documents on one line.
LINE_LIMIT = 2 * MEGABYTE
MOST_RECIPIENTS = 50
MOST_CONNECTIONS = 50
IDLE_SECONDS = 300.0
MAIL_SECONDS = 900.0
"""From the greeting, or the mail before, to the end of a mail: 25 MB at 30 KB/s."""
GRACE_SECONDS = 10.0

OK = "250 2.0.0 OK, stored"
REPEATED = "250 2.0.0 OK, stored before"
NOT_HERE = "550 5.1.1 no such mailbox here"
TOO_MANY_RECIPIENTS = "452 4.5.3 too many recipients"
TROUBLE = "451 4.3.0 not stored, please try again later"
BUSY = "421 4.3.2 too many connections, please try again later"
TOO_SLOW = "421 4.4.2 this takes too long, please try again later"
CLOSING = "421 4.3.2 closing, please try again later"

log = structlog.get_logger(__name__)


class SmtpIntake:
    """An SMTP listener in the caller's event loop.

    Takes mail for the team's address, its plus addresses and our return paths only, nothing is relayed. Each
    recipient's copy is one intake event, all of a mail in one transaction, committed before the 250. Our own
    trouble answers 451, so that the sender tries again; the same mail again is stored once.
    """

    def __init__(
        self,
        workshop: Workshop,
        settings: Settings,
        host: str,
        port: int,
        *,
        size_limit: int = SIZE_LIMIT,
        most_connections: int = MOST_CONNECTIONS,
        idle_seconds: float = IDLE_SECONDS,
        mail_seconds: float = MAIL_SECONDS,
    ) -> None:
        """`port` 0 takes any free one; `size_limit` in bytes."""
        self.mail_seconds = mail_seconds
        self._workshop = workshop
        self._settings = settings
        self._host = host
        self._port = port
        self._size_limit = size_limit
        self._most_connections = most_connections
        self._idle_seconds = idle_seconds
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._storing: set[asyncio.Task[bool]] = set()
        self._addresses = own_addresses(settings)

    @property
    def port(self) -> int:
        """The port that is listened on. Raises RuntimeError before `start`."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the SMTP listener has not been started")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        # aiosmtpd writes addresses into its log from INFO on, and whole mails from DEBUG on.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, loop), self._host, self._port)
        log.info("smtp_intake_listens", host=self._host, port=self.port)

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Take no new connections; let running mails end for up to `grace` seconds, hang up on the idle."""
        if self._server is None:
            return
        self._server.close()
        deadline = asyncio.get_running_loop().time() + grace
        while self._connections and asyncio.get_running_loop().time() < deadline:
            for connection in list(self._connections):
                if not connection.in_mail:
                    connection.refuse(CLOSING)
            await asyncio.sleep(0.02)
        for connection in list(self._connections):
            connection.refuse(CLOSING)
        if self._storing:
            await asyncio.wait(self._storing, timeout=grace)
        await self._server.wait_closed()
        self._server = None

    # -- what aiosmtpd calls (its handler hooks) -----------------------------------------------------------

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Whether this recipient is ours."""
        if not is_own(address, self._addresses) and not is_return_path(address, self._settings):
            return NOT_HERE
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return TOO_MANY_RECIPIENTS
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Store the mail for each of its recipients; the task goes on when the sender hangs up meanwhile."""
        raw = envelope.original_content or b""
        events = [_event(raw, envelope, session, to) for to in dict.fromkeys(envelope.rcpt_tos)]
        task = asyncio.create_task(self._store(events))
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
        try:
            return OK if await asyncio.shield(task) else REPEATED
        except TooLarge as error:
            return f"552 5.3.4 {error.message}"
        except CloseloopError as error:
            return TROUBLE if error.retryable else f"554 5.6.0 {error.message}"
        except Exception as error:  # whatever it is, the mail is not stored: the sender must keep it
            log.error("smtp_not_stored", error=type(error).__name__)  # noqa: TRY400 - its words may be personal
            return TROUBLE

    async def handle_exception(self, error: Exception) -> str:
        """What the sender is told when the dialogue itself breaks: never the error's own words."""
        log.error("smtp_dialogue_failed", error=type(error).__name__)
        return TROUBLE

    async def _store(self, events: list[Event]) -> bool:
        async with self._workshop.begin() as uow:
            new = [await store(uow, event) for event in events]
        return any(new)

    # -- its connections -----------------------------------------------------------------------------------

    def smtp_options(self) -> dict[str, Any]:
        """What each connection is made with."""
        return {
            "data_size_limit": self._size_limit,
            "enable_SMTPUTF8": True,
            "hostname": self._settings.mail_domain,
            "ident": "closeloop",
            "timeout": self._idle_seconds,
            "auth_exclude_mechanism": ["LOGIN", "PLAIN"],
        }

    def admit(self, connection: _Connection) -> bool:
        """Count a new connection in; False when there are too many."""
        if len(self._connections) >= self._most_connections:
            return False
        self._connections.add(connection)
        return True

    def leave(self, connection: _Connection) -> None:
        """Count it out."""
        self._connections.discard(connection)


class _Connection(SMTP):
    """aiosmtpd's protocol with real mail's long lines, and an end to what it would let grow for ever."""

    line_length_limit = LINE_LIMIT

    def __init__(self, door: SmtpIntake, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(door, loop=loop, **door.smtp_options())
        self._door = door
        self._admitted = False
        self._taken = 0
        self._ends: asyncio.TimerHandle | None = None
        self._ceiling = 2 * (self.data_size_limit or SIZE_LIMIT) + LINE_LIMIT

    @property
    def in_mail(self) -> bool:
        """Whether a mail is under way."""
        return self.envelope is not None and bool(self.envelope.mail_from)

    def refuse(self, words: str) -> None:
        """Say why and hang up."""
        if self.transport is not None and not self.transport.is_closing():
            writing: Any = self.transport
            with contextlib.suppress(OSError, RuntimeError):
                writing.write(f"{words}\r\n".encode())
            self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the dialogue, unless there are too many already."""
        self._admitted = self._door.admit(self)
        if self._admitted:
            super().connection_made(transport)
            self._begin_anew()
            return
        self.transport = transport
        self.refuse(BUSY)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it out."""
        self._door.leave(self)
        if self._ends is not None:
            self._ends.cancel()
        if self._admitted:
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Hang up on a mail that never ends: aiosmtpd would keep what has no line end, however much it is."""
        if not self._admitted:
            return
        self._taken += len(data)
        if self._taken > self._ceiling:
            self.refuse("552 5.3.4 too much mail data")
            return
        super().data_received(data)

    def eof_received(self) -> bool | None:
        """The sender has hung up."""
        return super().eof_received() if self._admitted else False

    def _begin_anew(self) -> None:
        """Each drop of a slow dialogue starts aiosmtpd's clock of idleness again; this one goes on."""
        if self._ends is not None:
            self._ends.cancel()
        self._taken = 0
        self._ends = self.loop.call_later(self._door.mail_seconds, self.refuse, TOO_SLOW)

    def _set_post_data_state(self) -> None:
        if self._admitted:
            self._begin_anew()
        super()._set_post_data_state()  # type: ignore[no-untyped-call]  # aiosmtpd leaves it untyped


def own_addresses(settings: Settings) -> frozenset[tuple[str, str]]:
    """The (local part, domain) pairs that mail is taken for: the team's address, and the reply addresses'."""
    local, _, domain = settings.mail_from.lower().rpartition("@")
    base = local.partition("+")[0]
    return frozenset({(local, domain), (base, domain), (base, settings.mail_domain.lower())})


def is_own(address: str, own: frozenset[tuple[str, str]]) -> bool:
    """Whether an envelope recipient is one of `own`, with or without a +tag, case ignored."""
    local, _, domain = address.strip().strip("<>").lower().rpartition("@")
    return (local, domain) in own or (local.partition("+")[0], domain) in own


def _event(raw: bytes, envelope: Envelope, session: Session, to: str) -> Event:
    """One recipient's copy; the null sender `<>` is "". Bytes that are no UTF-8 become backslash escapes."""
    peer: Any = session.peer  # (host, port, …), or text on a Unix socket
    sender = (envelope.mail_from or "").strip("<>")
    told = {
        "from": _storable(sender),
        "to": _storable(to),
        "peer": str(peer[0]) if isinstance(peer, tuple) else "",
        "helo": session.host_name or "",
    }
    return Event("smtp", content_id(raw, told["to"]), "mail", raw, told)


def _storable(address: str) -> str:
    return address.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
