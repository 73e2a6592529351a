"""A report as figures and codes: what it says is put into words when somebody reads it, in their language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from workers.measures import Period
from workers.policy.report_parts import ReportKind

Plain = str | int | float | None
FORM = 1
"""The form in which documents are kept; a later program reads older ones."""


class Kind(StrEnum):
    """What a value is: how it is written, and whether it is a number.

    A code is a word of the labels' group that its column names; a measure is a key of the catalogue, and a
    figure is what the measure in its row's first column is. A moment is ISO 8601 in UTC, a day has no time.
    """

    TEXT = "text"
    CODE = "code"
    MEASURE = "measure"
    FIGURE = "figure"
    COUNT = "count"
    SHARE = "share"
    SECONDS = "seconds"
    SCORE = "score"
    MOMENT = "moment"
    DAY = "day"


NUMBERS = frozenset({Kind.FIGURE, Kind.COUNT, Kind.SHARE, Kind.SECONDS, Kind.SCORE})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its head (a code of the labels' group `report_head`) and what stands in it.

    `page`: where the value leads in the console, with {} for it.
    """

    code: str
    kind: Kind = Kind.TEXT
    group: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, called by a code of the labels' group `report_table`.

    `note` is a code of the group `report_note`, said above it: above all why nothing stands in it. `more`
    rows were left out. `marked` are the places of rows that ask for attention. `page` leads to the whole
    list.
    """

    code: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Plain]]
    note: str = ""
    more: int = 0
    marked: Sequence[int] = ()
    page: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A value inside a sentence."""

    value: Plain
    kind: Kind = Kind.TEXT
    group: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence with its figures: a code of the labels' group `report_finding`, and what fills it.

    `bad`: it asks for attention. `page` is where in the console somebody sees more, or does something.
    """

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)
    bad: bool = False
    page: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """What is said of one team (its name), or of all together (empty)."""

    team: str
    changed: Sequence[Finding]
    worst: Sequence[Finding]
    todo: Sequence[Finding]
    tables: Sequence[Table]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report. `teams` are those it is about (none: all); `supervisor` is whose they are (a staff
    number, empty for all). `special` are special periods with how many requests of them the period has.
    """

    kind: ReportKind
    first_day: date
    last_day: date
    zone: str
    made_at: datetime
    chapters: Sequence[Chapter]
    teams: Sequence[str] = ()
    supervisor: str = ""
    special: Mapping[str, int] = field(default_factory=dict)

    @property
    def period(self) -> Period:
        """The stretch of time it tells of."""
        return Period(self.first_day, self.last_day, ZoneInfo(self.zone))

    def table(self, code: str, team: str = "") -> Table | None:
        """The table of this code in the chapter of a team, else in the first one that has it."""
        fitting = (each for each in self.chapters if not team or each.team == team)
        return next((table for each in fitting for table in each.tables if table.code == code), None)

    def tables(self) -> Iterator[tuple[str, Table]]:
        """All tables in order, each with its chapter's team."""
        for chapter in self.chapters:
            for table in chapter.tables:
                yield chapter.team, table


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON."""
    plain = asdict(report)
    plain["form"] = FORM
    plain["first_day"], plain["last_day"] = report.first_day.isoformat(), report.last_day.isoformat()
    plain["made_at"] = report.made_at.isoformat()
    return plain


def from_json(plain: Mapping[str, Any]) -> Report:
    """The report that `as_json` wrote."""
    return Report(
        kind=plain["kind"],
        first_day=date.fromisoformat(plain["first_day"]),
        last_day=date.fromisoformat(plain["last_day"]),
        zone=plain["zone"],
        made_at=datetime.fromisoformat(plain["made_at"]),
        chapters=[_chapter(each) for each in plain["chapters"]],
        teams=tuple(plain["teams"]),
        supervisor=plain["supervisor"],
        special=plain["special"],
    )


def _chapter(plain: Mapping[str, Any]) -> Chapter:
    said = {name: [_finding(each) for each in plain[name]] for name in ("changed", "worst", "todo")}
    return Chapter(team=plain["team"], tables=[_table(each) for each in plain["tables"]], **said)


def _finding(plain: Mapping[str, Any]) -> Finding:
    values = {
        name: Value(each["value"], Kind(each["kind"]), each["group"])
        for name, each in plain["values"].items()
    }
    return Finding(plain["code"], values, plain["bad"], plain["page"])


def _table(plain: Mapping[str, Any]) -> Table:
    columns = [
        Column(each["code"], Kind(each["kind"]), each["group"], each["page"]) for each in plain["columns"]
    ]
    return Table(
        code=plain["code"],
        columns=columns,
        rows=[tuple(row) for row in plain["rows"]],
        note=plain["note"],
        more=plain["more"],
        marked=tuple(plain["marked"]),
        page=plain["page"],
    )
