"""A peer: one Celery task per deadline, with `eta`. Run with a FILE it puts them into Redis."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from celery import Celery  # type: ignore[import-not-found,import-untyped,unused-ignore]  # installed for the benchmark only

from ops.bench.peers.hearing import hear, waiting

MONTH = 31 * 24 * 3600

app = Celery("celery_eta", broker=os.environ.get("PEER_BROKER_URL", ""))
app.conf.update(
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    task_serializer="json",
    # By default Redis hands out again, to be run twice, whatever has waited in a worker for an hour.
    broker_transport_options={"visibility_timeout": MONTH},
)
task = app.task(hear, name="hear", ignore_result=True)


def main(path: str) -> None:
    """One message per line of the file, over one connection."""
    with app.producer_pool.acquire(block=True) as producer:
        for ident, at in waiting(path):
            task.apply_async((ident,), eta=datetime.fromtimestamp(at, UTC), producer=producer)


if __name__ == "__main__":
    main(sys.argv[1])
