"""The SMTP door of a forwarded inbox (RFC 5321): takes mail for our own addresses, stores it, says 250."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session

from workers.delivery.identity import is_return_path
from workers.errors import CloseloopError, TooLarge
from workers.intake.store import Event, content_id, store
from workers.settings import Settings
from workers.smtpd.addresses import is_own, own_addresses
from workers.smtpd.certificate import certificate_of
from workers.smtpd.connection import Connection, Limits
from workers.smtpd.peers import Peers
from workers.storage import trouble_of
from workers.unit_of_work import Workshop

MOST_RECIPIENTS = 50
GRACE_SECONDS = 10.0
LONGEST_NAME = 255
"""RFC 5321 section 4.5.3.1.2."""

OK = "250 2.0.0 OK, stored"
REPEATED = "250 2.0.0 OK, stored before"
NOT_HERE = "550 5.1.1 no such mailbox here"
TOO_MANY_RECIPIENTS = "452 4.5.3 too many recipients"
TROUBLE = "451 4.3.0 not stored, please try again later"
TOO_MANY_MAILS = "450 4.7.1 too many mails from you, please go slower"
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
        limits: Limits | None = None,
        peers: Peers | None = None,
    ) -> None:
        """`port` 0 takes any free one. Raises SettingsError for a certificate that cannot be used."""
        self._workshop = workshop
        self._settings = settings
        self._host = host
        self._port = port
        self._limits = limits or Limits()
        self._peers = peers or Peers()
        self._certificate = certificate_of(settings)
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
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
        self._server = await loop.create_server(lambda: self._connection(loop), self._host, self._port)
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
            connection.cut()
        await asyncio.sleep(0.02)  # in which their transports hear of it
        if self._storing:
            await asyncio.wait(self._storing, timeout=grace)
        await self._server.wait_closed()
        self._server = None

    # -- what aiosmtpd calls (its handler hooks) -----------------------------------------------------------

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """What is offered. Nobody logs in here, so no AUTH; whoever is encrypted is offered nothing else."""
        session.host_name = hostname
        return [line for line in responses if not line.startswith("250-AUTH")]

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: Connection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Whether this machine may send a further mail now."""
        if not self._peers.may_mail(server.peer, server.loop.time()):
            return TOO_MANY_MAILS
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Connection, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Whether this recipient is ours."""
        if not is_own(address, self._addresses) and not is_return_path(address, self._settings):
            server.stranger()
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
            if trouble_of(error) is None:  # else it is in the log already, once for all mails
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

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in; False when there are too many."""
        if not self._peers.admit(connection.peer):
            return False
        self._connections.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """Count it out."""
        self._connections.discard(connection)
        self._peers.leave(connection.peer)

    def _connection(self, loop: asyncio.AbstractEventLoop) -> Connection:
        tls = self._certificate.context() if self._certificate else None
        return Connection(self, loop, hostname=self._settings.mail_domain, limits=self._limits, tls=tls)


def _event(raw: bytes, envelope: Envelope, session: Session, to: str) -> Event:
    """One recipient's copy; the null sender `<>` is "". Bytes that are no UTF-8 become backslash escapes."""
    peer: Any = session.peer  # (host, port, …), or text on a Unix socket
    sender = (envelope.mail_from or "").strip("<>")
    recipient = _storable(to)
    told = {
        "from": _storable(sender),
        "to": recipient,
        "peer": str(peer[0]) if isinstance(peer, tuple) else "",
        "helo": _storable(session.host_name or "")[:LONGEST_NAME],
        "tls": session.ssl is not None,
    }
    return Event("smtp", content_id(raw, recipient), "mail", raw, told)


def _storable(address: str) -> str:
    return address.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
