"""Public holidays and make-up days 调休 from the `holidays` package (https://holidays.readthedocs.io).

China and some other countries decree once a year which weekends are worked so that a holiday becomes
longer. The package keeps those decrees in `special_public_holidays` (year → entries; an entry of four or five
items is a day off with the weekend day that is worked for it) and offers the worked weekend days as
`weekend_workdays`. A year later than the newest decree is therefore *not published*: only the holidays fixed
by law are used there, without guessing at moved days, and `years_without_data` names the year.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import date
from importlib import resources
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from holidays import HolidayBase

# Countries whose government moves working days by decree every year (as kept by holidays 0.109; countries
# that have given the habit up, like Bulgaria, Ukraine or Taiwan, are left out on purpose).
DECREED_YEARLY = frozenset({"AZ", "BY", "CN", "HU", "KG", "KZ", "LV", "RU", "UZ", "VN"})

_Year = tuple[frozenset[date], frozenset[date]]


class HolidaySource(Protocol):
    """Port: which days are off, which weekend days are worked, and for which years nobody knows yet."""

    def is_day_off(self, day: date) -> bool:
        """True on a public holiday."""
        ...

    def is_make_up_day(self, day: date) -> bool:
        """True on a weekend day that is worked in exchange for a day off."""
        ...

    def has_data(self, year: int) -> bool:
        """False when the holidays of that year have not been published, or are only estimated."""
        ...


@dataclass(frozen=True)
class PublicHolidays:
    """The public holidays of a country (ISO 3166 code) and, if given, of one of its subdivisions.

    `confirmed_years` are years whose moved days the team has entered by hand, so that they are not reported.
    """

    country: str
    subdivision: str | None = None
    confirmed_years: frozenset[int] = frozenset()
    _years: dict[int, _Year] = field(default_factory=dict, init=False, repr=False, compare=False)

    @staticmethod
    def supports(country: str, subdivision: str | None = None) -> bool:
        """Whether the package knows the country (and subdivision)."""
        package = _package()
        if country not in package.registry.EntityLoader.get_country_codes():
            return False
        return subdivision is None or subdivision in getattr(package, country).subdivisions

    def is_day_off(self, day: date) -> bool:
        return day in self._year(day.year)[0]

    def is_make_up_day(self, day: date) -> bool:
        return day in self._year(day.year)[1]

    def has_data(self, year: int) -> bool:
        if year in self.confirmed_years:
            return True
        table = self._table(year)
        return self._published(table, year) and not any("estimated" in name for name in table.values())

    def _year(self, year: int) -> _Year:
        known = self._years.get(year)
        if known is None:
            table = self._table(year)
            if not self._published(table, year):
                table = self._table(year, observed=False)
            worked = frozenset(day for day in table.weekend_workdays if day.year == year)
            known = self._years[year] = (frozenset(table) - worked, worked)
        return known

    def _published(self, table: HolidayBase, year: int) -> bool:
        if self.country in DECREED_YEARLY:
            decreed = _decreed_years(table)
            return bool(decreed) and min(decreed) <= year <= max(decreed)
        return table.start_year <= year <= table.end_year

    def _table(self, year: int, *, observed: bool = True) -> HolidayBase:
        factory = _package().country_holidays
        language = "en_US" if "en_US" in factory(self.country).supported_languages else None
        table: HolidayBase = factory(
            self.country,
            subdiv=self.subdivision,
            years=year,
            expand=False,
            observed=observed,
            language=language,
        )
        return table


def _decreed_years(table: HolidayBase) -> set[int]:
    decrees: dict[int, Any] = getattr(table, "special_public_holidays", {})
    years = set()
    for year, entries in decrees.items():
        # A year with one single entry holds that entry itself, not a tuple of entries.
        several = entries if isinstance(entries[0], tuple) else (entries,)
        if any(len(entry) > 3 for entry in several):
            years.add(year)
    return years


def _package() -> Any:
    # Imported on first use: it costs 3 MB, and a policy without holidays never needs it.
    import holidays

    _spare_other_countries()
    return holidays


def _spare_other_countries() -> None:
    """Let a country be loaded alone. The package's folder of countries loads all 250 of them with the first
    (8 MB, half a second), only so that they can be imported from there by name, which nobody does.
    """
    folder = "holidays.countries"
    if folder not in sys.modules:
        spec = find_spec(folder)
        assert spec is not None
        sys.modules[folder] = module_from_spec(spec)


def country_of(zone: str) -> str | None:
    """The country (ISO 3166) a time zone lies in, by the tz database's `zone.tab`; None for UTC and links."""
    table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    for line in table.splitlines():
        fields = line.split("\t")
        if not line.startswith("#") and len(fields) >= 3 and fields[2] == zone:
            return fields[0]
    return None
