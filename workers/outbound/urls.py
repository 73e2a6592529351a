"""Addresses as a user may set them, before anything is looked up."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from workers.errors import InvalidInput
from workers.outbound.addresses import Networks, may_call

LONGEST = 2000
PORTS = {"https": 443, "http": 80}


def checked_url(url: str, *, http: bool = False, allowed: Networks = ()) -> SplitResult:
    """The parts of an address that may be called: https, with `http` that as well.

    Raises InvalidInput for anything else: logins, blanks and control characters, a host that is an address of
    a private network. What a name leads to is seen when it is called.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > LONGEST:
        raise InvalidInput("the address is none", hint=f"ASCII without blanks, at most {LONGEST} characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidInput("the address is none", hint="https://host.example/path") from error
    if parts.scheme != "https" and not (http and parts.scheme == "http"):
        raise InvalidInput("the address must begin with https://", hint="see CLOSELOOP_WEBHOOK_HTTP")
    if not host or parts.username is not None or parts.password is not None:
        raise InvalidInput("the address needs a host, and no login", hint="prove calls by their signature")
    if _is_literal(host) and not may_call(host, allowed):
        raise InvalidInput("the address leads into a private network", hint="see CLOSELOOP_WEBHOOK_NETWORKS")
    return parts._replace(fragment="")


def _is_literal(host: str) -> bool:
    """Whether a host is an address. Numbers of other spelling (0x7f.1, 2130706433) are names to be looked up,
    and what the look-up makes of them is judged then.
    """
    return ":" in host or (all(part.isdecimal() for part in host.split(".")) and host.count(".") == 3)
