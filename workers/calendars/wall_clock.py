"""From what the clock on the wall shows to moments in UTC, through changes of summer time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Interval = tuple[time, time]
"""Opening and closing by the wall clock, naive; a closing `time(0, 0)` is the midnight that ends the day.

A closing before the opening is that of a night shift: it lies on the next day, and the shift belongs to the
day on which it begins.
"""

Span = tuple[datetime, datetime]
"""The same as two moments in UTC, the second one not included."""

MIDNIGHT = time(0, 0)
_SECOND = timedelta(seconds=1)


def first_moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The first moment (UTC) at which the wall clock in `zone` has reached `at` on `day`.

    A time that is skipped in spring is reached at the jump, one that comes twice in autumn at its first
    occurrence. So neighbouring intervals never overlap and never leave a gap.
    """
    local = datetime.combine(day, at, zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    return _jump(local.replace(fold=1).astimezone(UTC), moment, zone)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The moment between the two at which the zone's offset changes; tzdata knows seconds, nothing finer."""
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def spans(day: date, intervals: Iterable[Interval], zone: ZoneInfo) -> tuple[Span, ...]:
    """The intervals of one local day as moments in UTC; one that a jump of the clock swallows is left out."""
    found = []
    for start, end in intervals:
        opens = first_moment(day, start, zone)
        closes = first_moment(day + timedelta(days=1) if end == MIDNIGHT or end < start else day, end, zone)
        if opens < closes:
            found.append((opens, closes))
    return tuple(found)


def over_midnight(interval: Interval) -> bool:
    """Whether it is a night shift, which ends on the next day."""
    start, end = interval
    return MIDNIGHT < end < start


def problem_in(intervals: Iterable[Interval]) -> str:
    """What is wrong with the intervals of a day, in words; empty when they are in order and apart."""
    last: Interval | None = None
    for start, end in intervals:
        if start == end != MIDNIGHT:
            return f"{start:%H:%M}-{end:%H:%M} ends where it starts"
        if last is not None and (last[1] == MIDNIGHT or over_midnight(last) or start < last[1]):
            return f"{start:%H:%M}-{end:%H:%M} begins before the interval in front of it has ended"
        last = (start, end)
    return ""


def problem_between(day: Sequence[Interval], following: Sequence[Interval]) -> str:
    """What is wrong where a night shift meets the next day's hours, in words; empty when they are apart."""
    if day and following and over_midnight(day[-1]) and following[0][0] < day[-1][1]:
        start, end = following[0]
        return f"{start:%H:%M}-{end:%H:%M} begins before the night shift of the day before has ended"
    return ""
