"""Quiet hours: the part of the customer's day in which they are not asked for a rating."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import PlainSerializer, PlainValidator

NEVER = "none"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `end` by the customer's wall clock, over midnight where `end` is the earlier one."""

    text: str
    start: time = time(0)
    end: time = time(0)

    @classmethod
    def parse(cls, text: object) -> QuietHours:
        """Reads `21:00-09:00`, or `none`. Anything else raises ValueError."""
        if isinstance(text, QuietHours):
            return text
        words = text.strip() if isinstance(text, str) else ""
        if words == NEVER:
            return cls(NEVER)
        try:
            first, last = (time.fromisoformat(part.strip()) for part in words.replace("–", "-").split("-"))
        except ValueError as problem:
            raise ValueError(f'{text!r} are no quiet hours; write 21:00-09:00, or "{NEVER}"') from problem
        if first == last or first.tzinfo or last.tzinfo:
            raise ValueError(f"{text!r} are no quiet hours; they begin and end at different times of the day")
        return cls(words, first, last)

    def over_at(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """When the quiet hours that `at` lies in are over in `zone` (UTC); None outside of them."""
        if self.start == self.end:
            return None
        local = at.astimezone(zone)
        overnight = self.end < self.start
        clock = local.time()
        quiet = clock >= self.start or clock < self.end if overnight else self.start <= clock < self.end
        if not quiet:
            return None
        day = local.date() + timedelta(days=1) if overnight and clock >= self.start else local.date()
        return datetime.combine(day, self.end, zone).astimezone(UTC)

    def __str__(self) -> str:
        return self.text


QuietField = Annotated[QuietHours, PlainValidator(QuietHours.parse), PlainSerializer(str)]
