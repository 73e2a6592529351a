"""Whose calendar counts: that of the team, the customer or the channel, where a policy names several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from models.vocabulary import Priority
from workers.calendars import Calendar
from workers.policy.calendar_parts import GENERAL, calendar_of
from workers.policy.desk import Desk
from workers.policy.limit_parts import Case


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Hours(Desk):
    """A policy's calendars. `calendar`, that of `calendar_name`, is the one it goes by just now."""

    calendar: Calendar
    calendars: Mapping[str, Calendar]
    countries_unknown: frozenset[str] = frozenset()
    calendar_name: str = GENERAL
    _views: dict[str, Any] = field(default_factory=dict, repr=False)

    def for_case(self, about: Case | Priority) -> Self:
        """The same policy going by the calendar that holds for a case; itself for a bare priority."""
        if isinstance(about, Priority) or not self.document.calendar_for:
            return self
        return self._going_by(calendar_of(self.document.calendar_for, about))

    def for_team(self, team: str) -> Self:
        """The same policy going by the calendar of a team, whatever its requests are about."""
        return self.for_case(Case(self.default_priority, team=team))

    def _going_by(self, name: str) -> Self:
        if name == self.calendar_name:
            return self
        known: Self | None = self._views.get(name)
        if known is None:
            known = self._views[name] = replace(self, calendar=self.calendars[name], calendar_name=name)
        return known

    def around_the_clock(self, priority: Priority) -> bool:
        """Whether nights and weekends count for this priority."""
        return priority in self.served_around_the_clock

    @property
    def served_around_the_clock(self) -> tuple[Priority, ...]:
        """The priorities for which nights and weekends count."""
        own = self.document.calendars.get(self.calendar_name)
        general = self.document.calendar.around_the_clock
        return general if own is None or own.around_the_clock is None else own.around_the_clock

    def notices(self, from_year: int, to_year: int) -> tuple[str, ...]:
        """What an administrator should know about this policy: years without published holidays, mainly."""
        return tuple(
            f"calendar {name}: {words}" if name else words
            for name, words in self.calendar_notices(from_year, to_year)
        )

    def calendar_notices(self, from_year: int, to_year: int) -> Iterator[tuple[str, str]]:
        """What is lacking in each calendar, by its name (GENERAL: that of `[calendar]`)."""
        for name, calendar in self.calendars.items():
            if name in self.countries_unknown:
                zone = calendar.zone.key
                yield name, f"no country is known for time zone {zone}, so no public holidays are kept"
            for year in calendar.years_without_data(from_year, to_year):
                yield name, f"the public holidays and make-up days of {year} are not published yet"
