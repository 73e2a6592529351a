"""RabbitMQ and Redis behind Sentinel ring as Redis does, also after they were away for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import dramatiq
import pytest

from models.vocabulary import Lane
from tests.broker_servers import RabbitmqNode, Sentinels, sentinels
from tests.conftest import do_without
from tests.servers import ServerMissing
from workers.bells import Bell
from workers.broker import Ringer, is_alive, let_go, make_broker, make_workers
from workers.channels import limits_redis
from workers.channels.limits import Limit
from workers.channels.limits_redis import RedisLimiter
from workers.clock import SystemClock
from workers.metrics import Metrics

Heard = list[tuple[str, float]]


@pytest.fixture(scope="module")
def rabbitmq_node() -> Iterator[tuple[RabbitmqNode, ExitStack]]:
    with ExitStack() as stack, ExitStack() as running:
        try:
            node = stack.enter_context(RabbitmqNode.made())
            running.enter_context(node.running())
        except ServerMissing as missing:
            do_without(missing)
        yield node, running


@pytest.fixture
def watched() -> Iterator[Sentinels]:
    with ExitStack() as stack:
        try:
            made = stack.enter_context(sentinels())
        except ServerMissing as missing:
            do_without(missing)
        yield made


def bell(lane: Lane, seconds: float = 0.0) -> Bell:
    return Bell("desk", lane, datetime.now(UTC) + timedelta(seconds=seconds))


def eventually(check: Callable[[], bool], within: float = 90.0) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.01)
    return check()


@contextmanager
def listening(url: str) -> Iterator[tuple[dramatiq.Broker, Ringer, Metrics, Heard]]:
    """A broker with workers, a ringer, what it counts, and what was heard when (machine time, seconds)."""
    broker, metrics, heard = make_broker(url), Metrics(), []

    async def listen(lane: str, slot: str) -> None:
        heard.append((lane, time.monotonic()))

    dramatiq.actor(broker=broker, actor_name="desk", queue_name="normal")(listen)
    workers = make_workers(broker, dict.fromkeys(Lane, 1))
    ringer = Ringer(broker, SystemClock(), metrics=metrics)
    for worker in workers:
        worker.start()
    try:
        yield broker, ringer, metrics, heard
    finally:
        ringer.close()
        for worker in workers:
            worker.stop(timeout=2000)
        let_go(broker)


def failed(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("closeloop_bells_failed_total") or 0.0


def test_on_rabbitmq_a_near_bell_does_not_wait_behind_far_ones(
    rabbitmq_node: tuple[RabbitmqNode, ExitStack],
) -> None:
    with listening(rabbitmq_node[0].url) as (broker, ring, _, heard):
        start = time.monotonic()
        ring([bell(Lane.URGENT, 20 + number * 0.05) for number in range(180)])  # 20 to 29 s ahead
        ring([bell(Lane.URGENT, 2.0), bell(Lane.BULK)])
        assert eventually(lambda: len(heard) >= 2)
        (first, _), (second, at) = heard[:2]
        assert (first, second) == ("bulk", "urgent")
        assert at - start >= 2.0
        assert is_alive(broker)


def test_a_rabbitmq_that_went_away_and_came_back_is_rung_again(
    rabbitmq_node: tuple[RabbitmqNode, ExitStack],
) -> None:
    node, running = rabbitmq_node
    with listening(node.url) as (broker, ring, metrics, heard):

        def times() -> int:
            return sum(lane == Lane.NORMAL for lane, _ in heard)  # what others left there is not meant

        ring([bell(Lane.NORMAL)])
        assert eventually(lambda: times() == 1)
        running.close()
        assert not is_alive(broker)
        ring([bell(Lane.NORMAL)])
        assert eventually(lambda: failed(metrics) == 1), "given up, and said: the sweep makes up for it"
        running.enter_context(node.running())
        ring([bell(Lane.NORMAL)])
        assert eventually(lambda: times() >= 2)


@pytest.mark.anyio
async def test_when_the_sentinels_name_another_master_bells_and_limits_go_there(
    watched: Sentinels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_redis, "ALONE", 0.0)
    limit = Limit("relay", 3600.0, 1)
    limiters = [RedisLimiter(watched.url) for _ in range(2)]
    with listening(watched.url) as (broker, ring, _, heard):
        ring([bell(Lane.URGENT)])
        assert eventually(lambda: len(heard) == 1)
        assert await limiters[0].take([limit]) == 0
        assert await limiters[1].take([limit]) > 3500, "both ask the same Redis"
        fallen = watched.master
        watched.end(fallen)
        assert eventually(lambda: watched.master != fallen)
        assert eventually(lambda: is_alive(broker))
        for limiter in limiters:
            await limiter.count("mails", 1, 60)  # whoever still held on to the old one counts by itself once
        fresh = Limit("other", 3600.0, 1)
        assert await limiters[0].take([fresh]) == 0
        assert await limiters[1].take([fresh]) > 3500, "and both the same one again"

        def ring_until_heard() -> bool:
            ring([bell(Lane.BULK)])
            return any(lane == "bulk" for lane, _ in heard)

        assert eventually(ring_until_heard), "as the sweep does, each second"
    for limiter in limiters:
        await limiter.aclose()
