"""A report in words: what templates, pages, files and the command line show, in one language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from workers.measures import CATALOGUE
from workers.reports.document import NUMBERS, Chapter, Column, Finding, Kind, Plain, Report, Table
from workers.reports.drawing import chart_of
from workers.text import duration_words

Word = Callable[[str, str, str], str]
"""The words for a code, of a group of labels, in a locale."""
NOTHING = "–"
CHINESE = re.compile(r"[\u2e80-\u9fff]+")
BRIEF: Mapping[str, frozenset[str]] = {
    "figures": frozenset({"measure", "now", "before", "verdict"}),
    "missed": frozenset({"ticket", "clock", "late"}),
    "types": frozenset({"category", "requests", "before", "median"}),
    "weak_links": frozenset({"phase", "share_of_time", "mean_time"}),
    "overdue_people": frozenset({"name", "missed", "first_responses", "resolutions"}),
    "reevaluations": frozenset({"number", "owner", "due", "state"}),
    "targets": frozenset({"target", "now", "goal", "standing"}),
    "csat_staff": frozenset({"name", "answers", "mean_score", "low_share"}),
}
"""The columns that a mail shows of a table, for there is room for four on a phone; all of any other table."""
BESIDE = {"ticket": "handler", "phase": "worst_ticket"}
"""What a mail says in small letters below another value, since a fourth column is too many for a phone."""
MAIN = ("figures", "response_times", "missed", "weak_links")
"""The tables that a mail shows of each of several teams."""
MOST_BRIEF = 8
"""Rows that a mail shows."""
ENDS = ("from", "to")
"""Ends of an interval: a mail says them beside their mean."""
PARTS = ("changed", "worst", "todo")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Saying:
    """Puts reports into the words of a locale, with times of a zone. `public` begins each address."""

    def __init__(self, word: Word, locale: str, zone: ZoneInfo, public: str = "") -> None:
        self.locale = locale
        self.chinese = locale.startswith("zh")
        self._word = word
        self._zone = zone
        self._public = public.rstrip("/")

    def word(self, code: str, group: str) -> str:
        """The words for a code of a group of labels."""
        return self._word(code, group, self.locale)

    def report(self, report: Report) -> dict[str, Any]:
        """Everything the report says, as texts: what templates are told as `report`."""
        return {
            "kind": report.kind,
            "title": self.title(report),
            "period": self.period(report),
            "scope": self.scope(report),
            "made_at": self.value(report.made_at.isoformat(), Kind.MOMENT),
            "special": self._special(report),
            "words": {part: self.word(part, "report_word") for part in PARTS},
            "chapters": [self._chapter(each, len(report.chapters) == 1) for each in report.chapters],
            "url": self.address("/console/reports"),
        }

    def title(self, report: Report) -> str:
        """Weekly report, Monthly report, Quarterly report."""
        return self.word(report.kind, "report_title")

    def scope(self, report: Report) -> str:
        """Whose figures: names of teams, or all teams."""
        joined = ("、" if self.chinese else ", ").join(report.teams)
        return joined or self.word("all_teams", "report_word")

    def period(self, report: Report) -> str:
        """The days: 16–22 Nov 2026, Nov 2026, Q4 2026."""
        first, last = report.first_day, report.last_day
        if report.kind == "quarterly":
            quarter = (first.month + 2) // 3
            return f"{first.year}年第{quarter}季度" if self.chinese else f"Q{quarter} {first.year}"
        if report.kind == "monthly":
            return (
                f"{first.year}年{first.month}月"
                if self.chinese
                else f"{MONTHS[first.month - 1]} {first.year}"
            )
        if self.chinese:
            return f"{first.year}年{self._day(first)}至{self._day(last)}"
        begins = self._day(first) + (f" {first.year}" if first.year != last.year else "")
        return f"{begins} – {self._day(last)} {last.year}"

    def value(self, value: Plain, kind: Kind, group: str = "") -> str:
        """One value in words; a dash where there is none."""
        if value is None or value == "":
            return NOTHING
        if isinstance(value, str):
            return self._text(value, kind, group)
        if kind is Kind.SECONDS:
            return duration_words(value, self.locale)
        if kind is Kind.SHARE:
            return f"{value * 100:.1f} %".replace(".0 %", " %")
        if kind is Kind.SCORE:
            return f"{value:.2f}"
        return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"

    def address(self, page: str) -> str:
        """The whole address of a page of the console; nothing while no public address is known."""
        return f"{self._public}{page}" if self._public and page else ""

    def _text(self, value: str, kind: Kind, group: str) -> str:
        if kind is Kind.CODE:
            return self.word(value, group)
        if kind is Kind.MEASURE:
            return self._measure(value)
        if kind is Kind.MOMENT:
            local = datetime.fromisoformat(value).astimezone(self._zone)
            return f"{self._day(local.date())} {local:%H:%M}"
        return self._day(date.fromisoformat(value)) if kind is Kind.DAY else value

    def _measure(self, key: str) -> str:
        """A measure's name; the English one without its Chinese term, which Latin fonts do not have."""
        name = CATALOGUE[key].words(self.locale).name if key in CATALOGUE else key
        return name if self.chinese else " ".join(CHINESE.sub("", name).split())

    def _day(self, day: date) -> str:
        return f"{day.month}月{day.day}日" if self.chinese else f"{day.day} {MONTHS[day.month - 1]}"

    def _special(self, report: Report) -> list[str]:
        said = self.word("special_period", "report_word")
        return [
            said.replace("{label}", label).replace("{count}", f"{count:,}")
            for label, count in report.special.items()
        ]

    def _chapter(self, chapter: Chapter, alone: bool) -> dict[str, Any]:
        return {
            "team": chapter.team,
            **{name: [self.finding(each) for each in getattr(chapter, name)] for name in PARTS},
            "tables": [self.table(each, brief=alone or each.code in MAIN) for each in chapter.tables],
        }

    def finding(self, finding: Finding) -> dict[str, Any]:
        """A sentence, whether it asks for attention, and where it leads."""
        text = self.word(finding.code, "report_finding")
        for name, each in finding.values.items():
            text = text.replace("{" + name + "}", self.value(each.value, each.kind, each.group))
        return {"text": text, "bad": finding.bad, "url": self.address(finding.page), "page": finding.page}

    def table(self, table: Table, *, brief: bool = True) -> dict[str, Any]:
        """A table: heads, rows of texts, what is said above and below it, and its chart if it has one.

        `brief` marks what a mail shows of it: mails of more than 100 KB are cut off by their readers.
        """
        note = self.word(table.note, "report_note") if table.note else ""
        more = self.word("more", "report_word").replace("{count}", f"{table.more:,}") if table.more else ""
        return {
            "code": table.code,
            "brief": brief,
            "title": self.word(table.code, "report_table"),
            "note": note,
            "heads": [
                {
                    "text": self.word(each.code, "report_head"),
                    "number": each.kind in NUMBERS,
                    "brief": is_brief(table, each),
                }
                for each in table.columns
            ],
            "rows": [
                {
                    "cells": self._cells(table, row),
                    "marked": place in table.marked,
                    "brief": place < MOST_BRIEF or table.code == MAIN[0],
                }
                for place, row in enumerate(table.rows)
            ],
            "more": more,
            "url": self.address(table.page),
            "page": table.page,
            "chart": chart_of(table, self),
        }

    def _cells(self, table: Table, row: Sequence[Plain]) -> list[dict[str, Any]]:
        values = {column.code: value for column, value in zip(table.columns, row, strict=True)}
        ends = [self.value(values[each], Kind.SCORE) for each in ENDS if values.get(each) is not None]
        beside = {"mean_score": "–".join(ends), **{at: values.get(what) for at, what in BESIDE.items()}}
        cells = []
        for column in table.columns:
            value = values[column.code]
            page = column.page.replace("{}", quote(str(value), safe="")) if value and column.page else ""
            cells.append(
                {
                    "text": self.value(value, kind_in(column, row), column.group),
                    "number": column.kind in NUMBERS,
                    "code": column.kind is Kind.CODE,
                    "brief": is_brief(table, column),
                    "aside": beside.get(column.code) or "",
                    "url": self.address(page),
                    "page": page,
                }
            )
        return cells


def is_brief(table: Table, column: Column) -> bool:
    """Whether a mail shows this column."""
    shown = BRIEF.get(table.code)
    return column.code not in ENDS if shown is None else column.code in shown


def kind_in(column: Column, row: Sequence[Plain]) -> Kind:
    """What the value of a column is in this row: a figure is what its measure is."""
    if column.kind is not Kind.FIGURE:
        return column.kind
    return Kind(CATALOGUE[str(row[0])].unit) if row[0] in CATALOGUE else Kind.COUNT
