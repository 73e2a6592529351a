"""What stands still while the customer is waited for (挂起), how long at most, and when they are reminded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from workers.calendars import Calendar
from workers.policy.fields import Days, Part
from workers.policy.limits import DurationField, Limit, LimitField

LONGEST = Limit.parse("5wd")


class WaitingPart(Part):
    """`[waiting]`: which clocks pause. The first response never does: nobody has asked the customer yet."""

    pauses: tuple[Literal["plan", "resolution"], ...] = ()
    longest: LimitField = LONGEST
    remind_on_days: tuple[Days, ...] = ()
    at_opening_plus: DurationField = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The times of one wait for a customer. Moments are UTC."""

    calendar: Calendar
    rules: WaitingPart

    @property
    def pauses(self) -> tuple[str, ...]:
        """The clocks that stand still, as codes of `SlaClock`."""
        return self.rules.pauses

    def until(self, begun_at: datetime, *, around_the_clock: bool) -> datetime:
        """When a wait ends by itself at the latest."""
        return self.rules.longest.end(self.calendar, begun_at, around_the_clock=around_the_clock)

    def reminders_at(self, begun_at: datetime, until: datetime) -> tuple[datetime, ...]:
        """When the customer is reminded, in order: on these working days, some time after opening."""
        moments = {
            self.calendar.add(self.calendar.opening_of_working_day(begun_at, day), self.rules.at_opening_plus)
            for day in self.rules.remind_on_days
        }
        return tuple(sorted(moment for moment in moments if moment < until))
