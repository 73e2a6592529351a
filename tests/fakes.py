"""Stand-ins that tests move by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MONDAY_MORNING = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai, an ordinary working day


class ManualClock:
    """A `workers.clock.Clock` that stands still until a test moves it; machine time moves along."""

    def __init__(self, start: datetime = MONDAY_MORNING) -> None:
        """Starts at `start`, an aware moment; raises ValueError for one without a time zone."""
        self._now = _utc(start)

    def now(self) -> datetime:
        """Promise time, UTC."""
        return self._now

    def machine(self) -> datetime:
        """Machine time, UTC: the same as promise time."""
        return self._now

    def real_delay(self, due: datetime) -> float:
        """Seconds until `due`; 0 when it has come."""
        return max(0.0, (due - self._now).total_seconds())

    def advance(self, by: timedelta) -> None:
        """Moves the clock by `by`, which may be negative."""
        self._now += by

    def set(self, moment: datetime) -> None:
        """Moves the clock to `moment`; raises ValueError for one without a time zone."""
        self._now = _utc(moment)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(UTC)
