"""What is counted, in a registry of its own (nothing global, so that several may live in one process)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The counters of one process. Labels are lanes, desks and codes, never ids, addresses or words."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.bells_rung = Counter(
            "closeloop_bells_rung", "Bells handed to the broker", ["desk", "lane"], registry=registry
        )
        self.bells_dropped = Counter(
            "closeloop_bells_dropped", "Bells given up (the sweep makes up for them)", registry=registry
        )
        self.bells_failed = Counter(
            "closeloop_bells_failed",
            "Attempts to ring that the broker refused or left unanswered",
            registry=registry,
        )
        self.sweeps = Counter("closeloop_sweeps", "Rounds of the scheduler", ["result"], registry=registry)
        self.sweep_seconds = Histogram(
            "closeloop_sweep_seconds", "How long a round of the scheduler takes", registry=registry
        )
        self.overdue_lanes = Gauge(
            "closeloop_overdue_lanes",
            "Lanes in which the last sweep found something overdue",
            registry=registry,
        )
        self.relay_down = Gauge(
            "closeloop_relay_down",
            "1 while a mail relay or SMS provider is left alone",
            ["relay"],
            registry=registry,
        )
        self.quota_used = Gauge(
            "closeloop_relay_quota_used", "Share of the day's quota in use", ["relay"], registry=registry
        )
        self.quota_ends_early = Gauge(
            "closeloop_relay_quota_ends_early",
            "1 while a relay's quota will be used up before the day is over",
            ["relay"],
            registry=registry,
        )
        self.mails_throttled = Counter(
            "closeloop_mails_throttled", "Mails that had to wait for their turn", ["relay"], registry=registry
        )
        self.clock_parted = Gauge(
            "closeloop_clock_parted",
            "1 while wall and monotonic clock disagree and firing is stopped",
            registry=registry,
        )

    def relays_down(self) -> list[str]:
        """The relays (by host and port) and SMS providers that are left alone at present."""
        samples = (sample for metric in self.relay_down.collect() for sample in metric.samples)
        return sorted(sample.labels["relay"] for sample in samples if sample.value)

    def text(self) -> bytes:
        """The figures in Prometheus' text format (version 0.0.4)."""
        return generate_latest(self.registry)
