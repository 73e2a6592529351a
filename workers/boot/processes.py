"""The processes of an installation, each until it is told to stop: SIGTERM and SIGINT end them in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog
import uvicorn

from models.vocabulary import Lane
from workers.audit import Sealing
from workers.boot.installation import THREADS, Installation
from workers.errors import Unavailable
from workers.privacy.retention import purge_more
from workers.purge import Housekeeping
from workers.smtpd import SmtpIntake
from workers.unit_of_work import Workshop
from workers.web.app import WebParts, make_app

log = structlog.get_logger(__name__)

GRACE_SECONDS = 10
BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Doors:
    """Where a process listens: (host, port) of HTTP and of the SMTP intake, None for a closed door."""

    http: tuple[str, int] | None = ("127.0.0.1", 8000)
    smtp: tuple[str, int] | None = None


async def run_up(
    installation: Installation, doors: Doors, *, ready: Callable[[], None] | None = None
) -> None:
    """Everything in one process; `ready` is called once all doors are open."""
    stop = _stop_signal()
    await installation.prepare()
    with _workers(installation, set(Lane)):
        async with _workshop(installation) as workshop, _doors(installation, workshop, doors):
            housekeeping = asyncio.create_task(Housekeeping(workshop, more=purge_more).run(stop))
            sealing = asyncio.create_task(Sealing(workshop).run(stop))
            scheduler = asyncio.create_task(installation.scheduler(workshop).run(stop))
            fetching = asyncio.create_task(_fetch(installation, workshop, stop))
            if ready is not None:
                ready()
            await stop.wait()
            await asyncio.gather(scheduler, housekeeping, sealing, fetching)
    installation.close()


async def run_web(installation: Installation, doors: Doors) -> None:
    """HTTP alone; other processes do the work."""
    await _run_doors(installation, Doors(http=doors.http, smtp=None))


def web_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop of a process that only serves HTTP: uvloop's where there is one.

    It halves the CPU of a webhook. In the workers it makes no difference.
    """
    return uvicorn.Config("none", loop="auto").get_loop_factory()


async def run_smtpd(installation: Installation, doors: Doors) -> None:
    """The SMTP intake alone."""
    await _run_doors(installation, Doors(http=None, smtp=doors.smtp))


async def run_imap(installation: Installation) -> None:
    """Fetching the mailboxes alone; several may run."""
    stop = _stop_signal()
    await installation.prepare()
    async with _workshop(installation) as workshop:
        await _fetch(installation, workshop, stop)
    installation.close()


async def _fetch(installation: Installation, workshop: Workshop, stop: asyncio.Event) -> None:
    """Fetch the mailboxes of the settings, if there are any."""
    if not installation.settings.imap_url:
        return
    from workers.imap import Fetching  # 4 MB that only a team without forwarded mail needs

    await Fetching(workshop, installation.settings.imap_url).run(stop)


async def run_worker(installation: Installation, lanes: Collection[Lane]) -> None:
    """Hear the bells of these lanes."""
    stop = _stop_signal()
    await installation.prepare()
    _collect_seldom()
    with _workers(installation, lanes):
        await stop.wait()
    installation.close()


async def run_scheduler(installation: Installation) -> None:
    """The clockwork and the hourly purge alone; several may run."""
    stop = _stop_signal()
    await installation.prepare()
    async with _workshop(installation) as workshop:
        clockwork = installation.scheduler(workshop).run(stop)
        await asyncio.gather(
            clockwork, Housekeeping(workshop, more=purge_more).run(stop), Sealing(workshop).run(stop)
        )
    installation.close()


async def _run_doors(installation: Installation, doors: Doors) -> None:
    stop = _stop_signal()
    await installation.prepare()
    async with _workshop(installation) as workshop, _doors(installation, workshop, doors):
        await stop.wait()
    installation.close()


def _collect_seldom() -> None:
    """Let the garbage collector leave alone what stays, and look after 10,000 new objects instead of 700.

    A batch makes many objects and no cycles to speak of: a twentieth of a worker's time went into looking.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return stop


@contextmanager
def _workers(installation: Installation, lanes: Collection[Lane]) -> Iterator[None]:
    """Workers of these lanes; at the end each finishes the batch it holds."""
    running = installation.workers({lane: count for lane, count in THREADS.items() if lane in lanes})
    for worker in running:
        worker.start()
    try:
        yield
    finally:
        for worker in running:
            worker.stop(timeout=GRACE_SECONDS * 1000)


@asynccontextmanager
async def _workshop(installation: Installation) -> AsyncIterator[Workshop]:
    workshop = installation.workshop()
    try:
        yield workshop
    finally:
        await workshop.engine.dispose()


@asynccontextmanager
async def _doors(installation: Installation, workshop: Workshop, doors: Doors) -> AsyncIterator[None]:
    """Open the doors, and close them in order: no new requests, what was accepted is finished."""
    async with contextlib.AsyncExitStack() as stack:
        if doors.http is not None:
            await stack.enter_async_context(_http(installation, workshop, *doors.http))
        if doors.smtp is not None:
            host, port = doors.smtp
            intake = SmtpIntake(workshop, installation.settings, host, port)
            with _told_if_taken(host, port):
                await intake.start()
            stack.push_async_callback(intake.stop)
        yield


@asynccontextmanager
async def _http(installation: Installation, workshop: Workshop, host: str, port: int) -> AsyncIterator[None]:
    parts = WebParts(
        workshop=workshop,
        renderer=installation.renderer,
        settings=installation.settings,
        metrics=installation.metrics,
        broker_alive=installation.broker_alive,
        outside=installation.outside,
        watch=installation.watch,
    )
    server = _Server(
        uvicorn.Config(
            make_app(parts),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    with _told_if_taken(host, port):
        # uvicorn would end the whole process when it cannot bind.
        door = socket.create_server((host, port), family=_family(host), backlog=BACKLOG)
    stop = asyncio.Event()
    trail = asyncio.create_task(parts.trail.run(stop))
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
        stop.set()
        await trail


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


@contextmanager
def _told_if_taken(host: str, port: int) -> Iterator[None]:
    """An address that cannot be listened on is said so, with what to do. Raises Unavailable."""
    try:
        yield
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        hint = "does another program (or another closeloop) use it? Choose another HOST:PORT"
        raise Unavailable(f"nobody can listen on {host}:{port}: {why}", hint) from error


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
