"""One country's holidays are loaded, not those of the whole world."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import holidays


def _said(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_country_is_loaded_alone() -> None:
    """250 of them are 8 MB and half a second, in each process."""
    script = (
        "import sys\nfrom datetime import date\nfrom workers.calendars import PublicHolidays\n"
        "print(PublicHolidays.supports('CN'), PublicHolidays('CN').is_day_off(date(2025, 10, 1)))\n"
        "print([name for name in sys.modules if name.startswith('holidays.countries.')])"
    )
    assert _said(script).splitlines() == ["True True", "['holidays.countries.china']"]


def test_every_country_can_be_loaded_alone_as_the_package_has_it() -> None:
    script = (
        "import holidays\nfrom datetime import date\nfrom workers.calendars import PublicHolidays\n"
        "days = {country: [PublicHolidays(country).is_day_off(date(2025, 1, 1)),\n"
        "        *(PublicHolidays.supports(country, each) for each in (*parts[:1], 'nowhere'))]\n"
        "    for country, parts in KNOWN.items()}\n"
        "print(days)"
    )
    known = {country: list(parts) for country, parts in holidays.list_supported_countries().items()}
    expected = {
        country: [_off_by_the_package(country), *([True] if parts else []), False]
        for country, parts in known.items()
    }
    assert _said(f"KNOWN = {known!r}\n{script}") == str(expected)


def _off_by_the_package(country: str) -> bool:
    """Whether the package itself says that the first of January 2025 is off."""
    return date(2025, 1, 1) in holidays.country_holidays(country, years=2025, expand=False)
