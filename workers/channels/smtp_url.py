"""Where mail goes out: `smtp://user:pass@host:587?tls=start|implicit|none`, several separated by spaces."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from workers.errors import SettingsError

_HOST = re.compile(r"[A-Za-z0-9._:-]+")


class Tls(StrEnum):
    """How a connection is secured. There is no "if possible": that would send the password in clear one
    day.
    """

    START = "start"
    IMPLICIT = "implicit"
    NONE = "none"


_DEFAULT_PORT = {Tls.START: 587, Tls.IMPLICIT: 465, Tls.NONE: 25}


@dataclass(frozen=True, slots=True)
class Relay:
    """One mail relay. `ca_file`: PEM file with the authority of a relay with a private certificate."""

    host: str
    port: int
    tls: Tls = Tls.START
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None


def parse_smtp_urls(urls: str) -> tuple[Relay, ...]:
    """Return the relays named in `urls`, first choice first.

    `tls` defaults to `implicit` for port 465 and the scheme `smtps`, else to `start`; the port follows `tls`
    (587, 465, 25). `ca=/path.pem` adds a private authority. User and password are percent-encoded.
    Raises SettingsError; its message never contains the URL, which holds a password.
    """
    relays = tuple(_relay(number, url) for number, url in enumerate(urls.split(), start=1))
    if not relays:
        raise SettingsError("no SMTP URL", "smtp://user:password@host:587?tls=start")
    return relays


def _relay(number: int, url: str) -> Relay:
    place = f"SMTP URL {number}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        hint = "percent-encode special characters in the password"
        raise SettingsError(f"{place}: not a URL", hint) from error
    options = parse_qs(parts.query, keep_blank_values=True)
    if parts.scheme not in ("smtp", "smtps"):
        raise SettingsError(f"{place}: the scheme must be smtp or smtps")
    if not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise SettingsError(f"{place}: no usable host name")
    if parts.path not in ("", "/") or parts.fragment:
        hint = "percent-encode / and # in the password"
        raise SettingsError(f"{place}: nothing may stand after the port but ?tls= and ?ca=", hint)
    if unknown := sorted(set(options) - {"tls", "ca"}):
        raise SettingsError(f"{place}: unknown option {', '.join(unknown)}", "known are tls and ca")
    tls = _tls(place, parts, port, options)
    return Relay(
        host=parts.hostname,
        port=port or _DEFAULT_PORT[tls],
        tls=tls,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ca_file=options["ca"][-1] if "ca" in options else None,
    )


def _tls(place: str, parts: SplitResult, port: int | None, options: dict[str, list[str]]) -> Tls:
    if "tls" in options:
        try:
            tls = Tls(options["tls"][-1])
        except ValueError as error:
            raise SettingsError(f"{place}: tls must be start, implicit or none") from error
        if parts.scheme == "smtps" and tls is not Tls.IMPLICIT:
            raise SettingsError(f"{place}: smtps means tls=implicit, but tls={tls} is given")
        return tls
    return Tls.IMPLICIT if parts.scheme == "smtps" or port == 465 else Tls.START
