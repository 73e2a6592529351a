"""Policies from files and from their stored source."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from workers.calendars import Calendar, Interval, PublicHolidays, country_of
from workers.errors import PolicyError
from workers.policy.asking_checks import survey_mistakes
from workers.policy.calendar_parts import GENERAL, WEEKDAYS, HoursPart, calendar_ties
from workers.policy.document import Document
from workers.policy.limit_parts import ties
from workers.policy.mistakes import Mistake, PolicyFileError, from_fields, from_syntax
from workers.policy.policy import Policy
from workers.policy.toml_lines import Lines
from workers.policy.toml_lines import Path as Place

READY_MADE = ("support-response", "response-tracking", "after-sales")
_LARGEST = 1_000_000


def ready_made_folder() -> Path:
    """Where the ready-made policies lie: inside an installed package, or `ops/policies` of a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "ready_made"
    return installed if installed.is_dir() else here.parent.parent / "ops" / "policies"


def load_policy(path_or_name: str | Path, *, zone: str | None = None, locale: str | None = None) -> Policy:
    """Reads a policy by the name of a ready-made one, or from a TOML file.

    `zone` and `locale` replace those of the file (the team's own, from the settings); the replacement also
    stands in `version_text`. Raises PolicyError, with file, line and hint for mistakes inside the file.
    """
    path = ready_made_folder() / f"{path_or_name}.toml" if path_or_name in READY_MADE else Path(path_or_name)
    try:
        raw = path.read_bytes()
    except OSError as problem:
        hint = f"give the path of a TOML file, or one of {', '.join(READY_MADE)}"
        raise PolicyError(f"the policy {path_or_name} cannot be read: {problem.strerror}", hint) from problem
    if len(raw) > _LARGEST:
        raise PolicyError(f"{path} is larger than {_LARGEST} bytes and surely no policy")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        raise PolicyFileError(str(path), [Mistake(line, "not UTF-8", "save the file as UTF-8")]) from problem
    for key, value in (("zone", zone), ("locale", locale)):
        if value is not None:
            text = _with_line(text, key, value)
    return parse_policy(text, source=str(path))


def parse_policy(text: str, source: str = "policy") -> Policy:
    """Reads a policy from its TOML text; `source` names it in errors. Raises PolicyError."""
    # One form of line ends, so that the same file saved on Windows is stored as the same source.
    text = text.replace("\r\n", "\n")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise from_syntax(problem, source, text) from problem
    try:
        document = Document.model_validate(data)
    except ValidationError as problem:
        raise from_fields(problem, source, text, data, Document) from problem
    lines = Lines(text)
    made = {name: _Made.of(name, part, zone) for name, part, zone in _calendars(document)}
    if unknown := [each for each in made.values() if each.unsupported]:
        hint = 'write an ISO country code like CN, DE or DE-BY, "auto", or "none"'
        raise PolicyFileError(
            source, [Mistake(lines.of(each.place), each.unsupported, hint) for each in unknown]
        )
    if wrong := [Mistake(lines.of(at), words, hint) for at, words, hint in survey_mistakes(document)]:
        raise PolicyFileError(source, wrong)
    if tied := _ties(document, text):
        raise PolicyFileError(source, tied)
    return Policy(
        document=document,
        calendar=made[GENERAL].calendar,
        digest=_digest(document),
        version_text=text,
        calendars={name: each.calendar for name, each in made.items()},
        countries_unknown=frozenset(name for name, each in made.items() if each.country_unknown),
    )


def _ties(document: Document, text: str) -> list[Mistake]:
    """Tables of limits with equal right on one request: nobody could say which of them counts."""
    lines, general = Lines(text), len(document.category_limits)
    places: list[Place] = [("category_limits", number) for number in range(general)]
    places += [("limits_for", number) for number in range(len(document.limits_for))]
    found: dict[Place, Mistake] = {}
    for earlier, later, name, priority in ties((*document.category_limits, *document.limits_for)):
        line = lines.of(places[later])
        other = lines.of(places[earlier])
        words = f"{name}, {priority.value}: this table and that of line {other} ask for as much"
        hint = (
            "both fit one request; add a table that asks for what both ask for, or take the limit out of one"
        )
        found.setdefault(places[later], Mistake(line, words, hint))
    for first, second in calendar_ties(document.calendar_for):
        place: Place = ("calendar_for", second)
        line = lines.of(("calendar_for", first))
        words = f"this table and that of line {line} ask for as much and name different calendars"
        hint = "both fit one request; add a table that asks for what both ask for"
        found.setdefault(place, Mistake(lines.of(place), words, hint))
    return list(found.values())


def _with_line(text: str, key: str, value: str) -> str:
    """The text with a top-level `key = "value"`: replaced where it stands, else put in front."""
    line = f"{key} = {json.dumps(value)}"
    top, bracket, tables = text.partition("\n[")
    changed, count = re.subn(rf"(?m)^[ \t]*{key}[ \t]*=.*$", lambda _: line, top, count=1)
    return (changed if count else f"{line}\n{top}") + bracket + tables


def _calendars(document: Document) -> Iterator[tuple[str, HoursPart, str]]:
    """Each calendar of the file: its name, its table, and the zone it is read in."""
    yield GENERAL, document.calendar, document.zone
    for name, part in document.calendars.items():
        yield name, part, part.zone or document.zone


@dataclass(frozen=True, slots=True)
class _Made:
    """A calendar, and what is wrong with its holidays: a country not known, or none found for the zone."""

    calendar: Calendar
    place: Place
    unsupported: str = ""
    country_unknown: bool = False

    @classmethod
    def of(cls, name: str, part: HoursPart, zone: str) -> _Made:
        place: Place = ("calendars", name, "holidays") if name else ("calendar", "holidays")
        country = _country(part.holidays, zone)
        wrong = country is not None and not PublicHolidays.supports(*country)
        week: dict[int, tuple[Interval, ...]] = {
            number: getattr(part.hours, day) for number, day in enumerate(WEEKDAYS)
        }
        years = frozenset(part.years_entered_by_hand)
        holidays = PublicHolidays(*country, years) if country and not wrong else None
        return cls(
            Calendar(ZoneInfo(zone), week, holidays, part.days),
            place,
            f"no public holidays are known for {part.holidays}" if wrong else "",
            part.holidays == "auto" and country is None,
        )


def _country(wanted: str, zone: str) -> tuple[str, str | None] | None:
    """The country (and region) whose holidays are kept; None: of none, or nobody knows of which."""
    if wanted == "none":
        return None
    if wanted == "auto":
        country = country_of(zone)
        return (country, None) if country and PublicHolidays.supports(country) else None
    country, _, subdivision = wanted.partition("-")
    return country, subdivision or None


def _digest(document: Document) -> str:
    content = json.dumps(document.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()
