"""A report as an XLSX workbook: a sheet of its words, then one for each table, numbers as numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from workers.reports.document import NUMBERS, Column, Kind, Plain, Report, Table
from workers.reports.saying import Saying, kind_in
from workers.tables import LONGEST_CELL

LONGEST_NAME = 31
"""Characters that the name of a sheet may have (Excel's limit)."""
FORBIDDEN = dict.fromkeys(map(ord, "[]:*?/\\'"), " ")
WIDEST = 60
FORMATS = {Kind.SHARE: "0.0%", Kind.SCORE: "0.00", Kind.SECONDS: "#,##0", Kind.COUNT: "#,##0"}


def workbook(report: Report, saying: Saying) -> bytes:
    """The workbook's bytes, the same for the same report. Times are seconds, shares are parts of 1."""
    import xlsxwriter  # 60 ms that only whoever exports needs

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(out, {**options, "strings_to_numbers": False})
    book.set_properties({"title": saying.title(report), "created": report.made_at.replace(tzinfo=None)})
    formats = {"bold": book.add_format({"bold": True}), "wrap": book.add_format({"text_wrap": True})}
    formats |= {kind: book.add_format({"num_format": text}) for kind, text in FORMATS.items()}
    _words(book.add_worksheet(_name(saying.word("summary", "report_word"), set())), report, saying, formats)
    names: set[str] = {saying.word("summary", "report_word").lower()}
    for team, table in report.tables():
        title = saying.word(table.code, "report_table")
        sheet = book.add_worksheet(_name(f"{team} {title}" if team else title, names))
        _table(sheet, table, saying, formats)
    book.close()
    return out.getvalue()


def _name(wanted: str, taken: set[str]) -> str:
    """A name that Excel takes and that no other sheet has."""
    name = " ".join(wanted.translate(FORBIDDEN).split())[:LONGEST_NAME]
    number = 2
    while name.lower() in taken:
        name = f"{name[: LONGEST_NAME - 3]} {number}"
        number += 1
    taken.add(name.lower())
    return name


def _words(sheet: Any, report: Report, saying: Saying, formats: dict[Any, Any]) -> None:
    sheet.set_column(0, 0, 100)
    for line, (text, how) in enumerate(_lines(report, saying)):
        sheet.write_string(line, 0, text[:LONGEST_CELL], formats[how])


def _lines(report: Report, saying: Saying) -> Iterator[tuple[str, str]]:
    told = saying.report(report)
    yield f"{told['title']} – {told['period']}", "bold"
    yield told["scope"], "wrap"
    for text in told["special"]:
        yield text, "wrap"
    for chapter in told["chapters"]:
        if chapter["team"]:
            yield chapter["team"], "bold"
        for part in ("changed", "worst", "todo"):
            yield saying.word(part, "report_word"), "bold"
            for each in chapter[part]:
                yield each["text"], "wrap"


def _table(sheet: Any, table: Table, saying: Saying, formats: dict[Any, Any]) -> None:
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(table.columns):
        head = saying.word(column.code, "report_head")
        if column.kind is Kind.SECONDS:
            head = f"{head} ({saying.word('in_seconds', 'report_word')})"
        sheet.write_string(0, place, head, formats["bold"])
        sheet.set_column(place, place, min(WIDEST, max(12, 2 * len(head))))
    for line, row in enumerate(table.rows, start=1):
        for place, (column, value) in enumerate(zip(table.columns, row, strict=True)):
            _cell(sheet, (line, place), column, value, kind_in(column, row), saying, formats)
    if not table.rows and table.note:
        sheet.write_string(1, 0, saying.word(table.note, "report_note"), formats["wrap"])


def _cell(
    sheet: Any, at: tuple[int, int], column: Column, value: Plain, kind: Kind, saying: Saying, formats: Any
) -> None:
    if value is None or value == "":
        return
    if kind in NUMBERS and not isinstance(value, str):
        sheet.write_number(*at, value, formats.get(kind))
    else:
        sheet.write_string(*at, saying.value(value, kind, column.group)[:LONGEST_CELL], formats["wrap"])
