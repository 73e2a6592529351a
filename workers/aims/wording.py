"""A measure and a value in the reader's language."""

from __future__ import annotations

from workers.measures import CATALOGUE, Unit
from workers.text import duration_words


def measure_name(key: str, locale: str) -> str:
    """What people call a measure; its key where the catalogue no longer has it."""
    return CATALOGUE[key].words(locale).name if key in CATALOGUE else key


def value_words(key: str, value: float | None, locale: str) -> str:
    """A value of a measure: 3分22秒, 12.5 %, 4.31, 17; a dash for none."""
    if value is None or key not in CATALOGUE:
        return "–" if value is None else f"{value:g}"
    unit = CATALOGUE[key].unit
    if unit is Unit.SECONDS:
        return duration_words(value, locale)
    if unit is Unit.SHARE:
        return f"{100 * value:.1f}%" if locale.startswith("zh") else f"{100 * value:.1f} %"
    return f"{value:.2f}" if unit is Unit.SCORE else f"{value:g}"
