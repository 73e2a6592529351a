"""dramatiq as the bell: its brokers, and lanes with threads of their own."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping

import dramatiq
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import AsyncIO

from models.vocabulary import Lane
from workers.broker.brokers import broker_for
from workers.broker.lane_worker import LaneWorker

OPENING_SECONDS = 10.0
CLOSING_SECONDS = 10.0
LAST_TURNS_SECONDS = 0.05

Opener = Callable[[], Awaitable[None]]
Closer = Callable[[], Awaitable[None]]


class ActorLoop(AsyncIO):
    """One event loop for the asynchronous actors of all lanes.

    dramatiq's own middleware makes a loop per Worker and keeps only the last; here the first Worker to
    start makes it, with what was registered with `on_open` done on it before any bell is heard. The last
    to stop ends it, after its tasks were cancelled and what was registered with `on_close` (engines, relay
    connections) has been closed *on that loop*.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._workers = 0
        self._thread: EventLoopThread | None = None
        self._openers: list[Opener] = []
        self._closers: list[Closer] = []

    def on_open(self, opener: Opener) -> None:
        """Await `opener()` on the loop before the first bell is heard, for OPENING_SECONDS at most.

        What fails in it is only logged: it makes a worker quicker, not able.
        """
        self._openers.append(opener)

    def on_close(self, closer: Closer) -> None:
        """Await `closer()` on the loop before it ends; the last registered goes first."""
        self._closers.append(closer)

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Start the loop for the first Worker."""
        with self._lock:
            self._workers += 1
            if self._thread is None:
                self._thread = EventLoopThread(self.logger)
                self._thread.start(timeout=CLOSING_SECONDS)
                set_event_loop_thread(self._thread)
                self._open(self._thread.loop)

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """End the loop after the last Worker."""
        with self._lock:
            self._workers -= 1
            if self._workers > 0 or self._thread is None:
                return
            thread, self._thread = self._thread, None
        try:
            asyncio.run_coroutine_threadsafe(self._wind_up(), thread.loop).result(CLOSING_SECONDS)
        except Exception:
            self.logger.exception("the actors' event loop did not wind up in order")
        set_event_loop_thread(None)
        thread.stop()  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped

    def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        for opener in self._openers:
            try:
                asyncio.run_coroutine_threadsafe(_within(opener, OPENING_SECONDS), loop).result()
            except Exception as error:
                self.logger.warning("the first bell may take longer: %s", type(error).__name__)

    async def _wind_up(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._closers:
            try:
                await self._closers.pop()()
            except Exception:
                self.logger.exception("closing something on the actors' event loop failed")
        # A connection that was broken off closes its socket a turn of the loop later: give it that turn.
        await asyncio.sleep(LAST_TURNS_SECONDS)


async def _within(opener: Opener, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await opener()


def make_broker(url: str) -> dramatiq.Broker:
    """The broker of an URL ("" in-process, Redis, Sentinel, RabbitMQ) with a queue per lane; connects later.

    There is no retry middleware: a bell that failed is made up for by the sweep, and when a row is tried
    again is the row's own affair. Raises SettingsError for another kind of URL.
    """
    broker = broker_for(url, [ActorLoop()])
    broker.logger.addFilter(_is_news)
    for lane in Lane:
        broker.declare_queue(lane.value)
    return broker


def actor_loop(broker: dramatiq.Broker) -> ActorLoop:
    """The middleware that owns the actors' event loop."""
    return next(part for part in broker.middleware if isinstance(part, ActorLoop))


def _is_news(record: logging.LogRecord) -> bool:
    # dramatiq warns of every Worker but the first on a broker; here there is one per lane on purpose.
    return "middleware of the same type twice" not in str(record.msg)


def make_workers(broker: dramatiq.Broker, threads: Mapping[Lane, int]) -> list[dramatiq.Worker]:
    """One Worker, not yet started, per lane in `threads` (lane → number of threads that are its own).

    Each thread carries one batch at a time; concurrency within a batch is the actor's.
    """
    return [LaneWorker(broker, lane, count) for lane, count in threads.items()]
