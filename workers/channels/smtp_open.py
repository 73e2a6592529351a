"""Opening a relay connection: aiosmtplib connects, secures and authenticates; then the session takes over."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import cast

import aiosmtplib

from workers.channels.smtp_codes import Step, judge
from workers.channels.smtp_session import Session
from workers.channels.smtp_url import Relay, Tls

_HOST_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|\[[A-Za-z0-9:.]+\]")


class CannotConnect(Exception):
    """No session came about. `reason` is fit for an Outcome; `code` and `text` are the relay's reply, if
    any.
    """

    def __init__(self, reason: str, host: str, code: int | None = None, text: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.host = host
        self.code = code
        self.text = text


def own_host_name() -> str:
    """Return what to say in EHLO when nothing is configured: this machine's full name, else `localhost`.

    Asked from the system without DNS: `getfqdn` may hang for seconds on a machine without a network.
    """
    name = socket.gethostname()
    return name if _HOST_NAME.fullmatch(name) else "localhost"


def relay_context(relay: Relay) -> ssl.SSLContext | None:
    """Return the TLS context for `relay` (certificates are always verified), None if it is spoken to in
    clear.

    Reads the trust store: some 20 ms of blocking work. Raises OSError when `ca_file` cannot be read.
    """
    if relay.tls is Tls.NONE:
        return None
    context = ssl.create_default_context()
    if relay.ca_file is not None:
        context.load_verify_locations(cafile=relay.ca_file)
    return context


async def open_session(
    relay: Relay, now: Callable[[], datetime], *, context: ssl.SSLContext | None, ehlo: str, patience: float
) -> Session:
    """Return a session on a fresh connection to `relay`, ready for its first mail.

    `patience` is the longest wait for each single step, in seconds; `ehlo` the name we give ourselves.
    Raises CannotConnect for everything that goes wrong on the way.
    """
    smtp = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        username=relay.user,
        password=relay.password,
        use_tls=relay.tls is Tls.IMPLICIT,
        start_tls=relay.tls is Tls.START,
        tls_context=context,
        local_hostname=ehlo,
        timeout=patience,
    )
    try:
        await smtp.connect()
        if smtp.is_ehlo_or_helo_needed:
            await _introduce(smtp)
        return _hand_over(smtp, relay, now, patience)
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        smtp.close()
        raise _explained(error, relay) from error
    except asyncio.CancelledError:
        smtp.close()
        raise


async def _introduce(smtp: aiosmtplib.SMTP) -> None:
    try:
        await smtp.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not smtp.is_connected:
            raise
        await smtp.helo()


def _hand_over(smtp: aiosmtplib.SMTP, relay: Relay, now: Callable[[], datetime], patience: float) -> Session:
    if smtp.transport is None or smtp.transport.is_closing():
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    transport = cast(asyncio.Transport, smtp.transport)
    tls = transport.get_extra_info("ssl_object") is not None
    session = Session(transport, now, relay.host, tls=tls, extensions=smtp.esmtp_extensions, relay=relay)
    session.patience = patience
    session.take_over()
    return session


def _explained(error: Exception, relay: Relay) -> CannotConnect:
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return CannotConnect("authentication_failed", relay.host, error.code, error.message)
    if isinstance(error, aiosmtplib.SMTPResponseException):
        _, reason = judge(Step.CONNECT, error.code, error.message)
        return CannotConnect(reason, relay.host, error.code, error.message)
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    if cause is not None or "STARTTLS" in str(error):
        return CannotConnect("tls_failed", relay.host, text=str(cause or error))
    if "AUTH" in str(error):
        return CannotConnect("authentication_failed", relay.host, text=str(error))
    return CannotConnect("connection_failed", relay.host, text=str(error))
