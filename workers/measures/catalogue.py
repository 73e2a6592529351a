"""Every measure, defined once: what it is called, what it tells, how it is computed, which way is better.

Names, meanings and formulas for people stand in `templates/measures.<locale>.json`, by key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
        return Words(**_words(locale if locale in _LOCALES else _LOCALES[0])[self.key])


@dataclass(frozen=True, slots=True)
class Words:
    """A measure's name, its meaning in one sentence, and its formula."""

    name: str
    meaning: str
    formula: str


_LOCALES = ("en", "zh_CN")


@cache
def _words(locale: str) -> Mapping[str, Any]:
    text = resources.files("templates").joinpath(f"measures.{locale}.json").read_text("utf-8")
    words: Mapping[str, Any] = json.loads(text)
    return words


_SPREAD = {
    "mean": (Unit.SECONDS, Better.LOWER),
    "median": (Unit.SECONDS, Better.LOWER),
    "p90": (Unit.SECONDS, Better.LOWER),
    "distribution": (Unit.COUNT, Better.NEITHER),
}


def _times(family: str, moment: Moment, kinds: Sequence[str] = ("", "_working")) -> list[Measure]:
    """How long something took: on the clock, and in working time."""
    return [
        Measure(f"{family}{kind}_{which}", family + kind, *_SPREAD[which], moment)
        for kind in kinds
        for which in _SPREAD
    ]


def _overdue(clock: str) -> Measure:
    return Measure(f"overdue_{clock}", "overdue", Unit.SHARE, Better.LOWER, Moment.LIMIT)


def _care(key: str, family: str, unit: Unit, better: Better, moment: Moment) -> Measure:
    """What is not judged by limits that a special period relaxes, and not for those who are judged by it."""
    return Measure(key, family, unit, better, moment, apart=False, for_agents=False)


def _scores(dimension: Dimension) -> list[Measure]:
    code = dimension.value
    return [
        _care(f"csat_{code}", "scores", Unit.SCORE, Better.HIGHER, Moment.ANSWERED),
        _care(f"low_{code}", "scores", Unit.SHARE, Better.LOWER, Moment.ANSWERED),
    ]


_ALL = (
    Measure("requests", "received", Unit.COUNT, Better.NEITHER, Moment.RECEIVED),
    Measure("top_types", "types", Unit.COUNT, Better.NEITHER, Moment.RECEIVED),
    Measure("unanswered", "received", Unit.COUNT, Better.LOWER, Moment.RECEIVED),
    *_times("first_response", Moment.RECEIVED),
    Measure("unaccepted", "received", Unit.COUNT, Better.LOWER, Moment.RECEIVED),
    *_times("acceptance", Moment.RECEIVED, ("",)),
    Measure("results", "results", Unit.COUNT, Better.NEITHER, Moment.RESOLVED),
    *_times("resolution", Moment.RESOLVED),
    Measure("one_contact", "results", Unit.SHARE, Better.HIGHER, Moment.RESOLVED),
    Measure("reopened", "received", Unit.SHARE, Better.LOWER, Moment.RECEIVED),
    Measure("transfers", "transfers", Unit.COUNT, Better.LOWER, Moment.RECEIVED),
    Measure("handed_on", "received", Unit.SHARE, Better.LOWER, Moment.RECEIVED),
    Measure("urgings", "received", Unit.COUNT, Better.LOWER, Moment.RECEIVED),
    Measure("urged", "received", Unit.SHARE, Better.LOWER, Moment.RECEIVED),
    Measure("overdue_requests", "received", Unit.SHARE, Better.LOWER, Moment.RECEIVED),
    *(_overdue(clock) for clock in ("first_response", "acceptance", "plan", "resolution")),
    *(measure for dimension in Dimension for measure in _scores(dimension)),
    _care("answers", "scores", Unit.COUNT, Better.HIGHER, Moment.ANSWERED),
    _care("surveys", "surveys", Unit.COUNT, Better.NEITHER, Moment.INVITED),
    _care("response_rate", "surveys", Unit.SHARE, Better.HIGHER, Moment.INVITED),
    _care("followups", "followups", Unit.COUNT, Better.NEITHER, Moment.OPENED),
    _care("followups_in_time", "followups", Unit.SHARE, Better.HIGHER, Moment.OPENED),
    _care("followup_causes", "followups", Unit.COUNT, Better.NEITHER, Moment.OPENED),
    _care("reevaluations_met", "evaluations", Unit.SHARE, Better.HIGHER, Moment.EVALUATED),
    _care("messages", "messages", Unit.COUNT, Better.NEITHER, Moment.WRITTEN),
    _care("messages_by_state", "messages", Unit.COUNT, Better.NEITHER, Moment.WRITTEN),
    _care("messages_by_reason", "messages", Unit.COUNT, Better.NEITHER, Moment.WRITTEN),
    _care("delivery_median", "delays", Unit.SECONDS, Better.LOWER, Moment.WRITTEN),
    _care("delivery_p90", "delays", Unit.SECONDS, Better.LOWER, Moment.WRITTEN),
)

CATALOGUE: Mapping[str, Measure] = {measure.key: measure for measure in _ALL}
"""All measures by their keys, in the order in which they are shown."""
