"""What a chart shows: names, figures, their unit; and the same as words for a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypedDict, Unpack

from workers.charts.fonts import ANY, Fonts
from workers.charts.units import Unit, words_of
from workers.errors import InvalidInput
from workers.text import one_line

MOST_LABELS = 120
MOST_BARS = 30
MOST_SERIES = 4
LONGEST = 120
"""Characters of a name that are kept; drawings shorten it further to the room there is."""


class Kind(StrEnum):
    """How the figures are drawn."""

    BARS = "bars"
    LINES = "lines"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Series:
    """Figures that belong together, one for each label; None: there is none, or too few to say.

    `texts` are the words for each figure where the unit's own do not do ("3.2 ± 0.4", "too few"); an empty
    one means the unit's own.
    """

    name: str
    values: Sequence[float | None]
    texts: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart; make it with `bars`, `lines` or `histogram`.

    `unit` says what a figure is, `locale` in which language it is said. From `highlight` on a figure is
    marked (by a sign, not by colour alone) and a line stands there. `head` names what the labels are,
    `summary` says in a sentence what there is to see; both for who reads the table or listens. `notes` are a
    last column of the table alone, under `notes_head`: how many a figure was computed from.
    """

    kind: Kind
    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    unit: Unit = Unit.COUNT
    locale: str = "en"
    highlight: float | None = None
    head: str = ""
    summary: str = ""
    notes: Sequence[str] = ()
    notes_head: str = ""

    @property
    def blank(self) -> bool:
        """Whether there is no figure to draw."""
        return all(value is None for each in self.series for value in each.values)

    def marked(self, value: float | None) -> bool:
        """Whether this figure has reached the mark."""
        return value is not None and self.highlight is not None and value >= self.highlight

    def text(self, series: Series, place: int) -> str:
        """The words for one figure; nothing where there is none."""
        own = series.texts[place] if place < len(series.texts) else ""
        if own:
            return own
        value = series.values[place]
        return "" if value is None else words_of(value, self.unit, self.locale)

    def table(self) -> list[list[str]]:
        """All figures in words: a row for each label, its name first; heads come from `heads`."""
        return [
            [label, *(self.text(each, place) for each in self.series), *self.notes[place : place + 1]]
            for place, label in enumerate(self.labels)
        ]

    def heads(self) -> list[str]:
        """The heads of the table's columns."""
        return [self.head, *(each.name for each in self.series), *([self.notes_head] if self.notes else [])]

    def to_svg(self, ident: str = "chart", width: int = 360) -> str:
        """The chart as an SVG element for a page of ours; "" where there is nothing to draw.

        It has no style, no script and no address in it; classes get their look from the page's stylesheet.
        `ident` is its id on the page (letters, figures, dashes), `width` its own units: text is 12 high.
        """
        if self.blank:
            return ""
        from workers.charts.drawing import draw
        from workers.charts.element import as_element

        return as_element(draw(self, width), title=self.title, summary=self.summary, ident=ident)

    def to_png(self, width: int = 560, fonts: Fonts = ANY) -> bytes | None:
        """The chart as a picture for mails, of twice `width` pixels; None where there is nothing to draw.

        Words for which this machine has no font become the number of their row in the table (#1, #2): a mail
        shows the table beside the picture.
        """
        if self.blank:
            return None
        from workers.charts.picture import as_png

        return as_png(self, width, fonts)


class Said(TypedDict, total=False):
    """What may be said of a chart beside its figures; see `Chart`."""

    unit: Unit
    locale: str
    highlight: float | None
    head: str
    summary: str
    notes: Sequence[str]
    notes_head: str


def bars(title: str, labels: Sequence[str], series: Sequence[Series], **said: Unpack[Said]) -> Chart:
    """Lying bars, for things that are compared: the first label on top, at most 30. Raises InvalidInput."""
    return _chart(Kind.BARS, title, labels[:MOST_BARS], series, said)


def lines(title: str, labels: Sequence[str], series: Sequence[Series], **said: Unpack[Said]) -> Chart:
    """Lines over time, at most 120 points, four lines; a gap where a value is None. Raises InvalidInput."""
    return _chart(Kind.LINES, title, labels, series, said)


def histogram(title: str, labels: Sequence[str], series: Sequence[Series], **said: Unpack[Said]) -> Chart:
    """How often each of some ranges (at most 30) occurred. Raises InvalidInput.

    Bars stand where there is room for their labels, else they lie.
    """
    return _chart(Kind.HISTOGRAM, title, labels[:MOST_BARS], series, said)


def _chart(kind: Kind, title: str, labels: Sequence[str], series: Sequence[Series], said: Said) -> Chart:
    if len(labels) > MOST_LABELS or not 0 < len(series) <= MOST_SERIES:
        raise InvalidInput(
            "too much for one chart", hint=f"{MOST_LABELS} labels and {MOST_SERIES} series at most"
        )
    if any(len(each.values) < len(labels) for each in series):
        raise InvalidInput("a series of a chart has fewer figures than there are labels")
    kept = [
        Series(
            one_line(each.name, LONGEST),
            tuple(_finite(value) for value in each.values[: len(labels)]),
            tuple(one_line(text, LONGEST) for text in each.texts[: len(labels)]),
        )
        for each in series
    ]
    chart = Chart(kind=kind, title="", labels=(), series=kept, **said)
    return replace(
        chart,
        title=one_line(title, LONGEST),
        labels=tuple(one_line(label, LONGEST) for label in labels),
        head=one_line(chart.head, LONGEST),
        summary=one_line(chart.summary, 4 * LONGEST),
        notes=tuple(one_line(note, LONGEST) for note in chart.notes[: len(labels)]),
    )


def _finite(value: float | None) -> float | None:
    """The figure, but none for what is no number to draw: a measure of nothing, or less than nothing."""
    return value if value is not None and 0 <= value < float("inf") else None
