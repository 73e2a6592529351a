"""What differences between groups would tell: where one group is too small to be told, so is another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from workers.measures.catalogue import CATALOGUE
from workers.measures.figure import Figure, Silence
from workers.measures.making import SMALLEST_GROUP, no_value

Found = Mapping[Any, Mapping[str, Figure]]


def hide_differences(found: Found, keys: Collection[str]) -> dict[Any, dict[str, Figure]]:
    """The groups' figures; where those that are too small have together fewer answers than may be told, the
    smallest of the others is hidden as well: else the sum over all would tell the rest.
    """
    shown = {group: dict(figures) for group, figures in found.items()}
    for key in keys:
        if CATALOGUE[key].family == "scores" and key != "answers" and len(shown) > 1:
            _hide(shown, key)
    return {group: {key: _told(each) for key, each in mine.items()} for group, mine in shown.items()}


def _hide(shown: dict[Any, dict[str, Figure]], key: str) -> None:
    column = [(mine[key].cases, str(group), group) for group, mine in shown.items() if key in mine]
    hidden = sum(cases for cases, _, group in column if shown[group][key].silence is Silence.TOO_FEW)
    others = sorted(each for each in column if shown[each[2]][key].value is not None)
    while 0 < hidden < SMALLEST_GROUP and others:
        cases, _, group = others.pop(0)
        shown[group][key] = no_value(key, Silence.TOO_FEW)
        hidden += cases


def _told(figure: Figure) -> Figure:
    """How few there were is not told either."""
    return replace(figure, cases=0) if figure.silence is Silence.TOO_FEW else figure
