"""What `closeloop check` says of the broker: what it is, whether it answers, and who shares which limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workers.cli.output import Finding

if TYPE_CHECKING:
    from workers.settings import Settings

OWN_LIMITS = "set CLOSELOOP_LIMITS_URL to a Redis, or divide them by the number of worker processes"
MEMORY = "with another policy a full Redis throws bells away: set maxmemory-policy noeviction"


def broker_findings(settings: Settings) -> Iterator[Finding]:
    """One line for the broker, and one for limits that worker processes cannot share."""
    from workers.broker import is_alive, let_go, make_broker
    from workers.settings.broker_url import broker_kind

    kind = broker_kind(settings.broker_url)
    if kind == "in-process":
        yield Finding("broker", "good", "inside the process, for closeloop up alone")
        return
    broker = make_broker(settings.broker_url)
    try:
        if is_alive(broker):
            yield Finding("broker", "good", f"{kind} answers")
            yield from _memory_findings(getattr(broker, "client", None))
        else:
            yield Finding("broker", "bad", f"{kind} does not answer", "is CLOSELOOP_BROKER_URL right?")
    finally:
        let_go(broker)
    yield from _limit_findings(settings)


def _memory_findings(client: Any) -> Iterator[Finding]:
    """Whether a Redis (None: the broker is another) that is full would rather refuse than forget."""
    policy = client.info("memory").get("maxmemory_policy", "") if client is not None else ""
    if policy not in ("", "noeviction"):
        yield Finding("broker", "warning", f"Redis has maxmemory-policy {policy}", MEMORY)


def _limit_findings(settings: Settings) -> Iterator[Finding]:
    """Limits that each worker process keeps for itself, where no Redis keeps them for all."""
    from workers.channels.smtp_url import parse_smtp_urls
    from workers.settings.broker_url import is_redis

    if is_redis(settings.limits_url or settings.broker_url):
        return
    relays = parse_smtp_urls(" ".join(settings.smtp_url)) if settings.smtp_url else ()
    limited = [relay.name for relay in relays if relay.rate or relay.per_domain or relay.quota]
    limited += [group.name for group in settings.chat_urls]
    if limited:
        words = f"each worker process keeps its own limits of {', '.join(limited)}"
        yield Finding("limits", "warning", words, OWN_LIMITS)
