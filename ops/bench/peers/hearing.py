"""What a Python peer of the benchmark `deadlines` does when a deadline gets due, and what it waits for.

One statement, one transaction: the deadline changes and a notification is queued. It looks at nothing else.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg  # type: ignore[import-not-found,unused-ignore]  # installed for the benchmark only

_own = threading.local()


def hear(ident: str) -> None:
    """Do it for the deadline with this id, over a kept connection of this thread."""
    connection = getattr(_own, "connection", None)
    if connection is None:
        connection = psycopg.connect(os.environ["PEER_DATABASE_URL"], autocommit=True, prepare_threshold=1)
        _own.connection = connection
    connection.execute(os.environ["PEER_EFFECT"].replace("$1", "%s"), (ident,))


def waiting(path: str) -> Iterator[tuple[str, float]]:
    """(id, Unix time it gets due at) of each line of a file."""
    with Path(path).open() as lines:
        for line in lines:
            ident, at = line.split()
            yield ident, float(at)
