"""Bells ring in their lane, at their time, and whoever rings is never held up by the broker."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import dramatiq
import pytest
from dramatiq.brokers.redis import RedisBroker

from models.vocabulary import Lane
from tests.conftest import Backend
from tests.fakes import ManualClock
from workers.bells import Bell
from workers.broker import InProcessBroker, Ringer, actor_loop, lanes, make_broker, make_workers, messages
from workers.broker.brokers import ANSWER_SECONDS
from workers.broker.inside import Room
from workers.broker.lane_worker import Work
from workers.clock import FastClock, SystemClock
from workers.errors import SettingsError
from workers.metrics import Metrics

CLOCK = SystemClock()
DEEP = 30.0


def bell(lane: Lane = Lane.NORMAL, desk: str = "desk", *, seconds: float = 0.0) -> Bell:
    return Bell(desk, lane, datetime.now(UTC) + timedelta(seconds=seconds))


def eventually(check: Callable[[], bool], within: float = 4 * DEEP) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.005)
    return check()


def counted(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(f"closeloop_{name}_total") or 0.0


@contextmanager
def running(broker: dramatiq.Broker, threads: dict[Lane, int] | None = None) -> Iterator[None]:
    workers = make_workers(broker, threads or dict.fromkeys(Lane, 1))
    with ExitStack() as stack:
        stack.callback(broker.close)
        for worker in workers:
            worker.start()
            stack.callback(worker.stop, timeout=2000)
        yield


@contextmanager
def ringing(
    broker: dramatiq.Broker, metrics: Metrics | None = None, capacity: int = 1000
) -> Iterator[Ringer]:
    ringer = Ringer(broker, CLOCK, metrics=metrics, capacity=capacity)
    try:
        yield ringer
    finally:
        ringer.close()


def hear(broker: dramatiq.Broker, heard: list[tuple[str, float]]) -> None:
    async def listen(lane: str, slot: str) -> None:
        heard.append((lane, time.monotonic()))

    dramatiq.actor(broker=broker, actor_name="desk", queue_name="normal")(listen)


def test_a_bell_is_heard_in_its_lane_at_its_time(backend: Backend) -> None:
    broker = make_broker(backend.broker_url)
    heard: list[tuple[str, float]] = []
    hear(broker, heard)
    with running(broker), ringing(broker) as ring:
        start = time.monotonic()
        ring([bell(Lane.URGENT), bell(Lane.BULK, seconds=0.5)])
        assert eventually(lambda: len(heard) == 2)
        ring([bell(Lane.URGENT), bell(Lane.BULK, seconds=29)])
        assert eventually(lambda: len(heard) == 3, within=20), "what is due is heard at once"
    at = dict(heard[:2])
    assert sorted(at) == ["bulk", "urgent"]
    assert at["bulk"] - start >= 0.5
    assert heard[2][0] == "urgent"


def test_a_long_batch_in_one_lane_does_not_hold_up_another(backend: Backend) -> None:
    broker = make_broker(backend.broker_url)
    released = threading.Event()
    heard: list[str] = []

    async def listen(lane: str, slot: str) -> None:
        if lane == "bulk":
            await asyncio.to_thread(released.wait, 2 * DEEP)
        heard.append(lane)

    dramatiq.actor(broker=broker, actor_name="desk", queue_name="normal")(listen)
    with running(broker), ringing(broker) as ring:
        for number in range(5):
            ring([bell(Lane.BULK, seconds=-number)])
        time.sleep(0.3)
        ring([bell(Lane.URGENT)])
        assert eventually(lambda: "urgent" in heard)
        assert heard == ["urgent"]
        released.set()
        assert eventually(lambda: "bulk" in heard)


def test_all_lanes_share_one_event_loop_which_ends_in_order() -> None:
    broker = make_broker("")
    loops: set[int] = set()
    closed_on: list[int] = []
    left: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            left.append("cancelled")
            raise

    async def listen(lane: str, slot: str) -> None:
        loops.add(id(asyncio.get_running_loop()))
        left.append(lane)
        background.add(asyncio.get_running_loop().create_task(linger()))

    async def close() -> None:
        closed_on.append(id(asyncio.get_running_loop()))

    background: set[asyncio.Task[None]] = set()
    dramatiq.actor(broker=broker, actor_name="desk", queue_name="normal")(listen)
    actor_loop(broker).on_close(close)
    with running(broker), ringing(broker) as ring:
        ring([bell(lane) for lane in Lane])
        assert eventually(lambda: len(left) == 3)
        assert closed_on == []
    assert len(loops) == 1
    assert closed_on == list(loops)
    assert left.count("cancelled") == 3


def test_what_comes_first_is_done_before_any_bell_is_heard() -> None:
    broker = make_broker("")
    story: list[str] = []

    async def rehearse() -> None:
        await asyncio.sleep(0.2)  # for as long as it takes
        story.append(f"rehearsed on {id(asyncio.get_running_loop())}")

    async def listen(lane: str, slot: str) -> None:
        story.append(f"heard on {id(asyncio.get_running_loop())}")

    dramatiq.actor(broker=broker, actor_name="desk", queue_name="normal")(listen)
    actor_loop(broker).on_open(rehearse)
    with ringing(broker) as ring:
        ring([bell()])  # it waits already when the worker starts
        with running(broker):
            assert eventually(lambda: len(story) == 2)
    assert [word.split()[0] for word in story] == ["rehearsed", "heard"]
    assert len({word.split()[2] for word in story}) == 1


@pytest.mark.parametrize("hangs", [False, True])
def test_a_rehearsal_that_fails_or_never_ends_keeps_no_worker_from_working(
    hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = make_broker("")
    heard: list[tuple[str, float]] = []
    hear(broker, heard)
    monkeypatch.setattr(lanes, "OPENING_SECONDS", 0.01)

    async def rehearse() -> None:
        if hangs:
            await asyncio.Event().wait()
        raise ConnectionError("the database is away")

    actor_loop(broker).on_open(rehearse)
    with running(broker), ringing(broker) as ring:
        ring([bell()])
        assert eventually(lambda: len(heard) == 1)


def test_a_bell_that_failed_is_not_tried_again() -> None:
    broker = make_broker("")
    tries: list[str] = []

    async def fail(lane: str, slot: str) -> None:
        tries.append(slot)
        raise ZeroDivisionError

    dramatiq.actor(broker=broker, actor_name="desk", queue_name="normal")(fail)
    with running(broker), ringing(broker) as ring:
        ring([bell()])
        assert eventually(lambda: len(tries) == 1)
        time.sleep(0.3)
    assert len(tries) == 1


def test_bells_for_a_desk_that_is_not_there_do_not_pile_up() -> None:
    broker = make_broker("")
    assert isinstance(broker, InProcessBroker)
    with running(broker):
        for _ in range(50):
            ((message, delay),) = messages([bell(desk="nobody")], CLOCK)
            broker.enqueue(message, delay=delay)
        assert eventually(lambda: not broker.queues["normal"])


def test_when_one_lane_has_stopped_the_others_go_on_to_the_end() -> None:
    broker = make_broker("")
    heard: list[tuple[str, float]] = []
    hear(broker, heard)
    urgent, bulk = make_workers(broker, {Lane.URGENT: 1, Lane.BULK: 1})
    for worker in (urgent, bulk):
        worker.start()
    urgent.stop(timeout=2000)
    with ringing(broker) as ring:
        ring([bell(Lane.BULK)])
        assert eventually(lambda: [lane for lane, _ in heard] == ["bulk"])
    bulk.stop(timeout=2000)


def test_at_rest_no_thread_looks_for_bells_and_each_bell_wakes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = make_broker("")
    heard: list[tuple[str, float]] = []
    hear(broker, heard)
    looked: list[str] = []
    _count(monkeypatch, Room, "take", looked)
    _count(monkeypatch, Work, "get", looked)
    with running(broker, {Lane.NORMAL: 2}), ringing(broker) as ring:
        assert eventually(lambda: sorted(looked) == ["get", "get", "take"])
        ring([bell(seconds=0.8)])
        assert eventually(lambda: len(heard) == 1)
        ring([bell()])
        assert eventually(lambda: len(heard) == 2)
        assert eventually(lambda: sorted(looked) == ["get"] * 4 + ["take"] * 3), "once more for each bell"


def _count(patch: pytest.MonkeyPatch, kind: type, name: str, calls: list[str]) -> None:
    real = getattr(kind, name)

    def counted(*given: object, **named: object) -> object:
        calls.append(name)
        return real(*given, **named)

    patch.setattr(kind, name, counted)


def test_who_waits_for_a_later_bell_is_woken_by_an_earlier_one() -> None:
    broker = make_broker("")
    heard: list[tuple[str, float]] = []
    hear(broker, heard)
    with running(broker), ringing(broker) as ring:
        ring([bell(seconds=29)])
        assert eventually(lambda: len(broker.queues["normal"]) == 1)
        ring([bell()])
        assert eventually(lambda: len(heard) == 1, within=20)
        assert len(broker.queues["normal"]) == 1


def test_threads_that_sleep_end_when_they_are_told_to(backend: Backend) -> None:
    broker = make_broker(backend.broker_url)
    (worker,) = make_workers(broker, {Lane.NORMAL: 3})
    worker.start()
    with ringing(broker) as ring:
        ring([bell(seconds=29)])
        worker.stop(timeout=round(DEEP * 1000))
    assert [
        thread.name for thread in [*worker.workers, *worker.consumers.values()] if thread.is_alive()
    ] == []
    broker.close()


def test_what_a_worker_had_fetched_and_not_begun_is_heard_by_the_next() -> None:
    broker = make_broker("")
    begun, released = threading.Event(), threading.Event()
    heard: list[str] = []

    async def listen(lane: str, slot: str) -> None:
        begun.set()
        await asyncio.to_thread(released.wait, 2 * DEEP)
        heard.append(slot)

    dramatiq.actor(broker=broker, actor_name="desk", queue_name="normal")(listen)
    (first,) = make_workers(broker, {Lane.NORMAL: 1})
    first.start()
    for _ in range(3):
        ((message, _delay),) = messages([bell()], CLOCK)
        broker.enqueue(message)
    assert begun.wait(DEEP)
    assert eventually(lambda: first.work_queue.qsize() == 1), "two may be unanswered"
    leaving = threading.Thread(target=first.stop, kwargs={"timeout": round(DEEP * 1000)})
    leaving.start()
    assert eventually(lambda: not any(thread.running for thread in first.workers))
    released.set()
    leaving.join()
    assert len(heard) == 1
    with running(broker, {Lane.NORMAL: 1}):
        assert eventually(lambda: len(heard) == 3)


@contextmanager
def silent_redis() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_a_redis_that_never_answers_holds_up_nobody() -> None:
    metrics = Metrics()
    with silent_redis() as url:
        broker = make_broker(url)
        with ringing(broker, metrics, capacity=5) as ring:
            start = time.monotonic()
            for number in range(1000):
                ring([bell(seconds=-number)])
            assert time.monotonic() - start < 100, "each asking would take a second"
            assert eventually(lambda: bool(metrics.registry.get_sample_value("closeloop_bells_failed_total")))
        assert isinstance(broker, RedisBroker)
        broker.client.close()
    assert counted(metrics, "bells_dropped") >= 900


@pytest.mark.anyio
async def test_the_event_loop_goes_on_turning_while_redis_is_silent() -> None:
    with silent_redis() as url:
        broker = make_broker(url)
        ringer = Ringer(broker, CLOCK)
        turns = []
        for _ in range(50):
            before = time.monotonic()
            ringer([bell()])
            await asyncio.sleep(0.005)
            turns.append(time.monotonic() - before)
        await asyncio.to_thread(ringer.close, 0.1)
        assert isinstance(broker, RedisBroker)
        broker.client.close()
    assert sorted(turns)[25] < ANSWER_SECONDS, "a busy machine may hold up one, Redis would hold up all"


def test_ringing_works_again_when_the_broker_is_back(backend: Backend) -> None:
    broker = make_broker(backend.broker_url)
    metrics = Metrics()
    heard: list[tuple[str, float]] = []
    hear(broker, heard)
    # this broker alone is made to refuse, and put right again below
    enqueue, broker.enqueue = broker.enqueue, _refuse  # type: ignore[method-assign, assignment]
    with running(broker), ringing(broker, metrics) as ring:
        ring([bell()])
        assert eventually(lambda: counted(metrics, "bells_failed") == 1)
        broker.enqueue = enqueue  # type: ignore[method-assign]
        ring([bell()])
        assert eventually(lambda: len(heard) == 1)


def _refuse(*_: object, **__: object) -> None:
    raise ConnectionError("broker is away")


def test_bells_of_one_slot_become_one_message_and_the_nearest_goes_first() -> None:
    clock = ManualClock()
    now = clock.now()
    later = now + timedelta(seconds=2)
    planned = messages(
        [
            Bell("intake", Lane.NORMAL, now - timedelta(hours=1)),
            Bell("intake", Lane.NORMAL, now),
            Bell("intake", Lane.NORMAL, later),
            Bell("intake", Lane.NORMAL, later - timedelta(milliseconds=20)),
            Bell("delivery", Lane.NORMAL, later),
            Bell("intake", Lane.URGENT, later),
        ],
        clock,
    )
    assert [(m.actor_name, m.queue_name, m.args[1], delay) for m, delay in planned] == [
        ("intake", "normal", (now - timedelta(hours=1)).isoformat(), None),
        ("delivery", "normal", later.isoformat(), 2000),
        ("intake", "normal", (later - timedelta(milliseconds=20)).isoformat(), 2000),
        ("intake", "urgent", later.isoformat(), 2000),
    ]


def test_a_sped_up_clock_gives_few_messages_with_short_delays() -> None:
    clock = FastClock(3600)
    planned = messages(
        [Bell("deadlines", Lane.NORMAL, clock.now() + timedelta(seconds=n)) for n in range(1, 3600)], clock
    )
    assert len(planned) <= 22
    assert all(delay is None or delay <= 1000 for _, delay in planned)


def test_bells_beyond_the_horizon_are_left_to_the_scheduler() -> None:
    broker = make_broker("")
    with ringing(broker) as ring:
        ring([bell(seconds=60)])
        ring([bell(seconds=29)])
        assert eventually(lambda: len(broker.queues["normal"]) == 1)
        time.sleep(0.1)
    assert len(broker.queues["normal"]) == 1


def test_a_closed_ringer_keeps_still() -> None:
    broker = make_broker("")
    ringer = Ringer(broker, CLOCK)
    ringer.close()
    ringer([bell()])
    time.sleep(0.05)
    assert not broker.queues["normal"]


def test_an_unknown_kind_of_broker_is_refused() -> None:
    with pytest.raises(SettingsError, match="redis://"):
        make_broker("memcached://localhost")


def test_several_workers_on_one_broker_are_on_purpose(caplog: pytest.LogCaptureFixture) -> None:
    with running(make_broker("")):
        pass
    assert "same type twice" not in caplog.text
