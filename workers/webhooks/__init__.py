"""Webhooks to other systems: who listens, what they are told, in the transaction of the fact."""

from workers.webhooks.catalogue import BODY_VERSION, BY_NAME, EVENTS, PUSH, TEST, EventType, example_of
from workers.webhooks.deliveries import (
    Replay,
    attempts_of,
    delivery_of,
    log_of,
    replay,
    replay_range,
    send_test,
)
from workers.webhooks.endpoints import (
    FAILING,
    GONE,
    EndpointGiven,
    add_endpoint,
    change_endpoint,
    delete_endpoint,
    disable,
    endpoint_named,
    every_endpoint,
    rotate_secret,
    secrets_of,
    url_of,
)
from workers.webhooks.forgetting import forget_events
from workers.webhooks.push import Target, account_of, can_push, push_endpoints, push_targets, set_account
from workers.webhooks.telling import DESK, moment, note

__all__ = [
    "BODY_VERSION",
    "BY_NAME",
    "DESK",
    "EVENTS",
    "FAILING",
    "GONE",
    "PUSH",
    "TEST",
    "EndpointGiven",
    "EventType",
    "Replay",
    "Target",
    "account_of",
    "add_endpoint",
    "attempts_of",
    "can_push",
    "change_endpoint",
    "delete_endpoint",
    "delivery_of",
    "disable",
    "endpoint_named",
    "every_endpoint",
    "example_of",
    "forget_events",
    "log_of",
    "moment",
    "note",
    "push_endpoints",
    "push_targets",
    "replay",
    "replay_range",
    "rotate_secret",
    "secrets_of",
    "send_test",
    "set_account",
    "url_of",
]
