"""Doors of HTTP: the site itself, and the one where a process shows those who watch it how it does.

Imported only where there is such a door: it takes a worker 15 MB, the site 35 MB.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn

from workers.boot.installation import Installation
from workers.boot.watched import GRACE_SECONDS, told_if_taken
from workers.unit_of_work import Workshop
from workers.web.monitor import WebApp, make_monitor_app
from workers.web.parts import WebParts

BACKLOG = 2048
DATE_SECONDS = 1.0
"""How exact the answers' header Date is."""


@asynccontextmanager
async def site(installation: Installation, workshop: Workshop, host: str, port: int) -> AsyncIterator[None]:
    """Serve all pages, the API and webhooks. Raises Unavailable when the address is taken."""
    from workers.web.app import make_app  # 20 MB that a worker's own door does without

    parts = _parts(installation, workshop)
    stop = asyncio.Event()
    trail = asyncio.create_task(parts.trail.run(stop))
    try:
        async with served(make_app(parts), host, port):
            yield
    finally:
        stop.set()
        await trail


@asynccontextmanager
async def watching_door(
    installation: Installation, workshop: Workshop, host: str, port: int, *, whole: bool
) -> AsyncIterator[None]:
    """Serve health and figures of this process alone, with `whole` also of what waits in the database.

    Raises Unavailable when the address is taken.
    """
    parts = _parts(installation, workshop, whole=whole)
    async with served(make_monitor_app(parts), host, port):
        yield


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
async def served(app: WebApp, host: str, port: int) -> AsyncIterator[None]:
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
        server.end()
        await task
        door.close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


class _Server(uvicorn.Server):
    """uvicorn without signal handling of its own (one signal stops all doors); says when it is open.

    Told to end it does so at once, and need not look ten times a second whether it was.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.opened = asyncio.Event()
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Take no more requests, finish those that were taken, and end."""
        self.should_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        """Keep the time of the answers' headers until the end."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):  # the end has not come: once more
                await asyncio.wait_for(self._ended.wait(), DATE_SECONDS)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door, and say so."""
        await super().startup(sockets)
        if self.started:
            self.opened.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
