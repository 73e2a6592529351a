"""The queue's edge: hears a bell, claims what is due in its lane, calls the step for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

import dramatiq
import structlog

from models.base import Promised
from models.deadlines import Deadline, Errand
from models.intake import IntakeEvent
from models.notifications import Notification
from models.search import SearchTask
from models.vocabulary import DeadlineKind, Lane
from models.webhooks import WebhookDelivery
from workers import alarms, errands, escalations, followups, search, surveys, tickets
from workers.bells import EARLY, EPOCH, Bell, Ring
from workers.broker import actor_loop
from workers.clock import ClockWatch
from workers.delivery.courier import BATCH as DELIVERY_BATCH
from workers.delivery.courier import Courier
from workers.intake.desk import BATCH as INTAKE_BATCH
from workers.intake.desk import work_off
from workers.intake.fetching import Fetcher
from workers.intake.outside import Outside
from workers.outbound import Caller
from workers.policy import Alarm
from workers.posting import Posting
from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

DESKS: Mapping[str, type[Promised]] = {
    "intake": IntakeEvent,
    "deadlines": Deadline,
    "delivery": Notification,
    "errands": Errand,
    "index": SearchTask,
    "webhooks": WebhookDelivery,
}
ENDPOINTS = 1
"""What a bell for webhooks works off at once: nothing, it only sees to it that somebody does."""
ROUNDS = 20
"""Batches that one bell may work off before it rings again and lets others have the thread."""
A_MOMENT = 0.001
"""Seconds: a timer may go off so much before its time, and what is due then would wait for the sweep."""
LOOK_BACK = timedelta(seconds=2)
"""So much before its slot a bell looks for alarms and messages; the sweep rings for what is older, with its
slot.
"""


async def _sla_alarm(uow: UnitOfWork, row: Deadline, alarm: Alarm) -> timedelta | None:
    steps: Mapping[str, alarms.Handler] = {
        "warning": escalations.warn,
        "acceptance_reminder": escalations.remind_to_accept,
        "breach": escalations.breach,
    }
    return await steps[alarm.step](uow, row, alarm)


HANDLERS: Mapping[DeadlineKind, alarms.Handler] = {
    DeadlineKind.FIRST_RESPONSE: _sla_alarm,
    DeadlineKind.PLAN: _sla_alarm,
    DeadlineKind.RESOLUTION: _sla_alarm,
    DeadlineKind.ACCEPTANCE: _sla_alarm,
    DeadlineKind.ESCALATION: escalations.climb,
    DeadlineKind.SURVEY_INVITATION: surveys.invite,
    DeadlineKind.SURVEY: surveys.chase,
    DeadlineKind.CONFIRMATION: tickets.chase_confirmation,
    DeadlineKind.FOLLOWUP_START: followups.start_alarm,
    DeadlineKind.FOLLOWUP_DUE: followups.due_alarm,
    DeadlineKind.CHAT_POST: tickets.chat_alarm,
    DeadlineKind.PROGRESS: tickets.progress_alarm,
    DeadlineKind.WAITING: tickets.waiting_alarm,
    DeadlineKind.ASSIGNMENT: tickets.assignment_alarm,
}


class Bench:
    """Where the work is done: the workshop and the courier of one event loop."""

    def __init__(
        self,
        workshop: Workshop,
        courier: Courier,
        ring: Ring,
        outside: Outside | None = None,
        watch: ClockWatch | None = None,
        posting: Posting | None = None,
    ) -> None:
        self._watch = watch or ClockWatch()
        self._told_of_clock = False
        self.workshop = workshop
        self.courier = courier
        self.posting = posting or Posting(workshop, Caller())
        self._outside = outside or Outside(Fetcher())
        self._ring = ring
        self._alarms = alarms.InTurn(partial(self._work_off, "deadlines"), workshop.way)

    async def hear(self, desk: str, lane: Lane, slot: datetime = EPOCH) -> int:
        """Work off what is due on a desk in a lane, from `slot` on; gives how many rows were claimed.

        Alarms are heard one batch of a lane at a time (0 at once while another bell is at it), and when it is
        time for them: their bells are early.
        """
        if desk != "deadlines":
            return await self._work_off(desk, lane, slot)
        wait = self.workshop.clock.real_delay(slot)
        if 0 < wait <= EARLY[desk].total_seconds():
            self._alarms.hear_in(wait + A_MOMENT, lane, slot)
            return 0
        return await self._alarms.hear(lane, slot)

    async def _work_off(self, desk: str, lane: Lane, slot: datetime) -> int:
        """A full batch means that more is waiting: another thread or process is called to help at once, and a
        bell that finds more than its share rings again.
        """
        work, batch = self._work(desk, slot)
        total = 0
        for done in range(ROUNDS):
            claimed = await work(lane)
            total += claimed
            self.workshop.metrics.rows_claimed.labels(desk, lane.value).inc(claimed)
            if claimed < batch:
                return total
            if done in (0, ROUNDS - 1):
                self._ring({Bell(desk, lane, slot)})
        return total

    def _work(self, desk: str, slot: datetime) -> tuple[Callable[[Lane], Awaitable[int]], int]:
        since = slot - LOOK_BACK if slot > EPOCH else None
        match desk:
            case "intake":
                return self._take_in, INTAKE_BATCH
            case "deadlines":
                return partial(self._fire, since=since), alarms.BATCH
            case "errands":
                return self._errands, errands.BATCH
            case "index":
                return self._index, search.BATCH
            case "webhooks":
                return self._webhooks, ENDPOINTS
            case _:
                return partial(self._deliver, since=since), DELIVERY_BATCH

    async def _take_in(self, lane: Lane) -> int:
        """Nothing while the clock is wrong, if others may do it: what is told then would be due at a moment
        that is none. With a database in a file there are no others, and what comes in is taken in.
        """
        if not self.workshop.alone and await self._clock_is_wrong():
            return 0
        return await work_off(self.workshop, lane, self._outside)

    async def _fire(self, lane: Lane, since: datetime | None) -> int:
        """Nothing while the clock of this machine is wrong: limits would be missed that nobody has missed."""
        if await self._clock_is_wrong():
            return 0
        return await alarms.fire(self.workshop, lane, HANDLERS, since)

    async def _errands(self, lane: Lane) -> int:
        return 0 if await self._clock_is_wrong() else await errands.fire(self.workshop, lane)

    async def _deliver(self, lane: Lane, since: datetime | None) -> int:
        """Nothing begins while the clock of this machine is wrong: messages would be dropped as too late,
        given up as too old, taken from a worker that is sending them, or leave in quiet hours and before
        their hold is over; none of that could be taken back. What is on the wire is sent and recorded.
        """
        return 0 if await self._clock_is_wrong() else await self.courier.deliver(lane, since)

    async def _clock_is_wrong(self) -> bool:
        """Whether this machine's clock was set while the process ran, or is not the database's; said once,
        until it is right again.
        """
        await self.workshop.compare_clocks(self._watch)
        wrong = self._watch.parted()
        if wrong and not self._told_of_clock:
            hint = "the clock of this machine was set, or is not the database's: put it right, or restart"
            log.critical("nothing_is_begun", hint=hint)
        self._told_of_clock = wrong
        return wrong

    async def _index(self, lane: Lane) -> int:
        return await search.work_off(self.workshop, lane)

    async def _webhooks(self, lane: Lane) -> int:
        """The tasks of endpoints go on by themselves: no other desk waits for them."""
        await self.posting.hear(lane)
        return 0

    async def rehearse(self) -> None:
        """Make the first alarms as quick as all others; leaves nothing behind."""
        await alarms.rehearse(self.workshop, HANDLERS)

    async def aclose(self) -> None:
        """Close relay connections and the database engine; calls under way are broken off."""
        self._alarms.close()
        await self.posting.aclose()
        await self.courier.aclose()
        await self.workshop.engine.dispose()


def register(broker: dramatiq.Broker, make_bench: Callable[[], Bench]) -> Callable[[], Awaitable[None]]:
    """Declare one actor per desk. `make_bench` is called once, on the event loop of the actors.

    Gives what may be awaited on that loop before the first bell, so that it is heard as quickly as others.
    """
    loop = actor_loop(broker)
    made: list[Bench] = []

    def bench() -> Bench:
        if not made:
            made.append(make_bench())
            loop.on_close(made[0].aclose)
        return made[0]

    for desk in DESKS:
        actor = _actor(desk, bench)
        dramatiq.actor(broker=broker, actor_name=desk, queue_name=Lane.NORMAL.value)(actor)

    async def rehearse() -> None:
        await bench().rehearse()

    return rehearse


def _actor(desk: str, bench: Callable[[], Bench]) -> Callable[[str, str], Awaitable[None]]:
    async def hear(lane: str, slot: str) -> None:
        heard = bench().workshop.metrics.bells_heard
        try:
            await bench().hear(desk, Lane(lane), datetime.fromisoformat(slot))
        except asyncio.CancelledError:
            raise
        except Exception:
            # The rows are still due: the sweep rings for them again within a second.
            log.exception("bell_failed", desk=desk, lane=lane, slot=slot)
            heard.labels(desk, lane, "failed").inc()
        else:
            heard.labels(desk, lane, "done").inc()

    return hear
