"""The broker inside the process: bells wait in its memory, and nobody looks for them in vain."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import dramatiq
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import QueueNotFound

Bell = dramatiq.Message[Any]
LEAVING_SECONDS = 0.005
"""How long somebody is kept who waits in a room that is being left."""


class InProcessBroker(dramatiq.Broker):
    """A broker without a server. Who hears a lane sleeps until a bell's very moment; delayed bells need no
    queue and no thread of their own. A bell that cannot be heard is forgotten: the rows are the record.
    """

    def __init__(self, middleware: list[dramatiq.Middleware]) -> None:
        super().__init__(middleware=middleware)
        self.queues: dict[str, Room] = {}

    def declare_queue(self, queue_name: str) -> None:
        """Make the room of a queue, once."""
        if queue_name in self.queues:
            return
        self.emit_before("declare_queue", queue_name)
        self.queues[queue_name] = Room()
        self.emit_after("declare_queue", queue_name)

    def enqueue(self, message: Bell, *, delay: int | None = None) -> Bell:
        """Let a bell be heard, after `delay` milliseconds. Raises QueueNotFound."""
        room = self._room(message.queue_name)
        self.emit_before("enqueue", message, delay)
        room.put(message, (delay or 0) / 1000)
        self.emit_after("enqueue", message, delay)
        return message

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 0) -> Consumer:
        """The bells of a queue, `prefetch` of them at most unanswered. `timeout` is not needed: nobody waits
        any longer once the room is left. Raises QueueNotFound.
        """
        return _Hearer(self._room(queue_name), Slots(prefetch))

    def flush(self, queue_name: str) -> None:
        """Forget the bells of a queue. Raises QueueNotFound."""
        self._room(queue_name).clear()

    def flush_all(self) -> None:
        """Forget all bells."""
        for room in self.queues.values():
            room.clear()

    def _room(self, queue_name: str) -> Room:
        try:
            return self.queues[queue_name]
        except KeyError:
            raise QueueNotFound(queue_name) from None  # type: ignore[no-untyped-call]  # dramatiq leaves it untyped


@dataclass
class Slots:
    """How many more bells somebody may be given; changed under the room's lock alone."""

    free: int


class Room:
    """The bells of one queue, each given to somebody when its time has come (by the monotonic clock)."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Bell]] = []
        self._number = itertools.count()
        self._news = threading.Condition()
        self._leaving = False

    def __len__(self) -> int:
        """How many bells wait here, for their time or for somebody who hears them."""
        return len(self._waiting)

    def put(self, bell: Bell, seconds: float = 0.0) -> None:
        """Keep a bell for so many seconds."""
        with self._news:
            heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._number), bell))
            self._news.notify_all()

    def take(self, slots: Slots) -> Bell | None:
        """The next bell. Waits until there is one and a slot for it; None, soon, in a room that is left."""
        with self._news:
            while not slots.free or self._until_next() != 0.0:
                leaving = self._leaving
                self._news.wait(LEAVING_SECONDS if leaving else self._until_next() if slots.free else None)
                if leaving:
                    return None
            slots.free -= 1
            return heapq.heappop(self._waiting)[2]

    def give_back(self, slots: Slots) -> None:
        """A bell was answered: another one may be taken."""
        with self._news:
            slots.free += 1
            self._news.notify_all()

    def leave(self) -> None:
        """From now on nobody is kept waiting here, so that those who wait see that they are to end."""
        with self._news:
            self._leaving = True
            self._news.notify_all()

    def enter(self) -> None:
        """Somebody comes to wait."""
        with self._news:
            self._leaving = False

    def clear(self) -> None:
        """Forget all bells."""
        with self._news:
            self._waiting.clear()

    def _until_next(self) -> float | None:
        """Seconds until the next bell's time, 0.0 when it has come; None: there is no bell."""
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None


class _Hearer(Consumer):
    """What a thread of dramatiq's hears a room by."""

    def __init__(self, room: Room, slots: Slots) -> None:
        self._room = room
        self._slots = slots

    def __next__(self) -> MessageProxy | None:
        bell = self._room.take(self._slots)
        return None if bell is None else MessageProxy(bell)

    def ack(self, message: MessageProxy) -> None:
        self._room.give_back(self._slots)

    def nack(self, message: MessageProxy) -> None:
        self._room.give_back(self._slots)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        for message in messages:
            self._room.put(message.copy())
