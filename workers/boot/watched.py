"""A process as others see it: known as running, and watched where the settings say so."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from workers import __version__
from workers.boot.installation import Installation
from workers.errors import Unavailable
from workers.keeping import present

GRACE_SECONDS = 10
WHOLE = frozenset({"up", "web", "scheduler"})
"""Processes that show what waits in the database, too; of workers there are many, which need not all ask."""


@asynccontextmanager
async def monitored(installation: Installation, process: str) -> AsyncIterator[None]:
    """Be known as running, and show health and figures of this process where CLOSELOOP_METRICS says.

    Raises Unavailable when the address is taken, SettingsError when the database was moved elsewhere.
    """
    installation.metrics.describe_process(__version__, process)
    workshop = installation.workshop()
    try:
        async with present(workshop, process):
            if installation.settings.metrics is None:
                yield
                return
            from workers.boot.serving import watching_door

            host, port = installation.settings.metrics
            async with watching_door(installation, workshop, host, port, whole=process in WHOLE):
                yield
    finally:
        await workshop.engine.dispose()


@contextmanager
def told_if_taken(host: str, port: int) -> Iterator[None]:
    """An address that cannot be listened on is said so, with what to do. Raises Unavailable."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        hint = "does another program (or another closeloop) use it? Choose another HOST:PORT"
        raise Unavailable(f"nobody can listen on {host}:{port}: {why}", hint) from error
