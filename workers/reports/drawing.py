"""Which tables of a report have a chart, and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from workers.charts import Chart, Series, Unit, bars, histogram
from workers.reports.document import Kind, Table

if TYPE_CHECKING:
    from workers.reports.saying import Saying

MOST_DRAWN = 12
MUCH = 0.15
"""The share of low scores that a chart marks (row D6)."""


def chart_of(table: Table, saying: Saying) -> Chart | None:
    """The chart that stands above a table; None where a chart would tell nothing, or there are no figures."""
    draw = _DRAWN.get(table.code)
    if draw is None or len(table.rows) < 2:
        return None
    chart = draw(table, saying)
    return None if chart.blank else chart


def _distribution(table: Table, saying: Saying) -> Chart:
    return histogram(
        saying.word(table.code, "report_table"),
        _labels(table, saying),
        [Series(saying.word("cases", "report_head"), _column(table, "cases"))],
        locale=saying.locale,
        head=saying.word(table.columns[0].code, "report_head"),
        summary=saying.word(table.code, "report_chart"),
    )


def _shares(column: str, highlight: float | None = None) -> Callable[[Table, Saying], Chart]:
    def draw(table: Table, saying: Saying) -> Chart:
        return bars(
            saying.word(table.code, "report_chart"),
            _labels(table, saying),
            [Series(saying.word(column, "report_head"), _column(table, column))],
            unit=Unit.PERCENT,
            locale=saying.locale,
            highlight=highlight,
            head=saying.word(table.columns[0].code, "report_head"),
            summary=saying.word(table.code, "report_chart"),
        )

    return draw


def _labels(table: Table, saying: Saying) -> list[str]:
    first = table.columns[0]
    return [saying.value(row[0], first.kind, first.group) for row in table.rows[:MOST_DRAWN]]


def _column(table: Table, code: str) -> list[float | None]:
    place = next(place for place, column in enumerate(table.columns) if column.code == code)
    assert table.columns[place].kind is not Kind.TEXT
    found = [row[place] for row in table.rows[:MOST_DRAWN]]
    return [float(value) if isinstance(value, int | float) else None for value in found]


_DRAWN: Mapping[str, Callable[[Table, Saying], Chart]] = {
    "response_times": _distribution,
    "csat_dimensions": _shares("low_share", MUCH),
    "weak_links": _shares("share_of_time"),
}
