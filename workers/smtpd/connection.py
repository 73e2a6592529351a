"""One dialogue: aiosmtpd's, with real mail's long lines, STARTTLS, and an end to what would never end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from aiosmtpd.smtp import SMTP

from workers.smtpd.peers import peer_key

MEGABYTE = 1024 * 1024
# RFC 5321 §4.5.3.1.6 allows 1000 bytes; real senders write whole HTML documents on one line.
LINE_LIMIT = 2 * MEGABYTE
HANDSHAKE_SECONDS = 30.0
PARTING_SECONDS = 10.0
"""For whoever is hung up on, to take the last words; then the line is cut."""
MOST_STRANGERS = 10
"""Unknown recipients on one connection: beyond, somebody is trying out names."""

BUSY = "421 4.3.2 too many connections, please try again later"
TOO_SLOW = "421 4.4.2 this takes too long, please try again later"
TOO_MUCH = "552 5.3.4 too much mail data"
TOO_MANY_STRANGERS = "421 4.7.0 too many unknown recipients"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one dialogue may take: `size` of a mail in bytes, `idle` seconds of silence, `mail` seconds from
    the greeting, or the mail before, to the end of a mail.
    """

    size: int = 25 * MEGABYTE
    idle: float = 300.0
    mail: float = 900.0  # 25 MB at 30 KB/s


class Door(Protocol):
    """Who listens: decides who may come in, and takes the mail (aiosmtpd's handler hooks)."""

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in; False when there are too many."""
        ...

    def leave(self, connection: Connection) -> None:
        """Count it out."""
        ...


class Connection(SMTP):
    """A dialogue with one sender. `tls` is the context to offer STARTTLS with, None for none."""

    line_length_limit = LINE_LIMIT

    def __init__(
        self,
        door: Door,
        loop: asyncio.AbstractEventLoop,
        *,
        hostname: str,
        limits: Limits,
        tls: ssl.SSLContext | None,
    ) -> None:
        super().__init__(
            door,
            loop=loop,
            data_size_limit=limits.size,
            enable_SMTPUTF8=True,
            hostname=hostname,
            ident="closeloop",
            timeout=limits.idle,
            tls_context=tls,
            auth_exclude_mechanism=["LOGIN", "PLAIN"],
        )
        self.peer = ""
        self._door = door
        self._mail_seconds = limits.mail
        self._admitted = False
        self._gone = False
        self._taken = 0
        self._strangers = 0
        self._ends: asyncio.TimerHandle | None = None
        self._parting: asyncio.TimerHandle | None = None
        self._ceiling = 2 * limits.size + LINE_LIMIT

    @property
    def in_mail(self) -> bool:
        """Whether a mail is under way; the null sender begins one too."""
        return self.envelope is not None and self.envelope.mail_from is not None

    def refuse(self, words: str) -> None:
        """Say why and hang up."""
        if self.transport is not None and not self.transport.is_closing():
            writing: Any = self.transport
            with contextlib.suppress(OSError, RuntimeError):  # whoever it is for has gone
                writing.write(f"{words}\r\n".encode())
            self._close()

    def cut(self) -> None:
        """Break the connection off at once, whatever the sender has not taken yet."""
        if self.transport is not None:
            writing: Any = self.transport
            writing.abort()

    def _close(self) -> None:
        """Hang up; a sender that takes nothing more, not even the end, must not keep the connection."""
        if self.transport is not None:
            self.transport.close()
            if self._parting is None and not self._gone:
                self._parting = self.loop.call_later(PARTING_SECONDS, self.cut)

    def stranger(self) -> None:
        """Count a recipient that is nobody here; hang up on whoever goes on trying."""
        self._strangers += 1
        if self._strangers > MOST_STRANGERS:
            log.warning("smtp_names_tried_out", peer=self.peer)
            self.refuse(TOO_MANY_STRANGERS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the dialogue, unless there are too many already."""
        name = transport.get_extra_info("peername")  # (host, port, …), or text on a Unix socket
        self.peer = peer_key(str(name[0])) if isinstance(name, tuple) else "local"
        self._admitted = self._door.admit(self)
        if self._admitted:
            super().connection_made(transport)
            self._begin_anew()
            return
        self.transport = transport
        self.refuse(BUSY)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it out, once."""
        if self._gone:
            return
        self._gone = True
        for timer in (self._ends, self._parting):
            if timer is not None:
                timer.cancel()
        if self._admitted:
            self._door.leave(self)
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Hang up on a mail that never ends: aiosmtpd would keep what has no line end, however much it is."""
        if not self._admitted:
            return
        self._taken += len(data)
        if self._taken > self._ceiling:
            self.refuse(TOO_MUCH)
            return
        super().data_received(data)

    def eof_received(self) -> bool | None:
        """The sender has hung up."""
        return super().eof_received() if self._admitted else False

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Go on encrypted (RFC 3207). aiosmtpd's own way needs insides of asyncio that have changed."""
        if arg:
            await self.push("501 5.5.4 STARTTLS takes no parameter")
        elif self.tls_context is None:
            await self.push("454 4.7.0 TLS not available")
        elif self._tls_protocol is not None:
            await self.push("503 5.5.1 this connection is encrypted already")
        else:
            await self.push("220 2.0.0 ready to start TLS")
            await self._encrypt(self.tls_context)

    async def _encrypt(self, context: ssl.SSLContext) -> None:
        # What was said ahead in clear might be somebody else's: it is thrown away (RFC 3207 §4.2).
        reader: Any = self._reader
        reader._buffer.clear()
        secured: Any = None
        try:
            secured = await self.loop.start_tls(
                self.transport,  # type: ignore[arg-type]  # typed as any transport, is a socket's
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except (OSError, ssl.SSLError) as error:
            log.info("smtp_tls_failed", peer=self.peer, error=type(error).__name__)
        if secured is None:
            self.cut()
            # asyncio tells nobody of a connection that ends in the midst of its handshake.
            self.connection_lost(None)
            return
        self.transport = self._tls_protocol = reader._transport = secured
        writer: Any = self._writer
        writer._transport = secured
        peer = self.session.peer if self.session else None
        self._set_rset_state()  # type: ignore[no-untyped-call]  # aiosmtpd leaves it untyped
        self.session = self._create_session()
        self.session.peer = peer
        self.session.ssl = {"cipher": secured.get_extra_info("cipher")}

    def _begin_anew(self) -> None:
        """Each drop of a slow dialogue starts aiosmtpd's clock of idleness again; this one goes on."""
        if self._ends is not None:
            self._ends.cancel()
        if self._gone:
            return
        self._taken = 0
        self._ends = self.loop.call_later(self._mail_seconds, self.refuse, TOO_SLOW)

    def _timeout_cb(self) -> None:
        """End a silent dialogue; aiosmtpd's own way might take for ever."""
        self._close()

    def _set_post_data_state(self) -> None:
        if self._admitted:
            self._begin_anew()
        super()._set_post_data_state()  # type: ignore[no-untyped-call]  # aiosmtpd leaves it untyped
