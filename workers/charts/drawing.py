"""A chart as pygal draws it: bars, lines or ranges, with the axis that fits the unit.

pygal (https://www.pygal.org/en/stable/documentation/configuration/) lays out; what it draws is cut down to
plain shapes by `element.py`, and gets its look from a stylesheet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from workers.charts.chart import Chart, Kind, Series
from workers.charts.fonts import NARROW, fitting, width_of
from workers.charts.library import pygal
from workers.charts.units import SCORES, Unit, steps, words_of

TEXT = 12
"""Height of all text, in the chart's own units."""
MARK = " !"
"""Stands after a figure that has reached the mark."""
_GAP = 10
_LABEL_SHARE = 0.4
_WHOLE = 11
"""Letters of a label that are kept under a line: a whole day. Rather fewer labels than cut ones."""
_PYGAL = 0.6
"""pygal takes each character for this many heights wide."""


def draw(chart: Chart, width: int) -> Element:
    """The chart as pygal's tree of SVG elements, `width` units wide."""
    draws: dict[Kind, Callable[[Chart, int], Any]] = {
        Kind.BARS: _bars,
        Kind.LINES: _lines,
        Kind.HISTOGRAM: _histogram,
    }
    drawn = draws[chart.kind](chart, width)
    tree: Element = drawn.render_tree()
    return tree


def _bars(chart: Chart, width: int) -> Any:
    # Lying bars are counted from below.
    labels = [fitting(label, TEXT, width * _LABEL_SHARE) for label in reversed(chart.labels)]
    texts = [
        _printed(chart, each, place)
        for each in chart.series
        for place, value in enumerate(each.values)
        if value is not None  # others stand where there is no bar
    ]
    left = max(width_of(label, TEXT) for label in labels)
    room = max(width - left - 4 * _GAP, TEXT)
    beside = min(max(width_of(text, TEXT) for text in texts) + _GAP, 0.6 * room)
    high = _highest(chart)
    thick = 22 if len(chart.series) == 1 else 18 * len(chart.series)
    drawn = pygal().HorizontalBar(
        **_config(chart, width, 2 * _GAP + TEXT + thick * len(labels) + _legend_height(chart)),
        x_labels=labels,
        range=(0, high / (1 - beside / room)),
        print_values=True,
        print_values_position="top",
        margin_left=_GAP / 2 + max(0, left - _PYGAL * TEXT * max(len(label) for label in labels)),
        margin_right=_GAP,
    )
    _mark_axis(drawn, chart, high, near=0.3)
    for each in chart.series:
        drawn.add(each.name, list(reversed(_points(chart, each))))
    return drawn


def _lines(chart: Chart, width: int) -> Any:
    drawn = pygal().Line(
        **_config(chart, width, 190 + _legend_height(chart)),
        **_thinned(chart.labels, width),
        range=SCORES if chart.unit is Unit.SCORE else (0, _highest(chart)),
        dots_size=3,
        allow_interruptions=True,
        margin_left=_beside_marks(chart),
        margin_right=2 * _GAP,
    )
    _mark_axis(drawn, chart, _highest(chart))
    for each in chart.series:
        drawn.add(each.name, _points(chart, each))
    return drawn


def _histogram(chart: Chart, width: int) -> Any:
    high = _highest(chart)
    room = (width - 5 * _GAP) / max(len(chart.labels), 1)
    words = [*chart.labels, *(_printed(chart, chart.series[0], at) for at in range(len(chart.labels)))]
    if len(chart.series) > 1 or any(width_of(each, TEXT) + _GAP / 2 > room for each in words):
        return _bars(chart, width)
    drawn = pygal().Bar(
        **_config(chart, width, 190),
        x_labels=list(chart.labels),
        range=(0, high * 1.12),
        print_values=True,
        print_values_position="top",
        margin_left=_beside_marks(chart),
        margin_right=_GAP,
    )
    _mark_axis(drawn, chart, high)
    drawn.add(chart.series[0].name, _points(chart, chart.series[0]))
    return drawn


def _config(chart: Chart, width: int, height: float) -> dict[str, Any]:
    """What all kinds have in common. Nothing of it comes from users but names."""
    style = pygal().style.Style(
        label_font_size=TEXT, major_label_font_size=TEXT, value_font_size=TEXT, legend_font_size=TEXT
    )
    return {
        "width": width,
        "height": int(height),
        "style": style,
        "js": [],
        "margin": _GAP / 2,
        "margin_bottom": _GAP / 2,
        "spacing": 6,
        "show_legend": len(chart.series) > 1,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 1,
        "legend_box_size": TEXT,
        "truncate_legend": -1,
        "truncate_label": -1,
        "disable_xml_declaration": True,
    }


def _legend_height(chart: Chart) -> int:
    return 26 * len(chart.series) if len(chart.series) > 1 else 0


def _highest(chart: Chart) -> float:
    """What the axis reaches: the largest figure, the mark where there is one."""
    if chart.unit is Unit.SCORE:
        return SCORES[1]
    values = [value for each in chart.series for value in each.values if value is not None]
    return max([*values, chart.highlight or 0]) or 1.0


def _points(chart: Chart, series: Series) -> list[dict[str, Any] | None]:
    return [_point(chart, series, place, value) for place, value in enumerate(series.values)]


def _point(chart: Chart, series: Series, place: int, value: float | None) -> dict[str, Any] | None:
    words = _printed(chart, series, place)
    if value is None:
        # A bar of no length lets its words be read: too few to say.
        return {"value": 0, "formatter": _always(words)} if words and chart.kind is Kind.BARS else None
    marked = {"node": {"class": "reactive marked"}} if chart.marked(value) else {}
    return {"value": value, "formatter": _always(words), **marked}


def _always(words: str) -> Callable[[Any], str]:
    return lambda _value: words


def _printed(chart: Chart, series: Series, place: int) -> str:
    words = chart.text(series, place)
    return words + MARK if chart.marked(series.values[place]) else words


def _mark_axis(drawn: Any, chart: Chart, high: float, near: float = 0.12) -> None:
    """Marks at round figures; the one from which figures are marked has its own line.

    `near`: which share of the axis is too near to it for another mark.
    """
    at = [*steps(high, chart.unit)]
    if chart.highlight is not None:
        at = sorted([*(each for each in at if abs(each - chart.highlight) > near * high), chart.highlight])
        drawn.y_labels_major = [chart.highlight]
    else:
        drawn.y_labels_major = [-1]  # none: left alone, pygal chooses some
    drawn.y_labels = [{"value": each, "label": _mark(each, chart)} for each in at]


def _mark(value: float, chart: Chart) -> str:
    return f"{value:g}" if chart.unit is Unit.SCORE else words_of(value, chart.unit, chart.locale)


def _beside_marks(chart: Chart) -> float:
    """Room left of the axis that pygal does not see: Chinese characters are wider than it takes them for."""
    words = [_mark(each, chart) for each in steps(_highest(chart), chart.unit)]
    missing = max(width_of(each, TEXT) - _PYGAL * TEXT * len(each) for each in words)
    return _GAP / 2 + max(0.0, missing)


def _thinned(labels: Sequence[str], width: int) -> dict[str, Any]:
    """Labels under the figures; where they would touch only every other one is written, or fewer."""
    room = (width - 6 * _GAP) / max(len(labels), 1)
    cut = [fitting(label, TEXT, max(room, _WHOLE * TEXT * NARROW)) for label in labels]
    widest = max((width_of(label, TEXT) for label in cut), default=0) + _GAP / 2
    every = max(1, -(-int(widest) // max(int(room), 1)))
    return {"x_labels": [label if place % every == 0 else "" for place, label in enumerate(cut)]}
