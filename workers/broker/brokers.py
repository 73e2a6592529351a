"""dramatiq's brokers of closeloop: inside the process, Redis, Redis behind Sentinel, RabbitMQ."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import dramatiq

from workers.broker.inside import InProcessBroker
from workers.errors import SettingsError
from workers.settings.broker_url import (
    WANTED,
    is_rabbitmq,
    is_redis,
    is_sentinel,
    parse_sentinel_url,
    rabbitmq_nodes,
)

if TYPE_CHECKING:
    import redis

NAMESPACE = "closeloop"
DEAD_BELL_MS = 3_600_000
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 2.0
HEARTBEAT_SECONDS = 30


def broker_for(url: str, middleware: list[dramatiq.Middleware]) -> dramatiq.Broker:
    """The broker of an URL (see `workers.settings.broker_url`), not connected yet. Raises SettingsError."""
    if not url:
        return InProcessBroker(middleware)
    if is_redis(url):
        return _redis_broker(url, middleware)
    if is_rabbitmq(url):
        return _rabbitmq_broker(url, middleware)
    raise SettingsError(f"the broker's URL must begin with {WANTED}")


def is_alive(broker: dramatiq.Broker) -> bool:
    """Whether the broker answers; the one inside the process always does. Takes seconds when it is silent."""
    if isinstance(broker, InProcessBroker):
        return True
    with suppress(Exception):  # whatever it is, it is no answer
        client = getattr(broker, "client", None)
        return bool(client.ping()) if client is not None else _rabbitmq_answers(broker)
    return False


def let_go(broker: dramatiq.Broker) -> None:
    """Close what is open to the broker; never raises."""
    with suppress(Exception):  # it is not used any more, whatever it says
        broker.close()
    client = getattr(broker, "client", None)
    if client is not None:
        client.connection_pool.disconnect()


def _redis_broker(url: str, middleware: list[dramatiq.Middleware]) -> dramatiq.Broker:
    from dramatiq.brokers.redis import RedisBroker

    return RedisBroker(  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped
        client=redis_client(url),
        middleware=middleware,
        namespace=NAMESPACE,
        dead_message_ttl=DEAD_BELL_MS,
    )


def redis_client(url: str) -> redis.Redis:
    """A client of the Redis of an URL, or of whichever Redis the Sentinels call the master just now."""
    import redis  # 15 MB that an embedded installation does without
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # All commands are answered at once, so a Redis that stays silent for seconds is as good as gone. One
    # retry heals a connection that was closed while it lay idle.
    habits: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "retry": Retry(NoBackoff(), 1),
    }
    if not is_sentinel(url):
        return redis.Redis(connection_pool=redis.ConnectionPool.from_url(url, **habits))
    from redis.sentinel import Sentinel

    place = parse_sentinel_url(url)
    asking = {"username": place.sentinel_user, "password": place.sentinel_password, "ssl": place.tls}
    timeouts = {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": CONNECT_SECONDS}
    sentinels = Sentinel(list(place.hosts), sentinel_kwargs=asking | timeouts)  # type: ignore[no-untyped-call]  # redis leaves it untyped
    login = {"username": place.user, "password": place.password, "ssl": place.tls}
    client: redis.Redis = sentinels.master_for(place.service, db=place.database, **login, **habits)  # type: ignore[no-untyped-call]  # redis leaves it untyped
    return client


def _rabbitmq_broker(url: str, middleware: list[dramatiq.Middleware]) -> dramatiq.Broker:
    try:
        from dramatiq.brokers.rabbitmq import RabbitmqBroker
    except ImportError as error:
        raise SettingsError(
            "RabbitMQ needs the package pika, which is not installed",
            hint="pip install 'closeloop[rabbitmq]'",
        ) from error
    # It tells of each lost connection in a dozen lines; what is worth knowing we say ourselves.
    logging.getLogger("pika").setLevel(logging.CRITICAL + 1)
    # Confirmed: a bell into a connection that had died while it lay idle is noticed, and rung again.
    broker = RabbitmqBroker(url=rabbitmq_nodes(url), middleware=middleware, confirm_delivery=True)
    for node, given in zip(broker.parameters, rabbitmq_nodes(url), strict=True):
        _be_impatient(node, given)
    return broker


def _be_impatient(node: Any, given: str) -> None:
    """Time-outs (seconds) of a node's connection, where its URL says nothing of them."""
    habits = {
        "socket_timeout": ANSWER_SECONDS,
        "stack_timeout": 2 * ANSWER_SECONDS,
        "blocked_connection_timeout": ANSWER_SECONDS,
        "heartbeat": HEARTBEAT_SECONDS,
    }
    for name, value in habits.items():
        if f"{name}=" not in given:
            setattr(node, name, value)


def _rabbitmq_answers(broker: Any) -> bool:
    import pika

    connection = pika.BlockingConnection(broker.parameters)
    connection.close()
    return True
