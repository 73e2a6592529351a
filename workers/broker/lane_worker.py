"""dramatiq's Worker for one lane, whose threads sleep until there is something to do."""

from __future__ import annotations

from queue import PriorityQueue
from typing import Any

import dramatiq

from models.vocabulary import Lane
from workers.broker.inside import InProcessBroker

DELAYED_BELLS = 20_000
IDLE_MS = 100
"""How often a broker outside is asked for bells while there are none; nobody asks the one inside."""
LEAVING_SECONDS = 0.005


class LaneWorker(dramatiq.Worker):
    """A Worker of `threads` threads that hears one lane; each carries one batch at a time.

    At rest they wait without looking now and then whether they are to end: `stop` wakes them.
    """

    def __init__(self, broker: dramatiq.Broker, lane: Lane, threads: int) -> None:
        super().__init__(broker, queues={lane.value}, worker_timeout=IDLE_MS, worker_threads=threads)
        # A delay queue is read in order of arrival: bells that do not fit would hold up nearer ones.
        self.delay_prefetch = DELAYED_BELLS
        self.work_queue = self._work = Work()
        self._room = broker.queues[lane.value] if isinstance(broker, InProcessBroker) else None

    def start(self) -> None:
        """Start the threads."""
        if self._room is not None:
            self._room.enter()
        super().start()

    def stop(self, timeout: int = 600_000) -> None:
        """Let each thread finish its batch, and end all, within `timeout` milliseconds."""
        self._work.leave()
        if self._room is not None:
            self._room.leave()
        super().stop(timeout)


class Work(PriorityQueue[Any]):
    """What a Worker's threads take messages from; until it is left they wait for as long as it takes."""

    def __init__(self) -> None:
        super().__init__()
        self._leaving = False

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The next message. Raises Empty without one if `block` is not set, or once the queue is left."""
        if not block:
            return super().get(block=False)
        with self.not_empty:
            self.not_empty.wait_for(lambda: self._qsize() or self._leaving)
        return super().get(timeout=LEAVING_SECONDS)

    def leave(self) -> None:
        """From now on nobody is kept waiting, so that those who wait see that they are to end."""
        with self.not_empty:
            self._leaving = True
            self.not_empty.notify_all()
