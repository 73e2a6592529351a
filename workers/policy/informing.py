"""Word to customers whose request stays open (row B15): how often, and when its handler is asked for news."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, PlainSerializer, PlainValidator

from workers.calendars import Calendar
from workers.policy.fields import Part
from workers.policy.limits import DurationField, Limit

NEVER = "none"


def _every(text: object) -> Limit | None:
    return None if text in (None, NEVER) else Limit.parse(text)


Every = Annotated[
    Limit | None, PlainValidator(_every), PlainSerializer(lambda every: str(every) if every else NEVER)
]


class ProgressPart(Part):
    """`[progress]`: after how long without a word from us a customer gets a notice; `none`: never."""

    every: Every = None
    ask_before: DurationField = timedelta(hours=2)
    most: Annotated[int, Field(ge=1, le=100, strict=True)] = 10


@dataclass(frozen=True, slots=True)
class Informing:
    """The times of progress notices. Moments are UTC."""

    calendar: Calendar
    rules: ProgressPart

    def next_at(self, last_word: datetime, *, around_the_clock: bool) -> datetime | None:
        """When the customer is told next after the last word they got; None: this policy tells nothing."""
        every = self.rules.every
        if every is None:
            return None
        return every.end(self.calendar, last_word, around_the_clock=around_the_clock)

    def ask_at(self, due: datetime, *, around_the_clock: bool) -> datetime:
        """When the handler is asked for news, so that the notice has something to say."""
        before = -self.rules.ask_before
        return due + before if around_the_clock else self.calendar.add(due, before)
