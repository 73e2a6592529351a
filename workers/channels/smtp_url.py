"""Where mail goes out: `smtp://user:pass@host:587?tls=start|implicit|none`, several separated by spaces.

Options: `ca=/path.pem`, `profile=verp|plain|same-sender`, `rate=5/s`, `per_domain=60/m`, `quota=500`,
`connections=2`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from workers.errors import SettingsError

_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(?:/([smh]))?")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_OPTIONS = frozenset({"tls", "ca", "profile", "rate", "per_domain", "quota", "connections"})


class Tls(StrEnum):
    """How a connection is secured. There is no "if possible": that would send the password in clear one
    day.
    """

    START = "start"
    IMPLICIT = "implicit"
    NONE = "none"


class Profile(StrEnum):
    """Which envelope senders a relay lets through."""

    VERP = "verp"
    """Any of our domain: each mail has a return path of its own."""
    PLAIN = "plain"
    """Only CLOSELOOP_MAIL_FROM; bounces are told apart by the Message-ID in them."""
    SAME_SENDER = "same-sender"
    """Only the login, which must be the From as well, and whose mailbox knows no plus addresses (QQ, 163)."""


_DEFAULT_PORT = {Tls.START: 587, Tls.IMPLICIT: 465, Tls.NONE: 25}


@dataclass(frozen=True, slots=True)
class Relay:
    """One mail relay. `ca_file`: PEM file with the authority of a relay with a private certificate.

    `rate` and `per_domain` are mails per second (to one recipient domain), `quota` mails per day in the
    team's zone, `connections` the most that one process has open; 0: no limit of ours.
    """

    host: str
    port: int
    tls: Tls = Tls.START
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    profile: Profile = Profile.VERP
    rate: float = 0.0
    per_domain: float = 0.0
    quota: int = 0
    connections: int = 0

    @property
    def name(self) -> str:
        """How logs, metrics and shared counters call it: host and port, never the login."""
        return f"{self.host}:{self.port}"


def parse_smtp_urls(urls: str) -> tuple[Relay, ...]:
    """Return the relays named in `urls`, first choice first.

    `tls` defaults to `implicit` for port 465 and the scheme `smtps`, else to `start`; the port follows `tls`
    (587, 465, 25). `ca=/path.pem` adds a private authority; see `Relay` for the other options.
    User and password are percent-encoded.
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
        raise SettingsError(f"{place}: only options (?tls=…) may follow the port", hint)
    if unknown := sorted(set(options) - _OPTIONS):
        known = ", ".join(sorted(_OPTIONS))
        raise SettingsError(f"{place}: unknown option {', '.join(unknown)}", f"known are {known}")
    tls = _tls(place, parts, port, options)
    return Relay(
        host=parts.hostname,
        port=port or _DEFAULT_PORT[tls],
        tls=tls,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ca_file=options["ca"][-1] if "ca" in options else None,
        profile=_profile(place, options),
        rate=_rate(place, options, "rate"),
        per_domain=_rate(place, options, "per_domain"),
        quota=_number(place, options, "quota", "mails a day"),
        connections=_number(place, options, "connections", "connections of one process"),
    )


def _profile(place: str, options: dict[str, list[str]]) -> Profile:
    try:
        return Profile(options.get("profile", [Profile.VERP])[-1])
    except ValueError as error:
        raise SettingsError(f"{place}: profile must be verp, plain or same-sender") from error


def _rate(place: str, options: dict[str, list[str]], name: str) -> float:
    """Mails per second from `5`, `5/s`, `300/m` or `2000/h`."""
    if name not in options:
        return 0.0
    found = _RATE.fullmatch(options[name][-1])
    if found is None or float(found[1]) <= 0:
        raise SettingsError(f"{place}: {name} must look like 5/s, 300/m or 2000/h")
    return float(found[1]) / _SECONDS[found[2] or "s"]


def _number(place: str, options: dict[str, list[str]], name: str, what: str) -> int:
    text = options.get(name, ["0"])[-1]
    if not text.isdecimal() or (name in options and int(text) == 0):
        raise SettingsError(f"{place}: {name} must be a number of {what}")
    return int(text)


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
