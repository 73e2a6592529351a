"""What is counted, in a registry of its own (nothing global, so that several may live in one process).

Names follow Prometheus' conventions: a prefix, a base unit at the end (`_seconds`, `_timestamp_seconds`),
`_total` for what only grows. Labels are words of the trade and of the settings (desk, lane, channel, relay):
never ids, addresses, names or words of people, and never what somebody outside can invent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakSet

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from workers.storage import Storage

LATENESS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0)
"""From what nobody notices to what breaks a promise, in seconds."""
DURATION = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._make_bells()
        self._make_work()
        self._make_relays()
        self.pools = Pools()
        self.registry.register(self.pools)

    def _make_bells(self) -> None:
        self.bells_rung = self._counter("bells_rung", "Bells handed to the broker", "desk", "lane")
        self.bells_dropped = self._counter("bells_dropped", "Bells given up (the sweep makes up for them)")
        self.bells_failed = self._counter(
            "bells_failed", "Attempts to ring that the broker refused or left unanswered"
        )
        self.broker_up = self._gauge("broker_up", "1 when the broker answered this scrape (or lives inside)")
        self.sweeps = self._counter("sweeps", "Rounds of the scheduler: done, failed, stopped", "result")
        self.sweep_seconds = self._histogram("sweep_seconds", "How long a round of the scheduler takes")
        self.swept_at = self._gauge(
            "last_sweep_timestamp_seconds",
            "Unix time of the last round that looked at all desks; 0: none yet",
        )
        self.overdue_lanes = self._gauge(
            "overdue_lanes", "Lanes in which the last sweep found something overdue"
        )
        self.clock_parted = self._gauge(
            "clock_parted", "1 while wall and monotonic clock disagree and firing is stopped"
        )
        self.cannot_store = self._gauge(
            "cannot_store", "1 while the database takes no changes: its disk is full, or it is read-only"
        )
        self.storage = Storage(self.cannot_store)
        self.clock_jump = self._gauge(
            "clock_jump_seconds", "By how much the wall clock is ahead of where it ought to be"
        )
        self.heartbeats = self._counter(
            "heartbeats", "Calls of the outside heartbeat: sent, failed, withheld", "result"
        )

    def _make_work(self) -> None:
        self.bells_heard = self._counter(
            "bells_heard", "Bells that a worker heard: done, failed", "desk", "lane", "result"
        )
        self.rows_claimed = self._counter("rows_claimed", "Rows that a worker took up", "desk", "lane")
        self.alarm_lateness = self._histogram(
            "alarm_lateness_seconds",
            "How long after its time an alarm of a deadline was heard",
            "lane",
            buckets=LATENESS,
        )
        self.attempts = self._counter(
            "delivery_attempts",
            "Tries to send that ended, by what the other side said",
            *("channel", "provider", "outcome"),
        )
        self.attempt_seconds = self._histogram(
            "delivery_attempt_seconds", "How long a try to send takes", "channel", buckets=DURATION
        )
        self.delivery_lateness = self._histogram(
            "delivery_lateness_seconds",
            "How long after it was due a message was accepted",
            *("channel", "lane"),
            buckets=LATENESS,
        )
        self.requests = self._histogram(
            "http_request_seconds",
            "How long requests take, by part of the site and class of status",
            *("area", "status"),
            buckets=DURATION,
        )

    def _make_relays(self) -> None:
        self.relay_down = self._gauge(
            "relay_down", "1 while a mail relay or SMS provider is left alone", "relay"
        )
        self.quota_used = self._gauge("relay_quota_used", "Share of the day's quota in use", "relay")
        self.quota_ends_early = self._gauge(
            "relay_quota_ends_early",
            "1 while a relay's quota will be used up before the day is over",
            "relay",
        )
        self.mails_throttled = self._counter(
            "mails_throttled", "Mails that had to wait for their turn", "relay"
        )

    def describe_process(self, version: str, process: str) -> None:
        """Say of which version and kind (up, web, worker …) this process is, and count its CPU and memory."""
        gauge = self._gauge("build_info", "1, labelled by version and kind of process", "version", "process")
        gauge.labels(version, process).set(1)
        ProcessCollector(registry=self.registry)

    def relays_down(self) -> list[str]:
        """The relays (by host and port) and SMS providers that are left alone at present."""
        samples = (sample for metric in self.relay_down.collect() for sample in metric.samples)
        return sorted(sample.labels["relay"] for sample in samples if sample.value)

    def text(self) -> bytes:
        """The figures in Prometheus' text format (version 0.0.4)."""
        return generate_latest(self.registry)

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"closeloop_{name}", words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"closeloop_{name}", words, labels, registry=self.registry)

    def _histogram(
        self, name: str, words: str, *labels: str, buckets: Sequence[float] = DURATION
    ) -> Histogram:
        return Histogram(f"closeloop_{name}", words, labels, registry=self.registry, buckets=buckets)


class Pools(Collector):
    """Connections to the database that this process holds, over all its pools, asked at each scrape."""

    def __init__(self) -> None:
        self._pools: WeakSet[Any] = WeakSet()

    def watch(self, pool: Any) -> None:
        """Count this pool (SQLAlchemy's, if it keeps a queue) for as long as it lives."""
        if hasattr(pool, "checkedout"):
            self._pools.add(pool)

    def collect(self) -> Iterator[Metric]:
        """One gauge: in use, idle, and how many there may be."""
        family = GaugeMetricFamily(
            "closeloop_database_connections",
            "Connections of this process to the database: in use, idle; and the most there may be",
            labels=["state"],
        )
        pools = list(self._pools)
        family.add_metric(["in_use"], sum(pool.checkedout() for pool in pools))
        family.add_metric(["idle"], sum(pool.checkedin() for pool in pools))
        family.add_metric(["most"], sum(pool.size() + max(0, pool._max_overflow) for pool in pools))
        yield family
