"""What is watched: the names of all figures that a process can show."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric

from workers.metrics import Metrics
from workers.web.figures import WholeGauges
from workers.web.mailboxes import MailboxGauges


def all_metrics() -> Iterator[Metric]:
    """Every family of figures, of the process and of the installation."""
    metrics = Metrics()
    metrics.describe_process("1.0", "web")
    yield from metrics.registry.collect()
    yield from WholeGauges().registry.collect()
    mailboxes = CollectorRegistry()
    MailboxGauges(mailboxes)
    yield from mailboxes.collect()


def series_names() -> set[str]:
    """The names by which Prometheus stores them: counters end in _total, histograms are three series."""
    endings = {
        "counter": ("_total",),
        "histogram": ("_bucket", "_count", "_sum"),
    }
    return {f"{each.name}{end}" for each in all_metrics() for end in endings.get(each.type, ("",))}
