"""A chart as PNG on a light card of its own, so that it can be read in a mail that is shown dark as well."""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import tostring

from workers.charts.chart import Chart, Series
from workers.charts.drawing import draw
from workers.charts.element import plain
from workers.charts.fonts import CHINESE, LATIN, Fonts, is_wide
from workers.charts.units import words_of

FINE = 2
"""Pixels for each unit: screens of phones have two or more for each point of a mail."""
NARROWEST, WIDEST = 200, 1200
CARD = "#ffffff"
_LINES = ("#0f766e", "#74818e", "#7a3e9d", "#1d4ed8")
_BAD, _INK, _QUIET, _LINE = "#b42318", "#15202b", "#566370", "#dfe5ea"


def as_png(chart: Chart, width: int, fonts: Fonts) -> bytes:
    """The picture; `width` is brought between 200 and 1,200 units."""
    import resvg_py

    wide = min(max(width, NARROWEST), WIDEST)
    element = plain(draw(drawable(chart, fonts), wide))
    for each in element.iter("text"):
        if any(is_wide(char) for char in each.text or ""):
            each.set("class", f"{each.get('class', '')} wide".strip())
    return resvg_py.svg_to_bytes(
        svg_string=tostring(element, encoding="unicode"),
        width=wide * FINE,
        background=CARD,
        style_sheet=_style(),
        skip_system_fonts=not fonts.system,
        font_files=fonts.files(),
        font_dirs=list(fonts.folders),
    )


def drawable(chart: Chart, fonts: Fonts) -> Chart:
    """The chart in words that can be drawn here; else the row's number stands there, or English units."""
    locale = chart.locale if fonts.can_draw(words_of(3661, chart.unit, chart.locale)) else "en"
    labels = [label if fonts.can_draw(label) else f"#{at}" for at, label in enumerate(chart.labels, 1)]
    series = [
        Series(
            each.name if fonts.can_draw(each.name) else f"({at})",
            each.values,
            [text if fonts.can_draw(text) else "" for text in each.texts],
        )
        for at, each in enumerate(chart.series, 1)
    ]
    return replace(chart, labels=labels, series=series, locale=locale)


def _style() -> str:
    colours = "".join(f".color-{at}{{fill:{colour};stroke:{colour}}}" for at, colour in enumerate(_LINES))
    return (
        f"text{{font-family:{LATIN};font-size:12px;fill:{_INK};stroke:none}}.wide{{font-family:{CHINESE}}}"
        ".vertical .axis.x path.guide{display:none}"
        ".axis.x text{text-anchor:middle}.axis.y text{text-anchor:end}"
        f".axis path{{fill:none;stroke:{_LINE};stroke-width:1}}.axis text{{fill:{_QUIET}}}"
        f".axis path.major{{stroke:{_BAD};stroke-width:1.5;stroke-dasharray:5 3}}"
        f".axis path.axis{{stroke:{_QUIET};stroke-dasharray:none}}"
        ".horizontalbar-graph .value{text-anchor:start}"
        f"{colours}.line{{fill:none;stroke-width:2.5}}.serie-1 .line{{stroke-dasharray:6 4}}"
        ".serie-2 .line{stroke-dasharray:2 3}.serie-3 .line{stroke-dasharray:9 3 2 3}"
        f".marked{{fill:{_BAD};stroke:{_BAD}}}"
    )
