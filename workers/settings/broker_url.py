"""Where the broker is: `redis://`, `rediss://`, `sentinel://` (Redis behind Sentinel), `amqp://` (RabbitMQ).

`sentinel://user:password@one:26379,two:26379/mymaster/0` names Sentinels, the service they watch over and
the number of the database (default 0); `sentinels://` speaks TLS with all of them. Login and password are
those of Redis; `?sentinel_user=` and `?sentinel_password=` those of the Sentinels. Several RabbitMQ nodes
are separated by blanks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

REDIS = ("redis", "rediss")
SENTINEL = {"sentinel": False, "redis+sentinel": False, "sentinels": True, "rediss+sentinel": True}
RABBITMQ = ("amqp", "amqps")
SENTINEL_PORT = 26379
WANTED = "redis://, rediss://, sentinel://, sentinels://, amqp:// or amqps://"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")
_SERVICE = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """Sentinels (host, port), the service whose master is wanted, and how both are spoken to."""

    hosts: tuple[tuple[str, int], ...]
    service: str
    database: int = 0
    tls: bool = False
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sentinel_user: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)


def is_redis(url: str) -> bool:
    """Whether the URL leads to Redis, by itself or behind Sentinel."""
    return _scheme(url) in (*REDIS, *SENTINEL)


def is_sentinel(url: str) -> bool:
    """Whether the URL names Sentinels."""
    return _scheme(url) in SENTINEL


def is_rabbitmq(url: str) -> bool:
    """Whether the URL leads to RabbitMQ."""
    return _scheme(url) in RABBITMQ


def broker_kind(url: str) -> str:
    """What people call it: "in-process", "Redis", "Redis behind Sentinel" or "RabbitMQ"."""
    if not url:
        return "in-process"
    if is_rabbitmq(url):
        return "RabbitMQ"
    return "Redis behind Sentinel" if is_sentinel(url) else "Redis"


def parse_broker_url(text: str) -> str:
    """The URL of a broker, checked; '' stands for the one inside the process. Raises ValueError, never
    quoting the URL.
    """
    if text and not (is_redis(text) or is_rabbitmq(text)):
        raise ValueError(f"must begin with {WANTED} (empty: the broker inside the process)")
    return _checked(text)


def parse_limits_url(text: str) -> str:
    """The URL of the Redis that keeps shared limits, checked; '' for none. Raises ValueError as above."""
    if text and not is_redis(text):
        raise ValueError("must begin with redis://, rediss://, sentinel:// or sentinels://")
    return _checked(text)


def rabbitmq_nodes(url: str) -> list[str]:
    """One URL a node, in the order in which they are tried."""
    return url.split()


def parse_sentinel_url(url: str) -> SentinelUrl:
    """What a `sentinel://` URL says. Raises ValueError, never quoting it."""
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    login, _, where = place.rpartition("@")
    hosts, _, path = where.partition("/")
    service, _, database = path.partition("/")
    if not _SERVICE.fullmatch(service):
        raise ValueError("must name the service: sentinel://host:26379,host2:26379/mymaster")
    if database and not re.fullmatch(r"\d{1,4}", database):
        raise ValueError("has a database that is no number: sentinel://host:26379/mymaster/0")
    user, _, password = login.partition(":")
    options = dict(parse_qsl(query))
    if unknown := sorted(options.keys() - {"sentinel_user", "sentinel_password"}):
        raise ValueError(f"has an unknown option {unknown[0]}: use sentinel_user, sentinel_password")
    return SentinelUrl(
        hosts=tuple(_host(each) for each in hosts.split(",")),
        service=service,
        database=int(database or 0),
        tls=SENTINEL[scheme],
        user=unquote(user) or None,
        password=unquote(password) or None,
        sentinel_user=options.get("sentinel_user"),
        sentinel_password=options.get("sentinel_password"),
    )


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""


def _checked(text: str) -> str:
    if is_sentinel(text):
        parse_sentinel_url(text)
        return text
    several = rabbitmq_nodes(text) if is_rabbitmq(text) else [text] if text else []
    for each in several:
        parts = urlsplit(each)
        _ = parts.port  # raises ValueError for a port that is no number
        if _scheme(each) != _scheme(text) or not parts.hostname:
            raise ValueError("must name a host, and several nodes the same way: amqp://one amqp://two")
    return text


def _host(text: str) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or int(found[2] or SENTINEL_PORT) > 65535:
        raise ValueError("has a Sentinel that is not host:port (several are separated by commas)")
    return found[1].strip("[]"), int(found[2] or SENTINEL_PORT)
