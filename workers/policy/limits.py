"""A limit as a policy file writes it, and the moment it ends.

`30m`, `2h`   up to 8 h: working time; above (24h, 48h): elapsed time, then to the close of that working day
              (of the next working day when that moment falls on none or after closing).
`3wd`         close of business of the third following working day.
`elapsed:2h`  plain elapsed time, `working:24h` plain working time, whatever the length.

For the priorities that are served around the clock (urgent), m and h are always elapsed time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, PlainValidator

from workers.calendars import Calendar

LONGEST_WORKING_LIMIT = timedelta(hours=8)

_FORM = re.compile(r"(?:(elapsed|working):)?([1-9][0-9]{0,5})(m|h|wd)", re.ASCII)


class Kind(StrEnum):
    """In what kind of time a limit runs."""

    ELAPSED = "elapsed"
    WORKING = "working"
    CLOSE_OF_DAY = "close_of_day"
    WORKING_DAYS = "working_days"


@dataclass(frozen=True, slots=True)
class Limit:
    """A length of time with its unit; `text` is how it was written."""

    text: str
    kind: Kind
    length: timedelta
    days: int = 0

    @classmethod
    def parse(cls, text: object) -> Limit:
        """Reads `30m`, `2h`, `24h`, `3wd`, `elapsed:2h`, `working:24h`. Anything else raises ValueError."""
        if isinstance(text, Limit):
            return text
        found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            raise ValueError(f"{text!r} is no limit; write 30m, 2h, 24h, 3wd, elapsed:2h or working:24h")
        forced, number, unit = found[1], int(found[2]), found[3]
        if unit == "wd":
            if forced:
                raise ValueError(f"{text!r}: working days (wd) can be neither elapsed nor working")
            return cls(found[0], Kind.WORKING_DAYS, timedelta(0), number)
        length = timedelta(minutes=number) if unit == "m" else timedelta(hours=number)
        if forced:
            return cls(found[0], Kind(forced), length)
        return cls(found[0], Kind.WORKING if length <= LONGEST_WORKING_LIMIT else Kind.CLOSE_OF_DAY, length)

    def end(self, calendar: Calendar, start: datetime, *, around_the_clock: bool = False) -> datetime:
        """The moment (UTC) the limit ends when it starts at `start`."""
        if self.kind is Kind.WORKING_DAYS:
            return calendar.close_of_working_day(start, self.days)
        if self.runs_elapsed(around_the_clock):
            return start + self.length
        if self.kind is Kind.WORKING:
            return calendar.add(start, self.length)
        return calendar.close_of_working_day(start + self.length)

    def runs_elapsed(self, around_the_clock: bool) -> bool:
        """Whether nights and weekends count."""
        if self.kind is Kind.ELAPSED:
            return True
        # "working:" is forced by the team, so it holds for urgent requests too.
        forced_working = self.text.startswith("working:")
        return around_the_clock and self.kind is not Kind.WORKING_DAYS and not forced_working

    def __str__(self) -> str:
        return self.text


def parse_duration(text: object) -> timedelta:
    """A plain elapsed length, `90s`, `30m` or `48h`, where no working time is meant. Raises ValueError."""
    if isinstance(text, timedelta):
        return text
    found = re.fullmatch(r"([0-9]{1,6})(s|m|h)", text.strip(), re.ASCII) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is no duration; write 90s, 30m or 48h")
    return timedelta(seconds=int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]])


def _durations(text: object) -> object:
    """One duration, or a list of different ones; the longest comes first."""
    each = text if isinstance(text, list | tuple) else [text]
    lengths = sorted((parse_duration(one) for one in each), reverse=True)
    if not lengths or len(set(lengths)) != len(lengths):
        raise ValueError('write one duration, or a list of different ones: ["2h", "30m"]')
    return tuple(lengths)


def _shown(lengths: tuple[timedelta, ...]) -> str | list[str]:
    shown = [f"{length.total_seconds():g}s" for length in lengths]
    return shown[0] if len(shown) == 1 else shown


LimitField = Annotated[Limit, PlainValidator(Limit.parse), PlainSerializer(str)]
DurationField = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(lambda length: f"{length.total_seconds():g}s")
]
DurationsField = Annotated[tuple[timedelta, ...], BeforeValidator(_durations), PlainSerializer(_shown)]
