"""The tables of a policy file that set limits, for all requests or some, and what starts and meets them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, model_validator

from models.vocabulary import Category, Medium, Priority
from workers.policy.fields import Code, Part
from workers.policy.limits import Limit, LimitField

LIMITED = ("first_response", "acceptance", "plan", "resolution", "expected_resolution")
"""All that a table of limits can set."""

CONDITIONS = ("category", "customer_level", "customer_group", "team", "channel")


@dataclass(frozen=True, slots=True)
class Case:
    """What the limits of a request depend on; `team` is the name of the team that serves it.

    `reopened`: its customer has opened it once more, so `[reopening]` counts.
    """

    priority: Priority
    category: Category | None = None
    customer_level: str | None = None
    team: str | None = None
    channel: Medium | None = None
    reopened: bool = False
    customer_group: str | None = None


class Asking(Protocol):
    """A table that is for some requests only."""

    @property
    def conditions(self) -> Mapping[str, str]:
        """What it asks of a request, by the names in CONDITIONS."""
        ...


class Conditions(Part):
    """What a table asks of the requests that it is for."""

    category: Category | None = None
    customer_level: Code | None = None
    customer_group: str | None = Field(default=None, min_length=1, max_length=24)
    team: Code | None = None
    channel: Medium | None = None

    @property
    def conditions(self) -> Mapping[str, str]:
        """What it asks for, by the names in CONDITIONS."""
        asked = {name: getattr(self, name) for name in CONDITIONS}
        return {name: str(value) for name, value in asked.items() if value is not None}


class ByPriority(Part):
    """One limit for each priority."""

    urgent: LimitField
    high: LimitField
    medium: LimitField
    low: LimitField

    def of(self, priority: Priority) -> Limit:
        """The limit of one priority."""
        limit: Limit = getattr(self, priority.value)
        return limit


class SomePriorities(Part):
    """Other limits for some priorities; the others keep theirs."""

    urgent: LimitField | None = None
    high: LimitField | None = None
    medium: LimitField | None = None
    low: LimitField | None = None

    def of(self, priority: Priority) -> Limit | None:
        """The limit of one priority, if it is another one here."""
        limit: Limit | None = getattr(self, priority.value)
        return limit


class LimitsPart(Part):
    """`[limits]`: a table for each clock; all but the first response and the promise may be missing.

    Without `acceptance` a request is to be accepted within the time for its first response, of which
    somebody is reminded, and which nobody can miss.
    """

    first_response: ByPriority
    acceptance: ByPriority | None = None
    plan: ByPriority | None = None
    resolution: ByPriority | None = None
    expected_resolution: ByPriority


class OtherLimits(Part):
    """What all tables of other limits can set."""

    first_response: SomePriorities = SomePriorities()
    acceptance: SomePriorities = SomePriorities()
    plan: SomePriorities = SomePriorities()
    resolution: SomePriorities = SomePriorities()
    expected_resolution: SomePriorities = SomePriorities()

    def limit(self, name: str, priority: Priority) -> Limit | None:
        """The limit this table sets for a clock (one of LIMITED) and a priority."""
        table: SomePriorities = getattr(self, name)
        return table.of(priority)


class CategoryLimits(OtherLimits):
    """`[[category_limits]]`: other limits for one category."""

    category: Category

    @property
    def conditions(self) -> Mapping[str, str]:
        """What it asks of a request."""
        return {"category": self.category.value}


class LimitsFor(OtherLimits, Conditions):
    """`[[limits_for]]`: other limits for requests of one kind. The table that asks for most wins."""

    in_special_periods: bool = False

    @model_validator(mode="after")
    def _asks_and_sets(self) -> Self:
        if not self.conditions:
            raise ValueError(f"name what it is for: {', '.join(CONDITIONS)}")
        if not any(self.limit(name, priority) for name in LIMITED for priority in Priority):
            raise ValueError('it sets no limit; add one, as first_response = { high = "1h" }')
        return self


class SpecialPeriod(OtherLimits):
    """`[[special_periods]]`: days, both ends included, on which some limits are others."""

    label: str = Field(min_length=1)
    first_day: date
    last_day: date

    @model_validator(mode="after")
    def _first_before_last(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError("last_day lies before first_day")
        return self


Counting = Literal["answer", "progress", "result"]


class FirstResponsePart(Part):
    """`[first_response]`: which messages to the customer are one; contacts by phone always are."""

    counts: Annotated[tuple[Counting, ...], Field(min_length=1)] = ("answer", "progress", "result")


ReopeningClock = Literal["first_response", "plan", "resolution"]


class ReopeningPart(OtherLimits):
    """`[reopening]`: which clocks begin anew when a customer opens a ticket again, and their limits."""

    clocks: tuple[ReopeningClock, ...] = ("plan", "resolution")

    @model_validator(mode="after")
    def _limits_of_its_clocks(self) -> Self:
        for name in LIMITED:
            if getattr(self, name) != SomePriorities() and name not in (*self.clocks, "expected_resolution"):
                raise ValueError(f"{name} has limits here, but does not stand in clocks")
        return self


ManyLimits = tuple[CategoryLimits | LimitsFor, ...]


def fits(table: Asking, case: Case) -> bool:
    """Whether a request is of the kind the table is for."""
    return all(getattr(case, name) == value for name, value in table.conditions.items())


def by_weight(tables: ManyLimits) -> ManyLimits:
    """Those that ask for most first; of equals the one that stands first."""
    return tuple(sorted(tables, key=lambda table: -len(table.conditions)))


def ties(tables: ManyLimits) -> Iterator[tuple[int, int, str, Priority]]:
    """Pairs (by their places, the earlier first) that would set a limit of one request with equal right.

    A third table that asks for both settles it.
    """
    for later, table in enumerate(tables):
        for earlier, other in enumerate(tables[:later]):
            if isinstance(table, CategoryLimits) and isinstance(other, CategoryLimits):
                continue  # Of two on one category the first has always counted.
            both = {**table.conditions, **other.conditions}
            if len(table.conditions) != len(other.conditions) or not agree(table, other):
                continue
            for name in LIMITED:
                for priority in Priority:
                    if not (table.limit(name, priority) and other.limit(name, priority)):
                        continue
                    if not any(_settles(third, both, table, name, priority) for third in tables):
                        yield earlier, later, name, priority


def agree(one: Asking, other: Asking) -> bool:
    """Whether one request could be meant by both tables."""
    return all(other.conditions.get(name, value) == value for name, value in one.conditions.items())


def _settles(
    third: CategoryLimits | LimitsFor,
    both: Mapping[str, str],
    than: CategoryLimits | LimitsFor,
    name: str,
    priority: Priority,
) -> bool:
    return (
        len(third.conditions) > len(than.conditions)
        and third.conditions.items() <= both.items()
        and third.limit(name, priority) is not None
    )
