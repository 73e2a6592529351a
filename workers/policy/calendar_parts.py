"""The tables of a policy file that say when people work, and whose requests go by which calendar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Self

from pydantic import model_validator

from models.vocabulary import Priority
from workers.calendars.wall_clock import problem_between
from workers.policy.fields import Code, CountryCode, Hours, Part, Zone
from workers.policy.limit_parts import CONDITIONS, Case, Conditions, agree, fits

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
GENERAL = ""
"""The name of `[calendar]`, by which all requests go that no table means."""


class WeekHours(Part):
    """Opening hours of each weekday; at least one is open."""

    monday: Hours = ()
    tuesday: Hours = ()
    wednesday: Hours = ()
    thursday: Hours = ()
    friday: Hours = ()
    saturday: Hours = ()
    sunday: Hours = ()

    @model_validator(mode="after")
    def _some_day_is_open(self) -> Self:
        if not any(getattr(self, day) for day in WEEKDAYS):
            raise ValueError("at least one weekday needs opening hours")
        return self

    @model_validator(mode="after")
    def _nights_end_before_the_day(self) -> Self:
        for day, following in zip(WEEKDAYS, (*WEEKDAYS[1:], WEEKDAYS[0]), strict=True):
            if problem := problem_between(getattr(self, day), getattr(self, following)):
                raise ValueError(f"{following}: {problem}")
        return self


class HoursPart(Part):
    """What every calendar says of itself."""

    holidays: CountryCode
    years_entered_by_hand: tuple[int, ...] = ()
    hours: WeekHours
    days: dict[date, Hours] = {}


class CalendarPart(HoursPart):
    """`[calendar]`: when the team works."""

    around_the_clock: tuple[Priority, ...]


class OtherCalendar(HoursPart):
    """`[calendars.x]`: when others work. Without a `zone` it is the policy's; so are the priorities that are
    served around the clock those of `[calendar]`, unless it names its own.
    """

    zone: Zone | None = None
    around_the_clock: tuple[Priority, ...] | None = None


class CalendarFor(Conditions):
    """`[[calendar_for]]`: which requests go by another calendar. The table that asks for most wins."""

    calendar: Code

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if not self.conditions:
            raise ValueError(f"name what it is for: {', '.join(CONDITIONS)}")
        return self


def calendar_of(tables: tuple[CalendarFor, ...], case: Case) -> str:
    """The name of the calendar that a case goes by: that of the table that asks for most, else GENERAL."""
    fitting = [table for table in tables if fits(table, case)]
    best = max(fitting, key=lambda table: len(table.conditions), default=None)
    return best.calendar if best else GENERAL


def calendar_ties(tables: tuple[CalendarFor, ...]) -> Iterator[tuple[int, int]]:
    """Pairs (by their places, the earlier first) that would give one request two calendars with equal right.

    A third table that asks for what both ask for settles it.
    """
    for later, table in enumerate(tables):
        for earlier, other in enumerate(tables[:later]):
            both: Mapping[str, str] = {**table.conditions, **other.conditions}
            equal = len(table.conditions) == len(other.conditions)
            if not equal or table.calendar == other.calendar or not agree(table, other):
                continue
            if not any(
                len(third.conditions) > len(table.conditions) and third.conditions.items() <= both.items()
                for third in tables
            ):
                yield earlier, later
