"""The processes of an installation, each until it is told to stop: SIGTERM and SIGINT end them in order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import structlog

from models.vocabulary import Lane
from workers.audit import Sealing
from workers.boot.installation import THREADS, Installation
from workers.boot.watched import GRACE_SECONDS, monitored, told_if_taken
from workers.keeping import Backups
from workers.privacy.retention import purge_more
from workers.purge import Housekeeping
from workers.unit_of_work import Workshop

log = structlog.get_logger(__name__)


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
        async with (
            monitored(installation, "up"),
            _workshop(installation) as workshop,
            _doors(installation, workshop, doors),
        ):
            housekeeping = asyncio.create_task(Housekeeping(workshop, more=purge_more).run(stop))
            sealing = asyncio.create_task(Sealing(workshop).run(stop))
            clockwork = asyncio.create_task(_clockwork(installation, workshop, stop))
            fetching = asyncio.create_task(_fetch(installation, workshop, stop))
            if ready is not None:
                ready()
            await stop.wait()
            await asyncio.gather(clockwork, housekeeping, sealing, fetching)
    installation.close()


async def run_web(installation: Installation, doors: Doors) -> None:
    """HTTP alone; other processes do the work."""
    await _run_doors(installation, Doors(http=doors.http, smtp=None), "web")


def web_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop of a process that only serves HTTP: uvloop's where there is one.

    It halves the CPU of a webhook. In the workers it makes no difference.
    """
    import uvicorn

    return uvicorn.Config("none", loop="auto").get_loop_factory()


async def run_smtpd(installation: Installation, doors: Doors) -> None:
    """The SMTP intake alone."""
    await _run_doors(installation, Doors(http=None, smtp=doors.smtp), "smtpd")


async def run_imap(installation: Installation) -> None:
    """Fetching the mailboxes alone; several may run."""
    stop = _stop_signal()
    await installation.prepare()
    async with monitored(installation, "imap"), _workshop(installation) as workshop:
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
    installation.renderer.warm()
    installation.rehearse_first()
    _collect_seldom()
    with _workers(installation, lanes):
        async with monitored(installation, "worker"):
            await stop.wait()
    installation.close()


async def run_scheduler(installation: Installation) -> None:
    """The clockwork and the hourly purge alone; several may run."""
    stop = _stop_signal()
    await installation.prepare()
    async with monitored(installation, "scheduler"), _workshop(installation) as workshop:
        await asyncio.gather(
            _clockwork(installation, workshop, stop),
            Housekeeping(workshop, more=purge_more).run(stop),
            Sealing(workshop).run(stop),
        )
    installation.close()


async def _clockwork(installation: Installation, workshop: Workshop, stop: asyncio.Event) -> None:
    """The sweep, the outside heartbeat that depends on it, and backups."""
    scheduler = installation.scheduler(workshop)
    heartbeat = installation.heartbeat(workshop, scheduler)
    backups = Backups(installation.settings, installation.clock)
    await asyncio.gather(scheduler.run(stop), heartbeat.run(stop), backups.run(stop))


async def _run_doors(installation: Installation, doors: Doors, process: str) -> None:
    stop = _stop_signal()
    await installation.prepare()
    async with (
        monitored(installation, process),
        _workshop(installation) as workshop,
        _doors(installation, workshop, doors),
    ):
        await stop.wait()
    installation.close()


def _collect_seldom() -> None:
    """Let the garbage collector leave alone what stays, and look after 10,000 new objects instead of 700.

    A batch makes many objects and no cycles to speak of (a test sees to it): a twentieth of a worker's time
    went into looking, and where each batch was a cycle, a fifth of a second at a time.
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
            from workers.boot.serving import site  # 35 MB that a worker does without

            await stack.enter_async_context(site(installation, workshop, *doors.http))
        if doors.smtp is not None:
            from workers.smtpd import SmtpIntake

            host, port = doors.smtp
            intake = SmtpIntake(workshop, installation.settings, host, port)
            with told_if_taken(host, port):
                await intake.start()
            stack.push_async_callback(intake.stop)
        yield
