"""What each setting's text means. Each raises ValueError that ends a sentence begun by the name."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit
from zoneinfo import ZoneInfo

from models.session import async_url

LOCALES = {"en": "en", "en_us": "en", "en_gb": "en", "zh": "zh_CN", "zh_cn": "zh_CN", "zh_hans": "zh_CN"}
SMTP_TLS = ("start", "implicit", "none")
SMS_SCHEMES = ("twilio", "vonage", "plivo", "bird", "aliyun", "tencent", "http", "https")
EMAIL_HOOK_SCHEMES = (
    *("mailgun", "sendgrid", "postmark", "ses", "mandrill"),
    *("brevo", "sparkpost", "resend", "mailjet"),
)
LONGEST_KEPT = 36_500
LOG_LEVELS = ("debug", "info", "warning", "error")
THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})
SHORTEST_SECRET = 16
MAIL_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")

Mode = Literal["test", "live"]
Network = IPv4Network | IPv6Network


class ClockStart(NamedTuple):
    """Where the clock of a demonstration begins: promise time, and the machine's time (seconds since 1970)
    at which that is (None: when the process starts).
    """

    moment: datetime
    machine: float | None


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    _ = parts.port  # raises ValueError for a port that is no number
    return parts


def database(text: str) -> str:
    """The URL of an SQLite file or a PostgreSQL database, with its asynchronous driver."""
    try:
        return async_url(text).render_as_string(hide_password=False)
    except ValueError as error:
        raise ValueError(f"is wrong: {error}") from None
    except Exception:  # SQLAlchemy's own parse error quotes the URL, password and all
        raise ValueError(
            "is not a database URL (sqlite:///path, postgresql://user:password@host/name)"
        ) from None


def path(text: str) -> Path | None:
    """A file; '' stands for none."""
    return Path(text).expanduser().absolute() if text else None


def smtp_urls(text: str) -> tuple[str, ...]:
    """Relays in order of preference."""
    urls = tuple(text.split())
    for place, url in enumerate(urls, start=1):
        parts = _split(url)
        if parts.scheme != "smtp" or not parts.hostname:
            raise ValueError(f"(number {place}) must look like smtp://user:password@host:587?tls=start")
        tls = [item.partition("=")[2] for item in parts.query.split("&") if item.startswith("tls=")]
        if any(kind not in SMTP_TLS for kind in tls):
            raise ValueError(f"(number {place}) has an unknown tls=: use {', '.join(SMTP_TLS)}")
    return urls


def sms_urls(text: str) -> tuple[str, ...]:
    """SMS providers in order of preference."""
    urls = tuple(text.split())
    for place, url in enumerate(urls, start=1):
        if _split(url).scheme not in SMS_SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SMS_SCHEMES)
            raise ValueError(f"(number {place}) must begin with one of {known}")
    return urls


def email_hooks(text: str) -> tuple[str, ...]:
    """Accounts at mail providers whose webhooks are let in, separated by blanks."""
    found = tuple(text.split())
    for place, url in enumerate(found, start=1):
        if url.partition("://")[0] not in EMAIL_HOOK_SCHEMES or "://" not in url:
            known = ", ".join(f"{scheme}://" for scheme in EMAIL_HOOK_SCHEMES)
            raise ValueError(f"(number {place}) must begin with one of {known}")
    return found


def public_url(text: str) -> str:
    """Where people reach the pages, without a slash at the end."""
    parts = _split(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must look like https://support.example.com")
    return text.rstrip("/")


def host_and_port(text: str) -> tuple[str, int] | None:
    """Where a process listens, `HOST:PORT`; '' stands for nowhere."""
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not host.strip("[]") or not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:9100")
    return host.strip("[]"), int(port)


def listening(text: str) -> str:
    """Where a process listens, as it was given, once it is `HOST:PORT`; '' stands for nowhere."""
    host_and_port(text)
    return text


def heartbeat_url(text: str) -> str:
    """An address that is called while all is well, or empty; it is a secret as a rule, and never shown."""
    parts = _split(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.username):
        raise ValueError("must look like https://hc-ping.com/your-id")
    return text


def collector_url(text: str) -> str:
    """Where traces go, OTLP by HTTP; or empty."""
    parts = _split(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError("must look like http://collector:4318")
    return text


def address(text: str) -> str:
    """A mail address in lower case, or empty."""
    if text and not MAIL_ADDRESS.fullmatch(text):
        raise ValueError("is not a mail address")
    return text.lower()


def domain(text: str) -> str:
    """A domain name in lower case."""
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", text):
        raise ValueError("is not a domain name")
    return text.lower()


def dkim(text: str) -> str:
    """`selector:path` of a DKIM key, or empty."""
    if text and not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?:.+", text):
        raise ValueError("must look like selector:/path/to/key.pem")
    return text


def domains(text: str) -> tuple[str, ...]:
    """Domain names, separated by blanks or commas."""
    return tuple(domain(item) for item in re.split(r"[\s,]+", text) if item)


def secret(text: str) -> str:
    """A secret of a sensible length, or empty."""
    if text and len(text) < SHORTEST_SECRET:
        raise ValueError(f"is too short to be safe: at least {SHORTEST_SECRET} characters")
    return text


def mode(text: str) -> Mode:
    """`test` or `live`."""
    if text == "live":
        return "live"
    if text == "test":
        return "test"
    raise ValueError("must be test or live")


def zone(text: str) -> str:
    """The name of a time zone (IANA)."""
    try:
        return ZoneInfo(text).key
    except (ValueError, OSError, LookupError):
        raise ValueError("is not a time zone name such as Asia/Shanghai") from None


def locale(text: str) -> str:
    """The nearest locale that there are templates for."""
    try:
        return LOCALES[text.replace("-", "_").partition(".")[0].lower()]
    except KeyError:
        raise ValueError("must be en or zh_CN") from None


def speed(text: str) -> float:
    """How many times as fast as real time promises run."""
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1_000_000:
        raise ValueError("must be a positive number")
    return speed


def clock_start(text: str) -> ClockStart | None:
    """A moment with its offset (`2025-05-19T09:00+08:00`), and after an @ the Unix time it stands for."""
    if not text:
        return None
    moment, at, machine = text.partition("@")
    try:
        parsed = datetime.fromisoformat(moment)
        seconds = float(machine) if at else None
    except ValueError:
        parsed, seconds = datetime.min, None  # noqa: DTZ901 - naive on purpose: refused below
    if parsed.tzinfo is None:
        raise ValueError("must look like 2025-05-19T09:00+08:00 (after it @ and the Unix time, if you like)")
    return ClockStart(parsed.astimezone(UTC), seconds)


def names(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def days(text: str) -> int:
    """A number of days, from one to a hundred years."""
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= LONGEST_KEPT:
        raise ValueError(f"must be a whole number of days from 1 to {LONGEST_KEPT}")
    return int(text)


def days_or_ever(text: str) -> int | None:
    """A number of days; '' stands for as long as nobody says otherwise."""
    return days(text) if text else None


def seconds(text: str) -> int:
    """A whole number of seconds, from one to an hour."""
    if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII) or not 1 <= int(text) <= 3600:
        raise ValueError("must be a whole number of seconds from 1 to 3600")
    return int(text)


def log_level(text: str) -> str:
    """From which level on the log is written."""
    if text.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return text.lower()


def yes_no(text: str) -> bool:
    """`yes` or `no`."""
    if text.lower() not in ("yes", "no"):
        raise ValueError("must be yes or no")
    return text.lower() == "yes"


def networks(text: str) -> tuple[Network, ...]:
    """Networks in CIDR notation (10.20.0.0/16, fd00::/8), separated by blanks or commas."""
    try:
        return tuple(ip_network(item) for item in re.split(r"[\s,]+", text) if item)
    except ValueError:
        raise ValueError("must be networks such as 10.20.0.0/16 or fd12:3456::/32") from None


def stays_here(smtp: tuple[str, ...], sms: tuple[str, ...], chat: tuple[object, ...]) -> bool:
    """Whether no message can leave this machine: all relays and providers are on loopback."""
    apis = [api for url in sms for api in parse_qs(_split(url).query).get("api", [""])]
    return not chat and all(_split(url).hostname in THIS_MACHINE for url in (*smtp, *apis))
