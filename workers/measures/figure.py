"""What a computation gives: figures with what a reader needs to judge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from workers.measures.catalogue import Unit
from workers.measures.narrowing import Narrowing
from workers.measures.period import Period


class Silence(StrEnum):
    """Why a figure has no value."""

    NO_CASES = "no_cases"
    TOO_FEW = "too_few"
    NOT_FOR_AGENTS = "not_for_agents"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a figure that has several (a bucket, a type, a state): its code, how many, which share."""

    key: str
    cases: int
    share: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure, computed. `value` is in `unit` (seconds, 0…1 for a share, 1…5 for a score), None when it
    has none: `silence` says why. `cases` is how many it was computed from, 0 where that is not to be told.

    `low` and `high` are the ends of a 95 % confidence interval. `parts` are those of a distribution, in
    order. `highlighted`: it asks for attention (15 % low scores and more). `ranked`: enough cases to compare
    people or groups by it.
    """

    key: str
    unit: Unit
    value: float | None
    cases: int
    low: float | None = None
    high: float | None = None
    parts: tuple[Part, ...] = ()
    silence: Silence | None = None
    highlighted: bool = False
    ranked: bool = True

    @property
    def too_few(self) -> bool:
        """Whether it is not told since it would tell of too few people."""
        return self.silence is Silence.TOO_FEW


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one question, by the keys of the catalogue, in the order that was asked for.

    `special` are the labels of special periods and how many requests of them `period` has; figures that
    count these apart (see the catalogue) leave them out unless `narrowing.special` says otherwise.
    """

    period: Period
    narrowing: Narrowing
    items: Mapping[str, Figure]
    special: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Figure:
        return self.items[key]


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """The figures of one group. `key` is a code, a team's name, a staff number or a part of the period
    (2026-05, 2026-Q2, 2026-W07, 2026-05-14); empty: of none. `name` is a person's name, else as `key`.
    """

    key: str
    name: str
    items: Mapping[str, Figure]

    def __getitem__(self, key: str) -> Figure:
        return self.items[key]


@dataclass(frozen=True, slots=True)
class Overdue:
    """One missed limit. `late` in seconds: until it was met, or until now while it is not (`met_at` None).

    `staff` is the number of whoever has the request now or gave its result, `team` a name; both may be empty.
    """

    ticket: str
    clock: str
    staff: str
    team: str
    category: str
    priority: str
    limit_at: datetime
    met_at: datetime | None
    late: float
    special_period: str | None
