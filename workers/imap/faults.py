"""What goes wrong with a mailbox, in codes; and how long it is then left alone."""

from __future__ import annotations

import re
import ssl
from datetime import timedelta

from imapclient.exceptions import CapabilityError, IMAPClientAbortError, IMAPClientError, LoginError

AUTHENTICATION = "authentication_failed"
THROTTLED = "throttled"
MALFORMED = "malformed_answer"
REFUSED = "refused"
NO_FOLDER = "folder_refused"
CONNECTION = "connection_failed"
LOST = "connection_lost"
BYE = "server_said_bye"
TIMEOUT = "timed_out"
TLS = "tls_failed"
TOO_LARGE = "too_large"

LONG = {AUTHENTICATION: (300.0, 3600.0), THROTTLED: (60.0, 1800.0), NO_FOLDER: (60.0, 1800.0)}
USUAL = (5.0, 300.0)

_CODE = re.compile(r"\[([A-Z][A-Z-]{1,30})[^\]]*\]")
_WRONG_LOGIN = frozenset({"AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "CONTACTADMIN"})
_BUSY = frozenset({"LIMIT", "UNAVAILABLE", "INUSE", "OVERQUOTA", "THROTTLED"})
_BUSY_WORDS = re.compile(
    r"too many|rate limit|throttl|try again|temporar|simultaneous|bandwidth", re.IGNORECASE
)


class LiteralTooLarge(Exception):
    """The server announces more bytes than one mail may have; the connection is of no more use."""


class Fault(Exception):
    """Something went wrong with a mailbox. `reason` is a code fit for logs; `code` the server's response code
    (RFC 3501 §7.1, RFC 5530) if it gave one; `words` are its own, for the operator's eyes, never for a log.
    """

    def __init__(self, reason: str, code: str = "", words: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.words = words


def explained(error: BaseException, *, step: str = "") -> Fault:
    """The fault that an exception of IMAPClient, imaplib, ssl or the socket stands for.

    `step`: login or select, where a refusal means something of its own.
    """
    if isinstance(error, Fault):
        return error
    words = _words(error)
    found = _CODE.search(words)
    code = found[1] if found else ""
    reason = _reason(error, step, code, words)
    # What could not be understood may be a piece of somebody's mail.
    return Fault(reason, code, "" if reason == MALFORMED else words)


def pause_after(reason: str, failures: int) -> timedelta:
    """How long to leave the mailbox alone after `failures` (from 1) in a row: up to five minutes.

    After a refused login from five minutes up to an hour, since providers lock out who keeps knocking.
    """
    first, longest = LONG.get(reason, USUAL)
    return timedelta(seconds=min(longest, first * 2 ** min(failures - 1, 20)))


def _reason(error: BaseException, step: str, code: str, words: str) -> str:
    if isinstance(error, LoginError):
        return _login_reason(error, code, words)
    if isinstance(error, ssl.SSLError | CapabilityError) and step in ("open", "login"):
        return TLS  # no STARTTLS on offer is a TLS failure, too: nothing is sent in clear
    if isinstance(error, LiteralTooLarge):
        return TOO_LARGE
    if isinstance(error, TimeoutError):
        return TIMEOUT
    if isinstance(error, IMAPClientAbortError):
        return _lost_reason(words)
    if isinstance(error, OSError):
        return CONNECTION if step == "open" else LOST
    if code in _BUSY or (isinstance(error, IMAPClientError) and _BUSY_WORDS.search(words)):
        return THROTTLED
    if isinstance(error, IMAPClientError) and ("failed:" in words or "command error:" in words):
        return NO_FOLDER if step == "select" else REFUSED
    return MALFORMED


def _login_reason(error: LoginError, code: str, words: str) -> str:
    # IMAPClient makes a LoginError of everything, of a connection that broke off as well.
    if isinstance(error.__context__, IMAPClientAbortError):
        return _lost_reason(words)
    if code in _WRONG_LOGIN or "password" in words.lower():
        return AUTHENTICATION
    return THROTTLED if code in _BUSY or _BUSY_WORDS.search(words) else AUTHENTICATION


def _lost_reason(words: str) -> str:
    if "unexpected" in words:
        return MALFORMED
    if _BUSY_WORDS.search(words):
        return THROTTLED
    return LOST if "EOF" in words or "socket error" in words or "unterminated" in words else BYE


def _words(error: BaseException) -> str:
    words = " ".join(
        each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in error.args
    )
    return words.removeprefix("b'").removesuffix("'")[:300]
