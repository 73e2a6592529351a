"""Doors of HTTP: the site itself, and the one where a process shows those who watch it how it does."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from workers import __version__
from workers.boot.installation import Installation
from workers.errors import Unavailable
from workers.keeping import present
from workers.unit_of_work import Workshop
from workers.web.app import WebApp, WebParts, make_app, make_monitor_app

GRACE_SECONDS = 10
BACKLOG = 2048
WHOLE = frozenset({"up", "web", "scheduler"})
"""Processes that show what waits in the database, too; of workers there are many, which need not all ask."""


@asynccontextmanager
async def site(installation: Installation, workshop: Workshop, host: str, port: int) -> AsyncIterator[None]:
    """Serve all pages, the API and webhooks. Raises Unavailable when the address is taken."""
    parts = _parts(installation, workshop)
    stop = asyncio.Event()
    trail = asyncio.create_task(parts.trail.run(stop))
    try:
        async with _served(make_app(parts), host, port):
            yield
    finally:
        stop.set()
        await trail


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
            parts = _parts(installation, workshop, whole=process in WHOLE)
            async with _served(make_monitor_app(parts), *installation.settings.metrics):
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


def _parts(installation: Installation, workshop: Workshop, *, whole: bool = True) -> WebParts:
    return WebParts(
        workshop=workshop,
        renderer=installation.renderer,
        settings=installation.settings,
        metrics=installation.metrics,
        broker_alive=installation.broker_alive,
        outside=installation.outside,
        watch=installation.watch,
        whole=whole,
    )


@asynccontextmanager
async def _served(app: WebApp, host: str, port: int) -> AsyncIterator[None]:
    """Open a door, and close it in order: no new requests, what was accepted is finished."""
    server = _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    with told_if_taken(host, port):
        # uvicorn would end the whole process when it cannot bind.
        door = socket.create_server((host, port), family=_family(host), backlog=BACKLOG)
    task = asyncio.create_task(server.serve(sockets=[door]))
    opened = asyncio.create_task(server.opened.wait())
    await asyncio.wait({task, opened}, return_when=asyncio.FIRST_COMPLETED)
    opened.cancel()
    if task.done():
        await task
        raise OSError("the web server did not start")
    try:
        yield
    finally:
        server.should_exit = True
        await task
        door.close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class _Server(uvicorn.Server):
    """uvicorn without signal handling of its own (one signal stops all doors); says when it is open."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.opened = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door, and say so."""
        await super().startup(sockets)
        if self.started:
            self.opened.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
