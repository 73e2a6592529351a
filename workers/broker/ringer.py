"""Ringing that never holds anybody up."""

from __future__ import annotations

import contextlib
import math
import queue
import threading
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

import dramatiq
import structlog

from models.vocabulary import Lane
from workers.bells import EARLY, SLOT, Bell
from workers.clock import Clock
from workers.metrics import Metrics

HORIZON_SECONDS = 30.0
NOW = timedelta()


class Ringer:
    """Rings bells from a thread of its own: calling it returns at once, whatever the broker does.

    Bells that wait together are rung together, one per desk, lane and slot. Bells further away than the
    scheduler's horizon are not rung (the scheduler will), and when the broker does not answer, waiting
    ones are given up (the sweep makes up for them). May be called from any thread.
    """

    def __init__(
        self, broker: dramatiq.Broker, clock: Clock, *, metrics: Metrics | None = None, capacity: int = 1000
    ) -> None:
        self._broker = broker
        self._clock = clock
        self._metrics = metrics or Metrics()
        self._waiting: queue.Queue[frozenset[Bell] | None] = queue.Queue(capacity)
        self._closed = threading.Event()
        self._silent = False
        self._log = structlog.get_logger(__name__)
        self._thread = threading.Thread(target=self._run, name="closeloop-ringer", daemon=True)
        self._thread.start()

    def __call__(self, bells: Collection[Bell]) -> None:
        """Ring `bells` soon."""
        near = frozenset(bell for bell in bells if self._clock.real_delay(bell.due) <= HORIZON_SECONDS + 1)
        if not near or self._closed.is_set():
            return
        try:
            self._waiting.put_nowait(near)
        except queue.Full:
            self._metrics.bells_dropped.inc(len(near))

    def close(self, timeout: float = 2.0) -> None:
        """Stop ringing; waits up to `timeout` seconds for a bell that is being rung."""
        self._closed.set()
        with contextlib.suppress(queue.Full):  # then the thread is busy and looks at `_closed` next
            self._waiting.put_nowait(None)
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._closed.is_set():
            bells = self._waiting.get()
            if bells is None:
                return
            self._ring_together({*bells, *self._also_waiting()})

    def _also_waiting(self) -> Iterable[Bell]:
        while True:
            try:
                more = self._waiting.get_nowait()
            except queue.Empty:
                return
            yield from more or ()

    def _ring_together(self, bells: set[Bell]) -> None:
        planned = messages(bells, self._clock)
        for place, (message, delay) in enumerate(planned):
            try:
                self._broker.enqueue(message, delay=delay)
            except Exception as error:
                self._give_up(len(planned) - place, error)
                return
            self._metrics.bells_rung.labels(message.actor_name, message.queue_name).inc()
        if self._silent:
            self._silent = False
            self._log.info("broker_answers_again")

    def _give_up(self, lost: int, error: Exception) -> None:
        lost += sum(1 for _ in self._also_waiting())
        self._metrics.bells_failed.inc()
        self._metrics.bells_dropped.inc(lost)
        if not self._silent:
            self._silent = True
            self._log.warning("broker_does_not_answer", error=type(error).__name__, bells_lost=lost)


def messages(bells: Iterable[Bell], clock: Clock) -> list[tuple[dramatiq.Message[Any], int | None]]:
    """(message, delay in ms or None for now), one per desk, lane and 50 ms of machine time, soonest first.

    The message calls the actor named like the desk with (lane, the first slot that something is due in, ISO
    8601); it is heard when all of it is due, or by desks that want it so (`EARLY`) a moment before.
    """
    together: dict[tuple[int, str, Lane], list[Bell]] = {}
    for bell in bells:
        step = math.ceil(clock.real_delay(bell.due) / SLOT.total_seconds())
        together.setdefault((step, bell.desk, bell.lane), []).append(bell)
    return [(_message(min(same)), _milliseconds(same, clock)) for _, same in sorted(together.items())]


def _message(bell: Bell) -> dramatiq.Message[Any]:
    return dramatiq.Message(
        queue_name=bell.lane.value,
        actor_name=bell.desk,
        args=(bell.lane.value, bell.due.isoformat()),
        kwargs={},
        options={},
    )


def _milliseconds(same: Collection[Bell], clock: Clock) -> int | None:
    first, last = min(same), max(same)
    # Who hears a bell early waits for the slot that it names, the first one: too short a time for several.
    early = EARLY.get(first.desk, NOW) if first == last else NOW
    return math.ceil(max(0.0, clock.real_delay(last.due) - early.total_seconds()) * 1000) or None
