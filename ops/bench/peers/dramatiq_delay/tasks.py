"""A peer: one dramatiq message per deadline, with `delay`. Run with a FILE it puts them into Redis."""

from __future__ import annotations

import os
import sys
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from ops.bench.peers.hearing import hear, waiting

broker = RedisBroker(url=os.environ.get("PEER_BROKER_URL", "redis://"))  # type: ignore[no-untyped-call]  # its constructor carries no types
dramatiq.set_broker(broker)
actor = dramatiq.actor(broker=broker, actor_name="hear")(hear)


def main(path: str) -> None:
    """One message per line of the file."""
    for ident, at in waiting(path):
        actor.send_with_options(args=(ident,), delay=max(0, round((at - time.time()) * 1000)))


if __name__ == "__main__":
    main(sys.argv[1])
