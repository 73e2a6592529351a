"""The parser alone: CPU milliseconds per mail by size and kind, and of the worst mails that we know."""

from __future__ import annotations

import statistics
import time
from typing import Any

from ops.bench.inbox import of_size, with_attachment
from tests.hostile_mails import HOSTILE
from workers.errors import UnreadableMail
from workers.intake.mail import parse_mail

KB, MB = 1024, 1024 * 1024
SIZES = {"1_kb": KB, "10_kb": 10 * KB, "100_kb": 100 * KB, "1_mb": MB}
ATTACHED = {"1_mb": MB, "10_mb": 10 * MB}
KINDS = ("plain", "newsletter", "chinese")
SPENT = 0.4
"""Seconds of machine time for each kind and size, but at least three mails."""
WORST = 5


def parser_figures() -> dict[str, Any]:
    """Medians by kind and size, and the slowest of the hostile mails that the tests keep."""
    figures: dict[str, Any] = {
        kind: {name: _timed(of_size(kind, size)) for name, size in SIZES.items()} for kind in KINDS
    }
    figures["with_attachment"] = {name: _timed(with_attachment(size)) for name, size in ATTACHED.items()}
    hostile = {name: _hostile(raw) for name, raw in HOSTILE.items()}
    slowest = sorted(hostile, key=lambda name: -hostile[name]["cpu_ms"])[:WORST]
    return {"cpu_ms_per_mail": figures, "worst_hostile": {name: hostile[name] for name in slowest}}


def _timed(raw: bytes) -> float:
    """The median of CPU milliseconds for reading `raw`."""
    found: list[float] = []
    while len(found) < 3 or sum(found) < SPENT * 1000:
        began = time.thread_time()
        parse_mail(raw)
        found.append((time.thread_time() - began) * 1000)
    return round(statistics.median(found), 3)


def _hostile(raw: bytes) -> dict[str, Any]:
    """CPU milliseconds of a first reading, size in MB, and what the reader says."""
    began = time.thread_time()
    try:
        parse_mail(raw)
        said = "read"
    except UnreadableMail as error:
        said = f"refused: {error.message}"
    spent = (time.thread_time() - began) * 1000
    return {"cpu_ms": round(spent, 1), "megabytes": round(len(raw) / MB, 1), "said": said}
