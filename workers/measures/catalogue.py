"""Every measure, defined once: what it is called, what it tells, how it is computed, which way is better.

Names, meanings and formulas for people stand in `templates/measures.<locale>.json`, by key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from models.vocabulary import Dimension


class Unit(StrEnum):
    """What a value is counted in. Seconds are shown as time, a share (0…1) as per cent, a score is 1…5."""

    SECONDS = "seconds"
    COUNT = "count"
    SHARE = "share"
    SCORE = "score"


class Better(StrEnum):
    """Which direction is the better one; `neither` where a figure only tells how much there was."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


class Moment(StrEnum):
    """By which moment a case belongs to a period."""

    RECEIVED = "received"
    RESOLVED = "resolved"
    LIMIT = "limit"
    INVITED = "invited"
    ANSWERED = "answered"
    OPENED = "opened"
    EVALUATED = "evaluated"
    WRITTEN = "written"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure. `apart`: requests of a special period are left out unless they are asked for.

    `for_agents`: agents see their own one; scores and what follows from them they never see. `family` names
    what it is computed together with.
    """

    key: str
    family: str
    unit: Unit
    better: Better
    moment: Moment
    apart: bool = True
    for_agents: bool = True

    def words(self, locale: str) -> Words:
        """What people read of it, in English unless there is a translation for `locale`."""
        return Words(**_words(locale)[self.key])


@dataclass(frozen=True, slots=True)
class Words:
    """A measure's name, its meaning in one sentence, and its formula."""

    name: str
    meaning: str
    formula: str


_LOCALES = ("en", "zh_CN")


@cache
def _words(locale: str) -> Mapping[str, Any]:
    chosen = locale if locale in _LOCALES else "en"
    text = resources.files("templates").joinpath(f"measures.{chosen}.json").read_text("utf-8")
    words: Mapping[str, Any] = json.loads(text)
    return words


_SPREAD = {
    "mean": (Unit.SECONDS, Better.LOWER),
    "median": (Unit.SECONDS, Better.LOWER),
    "p90": (Unit.SECONDS, Better.LOWER),
    "distribution": (Unit.COUNT, Better.NEITHER),
}


def _times(family: str, moment: Moment) -> list[Measure]:
    """How long something took: on the clock, and in working time."""
    return [
        Measure(f"{family}{kind}_{which}", family + kind, *_SPREAD[which], moment)
        for kind in ("", "_working")
        for which in _SPREAD
    ]


def _scores(dimension: Dimension) -> list[Measure]:
    code = dimension.value
    told = {"moment": Moment.ANSWERED, "apart": False, "for_agents": False}
    return [
        Measure(f"csat_{code}", "scores", Unit.SCORE, Better.HIGHER, **told),  # type: ignore[arg-type]  # a mix
        Measure(f"low_{code}", "scores", Unit.SHARE, Better.LOWER, **told),  # type: ignore[arg-type]  # a mix
    ]


_ALL = (
    Measure("requests", "received", Unit.COUNT, Better.NEITHER, Moment.RECEIVED),
    *_times("first_response", Moment.RECEIVED),
    *_times("resolution", Moment.RESOLVED),
    *(measure for dimension in Dimension for measure in _scores(dimension)),
    Measure("answers", "scores", Unit.COUNT, Better.HIGHER, Moment.ANSWERED, apart=False, for_agents=False),
)

CATALOGUE: Mapping[str, Measure] = {measure.key: measure for measure in _ALL}
"""All measures by their keys, in the order in which they are shown."""
