"""The connection to an IMAP server: IMAPClient, with an end to what a server may make us keep or wait for.

Everything here blocks and runs in a thread of its own (`workers.imap.hands`).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.tls import IMAP4_TLS

from workers import __version__
from workers.imap.faults import AUTHENTICATION, TLS, Fault, LiteralTooLarge, explained
from workers.imap.tokens import access_token
from workers.settings.imap_url import ImapTls, MailboxUrl

CONNECT_SECONDS = 20.0
READ_SECONDS = 30.0
LARGEST = 26 * 1024 * 1024
"""Bytes of one literal: the largest mail that is taken, and what a server may be wrong by in RFC822.SIZE."""
MOST = 2 * LARGEST
"""Bytes of all that is said to one command: a server may tell more than it was asked for."""
IDENTITY = {"name": "closeloop", "version": __version__, "vendor": "closeloop"}
"""What we say of ourselves (RFC 2971): nothing of who runs it. 163 refuses SELECT without it."""


class _Careful:
    """Mixed into imaplib's client: tells of its socket at once, and refuses overlong answers."""

    def __init__(self, *arguments: Any, told: Callable[[socket.socket], None]) -> None:
        self._told = told
        self._heard = 0
        super().__init__(*arguments)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        made: socket.socket = super()._create_socket(timeout)  # type: ignore[misc]  # of the class beside
        self._told(made)
        return made

    def read(self, size: int) -> bytes:
        """One literal. Raises LiteralTooLarge: Python would ask for all of its memory beforehand."""
        if size > LARGEST:
            raise LiteralTooLarge
        self._hear(size)
        got: bytes = super().read(size)  # type: ignore[misc]  # of the class beside
        return got

    def readline(self) -> bytes:
        """One line. Raises LiteralTooLarge when there is no end to them: imaplib keeps all in its memory."""
        line: bytes = super().readline()  # type: ignore[misc]  # of the class beside
        self._hear(len(line))
        return line

    def _command(self, name: str, *arguments: Any) -> Any:
        self._heard = 0
        return super()._command(name, *arguments)  # type: ignore[misc]  # of the class beside

    def _hear(self, size: int) -> None:
        self._heard += size
        if self._heard > MOST:
            raise LiteralTooLarge


class _Telling:
    """In a TLS context's place: tells of the socket before the handshake begins, so that it can be cut."""

    def __init__(self, context: ssl.SSLContext, told: Callable[[socket.socket], None]) -> None:
        self._context = context
        self._told = told

    def wrap_socket(self, sock: socket.socket, *, server_hostname: str) -> ssl.SSLSocket:
        """`sock`, secured. Whatever goes wrong, nothing is left open."""
        with contextlib.ExitStack() as unless_well:
            unless_well.callback(sock.close)
            secured = self._context.wrap_socket(
                sock, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            unless_well.callback(secured.close)
            self._told(secured)
            secured.do_handshake()
            unless_well.pop_all()
        return secured


class _Tls(_Careful, IMAP4_TLS):  # type: ignore[misc]  # IMAPClient carries no types
    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        """As IMAPClient's, but told of before the handshake, which a server may draw out for days."""
        made = socket.create_connection((self.host, self.port), timeout=timeout or self._timeout)
        return _Telling(self.ssl_context, self._told).wrap_socket(made, server_hostname=self.host)


class _Plain(_Careful, IMAP4WithTimeout):  # type: ignore[misc]  # IMAPClient carries no types
    pass


class Wire(IMAPClient):  # type: ignore[misc]  # IMAPClient carries no types
    """One connection, not yet logged in. `told` hears of its socket, so that another thread may cut it."""

    def __init__(
        self, box: MailboxUrl, context: ssl.SSLContext | None, told: Callable[[socket.socket], None]
    ) -> None:
        # At DEBUG level it logs each line of the dialogue, and so whole mails.
        logging.getLogger("imapclient").setLevel(logging.WARNING)
        self._context = context
        self._told = told
        self._idle_is_fresh = False
        super().__init__(
            box.host,
            box.port,
            ssl=box.tls is ImapTls.IMPLICIT,
            timeout=SocketTimeout(CONNECT_SECONDS, READ_SECONDS),
        )
        self.normalise_times = False

    def _create_IMAP4(self) -> Any:  # noqa: N802 - IMAPClient's name
        if self.ssl:
            return _Tls(self.host, self.port, self._context, CONNECT_SECONDS, told=self._told)
        return _Plain(self.host, self.port, CONNECT_SECONDS, told=self._told)

    def begin_idle(self) -> None:
        """As `idle`, which fails where the server tells of a change before its go-ahead."""
        tag = self._imap._command("IDLE")
        while self._imap._get_response() is not None:
            if self._imap.tagged_commands.get(tag):
                typ, data = self._imap.tagged_commands.pop(tag)
                self._checkok("idle", typ, data)
        self._idle_tag = tag
        self._idle_is_fresh = True

    def _poll_socket(self, sock: Any, timeout: float | None = None) -> Any:
        # What came in one piece with the go-ahead has been read already: the socket stays silent.
        if self._idle_is_fresh:
            self._idle_is_fresh = False
            return True
        return super()._poll_socket(sock, timeout)

    def has_grown(self) -> bool:
        """Whether the server has told of more mail since SELECT, in passing: IDLE would not tell it again."""
        return len(self._imap.untagged_responses.get("EXISTS", ())) > 1


def open_wire(box: MailboxUrl, told: Callable[[socket.socket], None]) -> Wire:
    """A connection that is secured, logged in and has introduced itself. Raises Fault."""
    wire = _connected(box, told)
    try:
        _log_in(wire, box)
    except Fault:
        close(wire)
        raise
    return wire


def _connected(box: MailboxUrl, told: Callable[[socket.socket], None]) -> Wire:
    try:
        wire = Wire(box, tls_context(box) if box.tls is ImapTls.IMPLICIT else None, told)
    except Exception as error:
        raise explained(error, step="open") from error
    if box.tls is not ImapTls.START:
        return wire
    try:
        if not wire.has_capability("STARTTLS"):
            raise Fault(TLS, words="the server does not offer STARTTLS")
        wire.starttls(_Telling(tls_context(box), told))
    except Exception as error:
        close(wire)
        raise explained(error, step="open") from error
    return wire


def tls_context(box: MailboxUrl) -> ssl.SSLContext:
    """Verifies certificate and host name, always. Raises OSError when `ca_file` cannot be read."""
    context = ssl.create_default_context()
    if box.ca_file is not None:
        context.load_verify_locations(cafile=box.ca_file)
    return context


def _log_in(wire: Wire, box: MailboxUrl) -> None:
    try:
        if box.oauth is not None:
            _enter(wire, box.user, access_token(box, box.oauth))
        elif wire.has_capability("LOGINDISABLED") and wire.has_capability("AUTH=PLAIN"):
            wire.plain_login(box.user, box.password)
        else:
            wire.login(box.user, box.password)
        if wire.has_capability("ID"):
            wire.id_(IDENTITY)
    except Exception as error:
        raise explained(error, step="login") from error


def _enter(wire: Wire, user: str, token: str) -> None:
    """By XOAUTH2, which Gmail and Outlook know, else by the standard's own way (RFC 7628)."""
    if wire.has_capability("AUTH=XOAUTH2"):
        wire.oauth2_login(user, token)
    elif wire.has_capability("AUTH=OAUTHBEARER"):
        wire.oauthbearer_login(user, token)
    else:
        raise Fault(AUTHENTICATION, words="the server offers no login by OAuth")


def close(wire: Wire, *, politely: bool = False) -> None:
    """Let go of the connection, with LOGOUT if it is known to be well. Never raises."""
    with contextlib.suppress(Exception):  # the connection is thrown away, whatever it has to say
        if politely:
            wire.logout()
            return
    with contextlib.suppress(Exception):  # likewise
        wire.shutdown()
