"""Measures of a period: their catalogue, the figures, the worst overdue. An agent gets own figures only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from models.people import Staff
from workers.errors import InvalidInput
from workers.measures import (
    CATALOGUE,
    USUAL,
    Better,
    Figure,
    Group,
    Moment,
    Named,
    Narrowing,
    Period,
    Silence,
    Special,
    Unit,
    asked_period,
    by_group,
    figures,
    narrowing_of,
    viewer_of,
    worst_overdue,
)
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import Calling, acting
from workers.web.api.resource import Resource
from workers.web.parts import Parts

router = Resource("/reports", "reports")

LONGEST_NAME = 64


class MeasureView(BaseModel):
    """One measure of the catalogue. A share is 0…1, a score 1…5; `moment` puts a case into a period."""

    key: str = Field(examples=["first_response_median"])
    name: str
    meaning: str
    formula: str
    unit: Unit
    better: Better
    moment: Moment
    apart: bool = Field(description="Requests of special periods are left out unless they are asked for")
    for_agents: bool = Field(description="Agents may see their own")


class PartView(BaseModel):
    """A bucket, a type, a state."""

    key: str
    cases: int
    share: float


class FigureView(BaseModel):
    """One figure; `value` is null where `silence` says why. `low` and `high`: 95 % confidence interval."""

    key: str
    unit: Unit
    value: float | None
    cases: int
    low: float | None
    high: float | None
    parts: list[PartView]
    silence: Silence | None
    highlighted: bool
    ranked: bool = Field(description="False: too few cases to compare people or groups by it")


class PeriodView(BaseModel):
    """Local days, both included, and the moments they begin and end (`until` is excluded)."""

    name: str
    first_day: date
    last_day: date
    zone: str
    since: datetime
    until: datetime


class GroupView(BaseModel):
    """The figures of one group; an empty key: of none."""

    key: str
    name: str
    items: list[FigureView]


class FiguresView(BaseModel):
    """The figures of a period, those of the period before, and of each group that was asked for."""

    period: PeriodView
    items: list[FigureView]
    special: dict[str, int] = Field(description="Requests of special periods, by label")
    before: list[FigureView] | None = Field(description="The same of the period before, with `compare`")
    by: Group | None
    groups: list[GroupView]


class OverdueView(BaseModel):
    """One missed limit; `late` in seconds, until it was met (`met_at`), or until now."""

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


class WorstOverdue(BaseModel):
    """The limits missed by most, worst first."""

    period: PeriodView
    items: list[OverdueView]


@dataclass(frozen=True, slots=True)
class Which:
    """Of which requests."""

    facts: Mapping[str, str | None]

    async def narrowing(self, uow: UnitOfWork) -> Narrowing:
        """Raises NotFound, InvalidInput."""
        return await narrowing_of(uow, **self.facts)


def which(
    team: Annotated[str | None, Query(max_length=LONGEST_NAME)] = None,
    staff: Annotated[str | None, Query(max_length=24, description="Staff number")] = None,
    category: Annotated[str | None, Query(max_length=24)] = None,
    priority: Annotated[str | None, Query(max_length=24)] = None,
    channel: Annotated[str | None, Query(max_length=24)] = None,
    customer_group: Annotated[str | None, Query(max_length=24)] = None,
    policy_version: Annotated[str | None, Query(max_length=64, description="Digest, or its begin")] = None,
    special: Annotated[Special, Query(description="Requests of special periods")] = Special.APART,
) -> Which:
    """The filters that all figures share."""
    facts = {"team": team, "staff": staff, "category": category, "priority": priority, "channel": channel}
    more = {"customer_group": customer_group, "policy_version": policy_version, "special": special.value}
    return Which({**facts, **more})


@dataclass(frozen=True, slots=True)
class When:
    """In which period."""

    name: str
    first: date | None
    last: date | None
    zone: str | None

    def period(self, uow: UnitOfWork) -> Period:
        """Raises InvalidInput."""
        zone = zone_named(self.zone or uow.settings.timezone)
        return asked_period(uow.clock.now(), zone, name=self.name, first=self.first, last=self.last)


def when(
    period: Annotated[
        Named | None, Query(description=f"Default: {USUAL.value}, unless days are given")
    ] = None,
    first: Annotated[date | None, Query(alias="from", description="First local day")] = None,
    last: Annotated[date | None, Query(alias="to", description="Last local day, included")] = None,
    zone: Annotated[str | None, Query(max_length=64, description="Default: that of the installation")] = None,
) -> When:
    """The period that all figures share."""
    return When(period.value if period else "", first, last, zone)


def zone_named(name: str) -> ZoneInfo:
    """The time zone of this name. Raises InvalidInput."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInput("there is no such time zone", hint="as in Asia/Shanghai") from None


Where = Annotated[Which, Depends(which)]
During = Annotated[When, Depends(when)]


@router.get("/catalogue", summary="What every measure means")
async def catalogue(
    lang: Annotated[str, Query(max_length=12, description="en or zh_CN")] = "en",
) -> list[MeasureView]:
    """Every measure with its name, its meaning in one sentence and its formula."""
    return [
        MeasureView(
            key=each.key,
            unit=each.unit,
            better=each.better,
            moment=each.moment,
            apart=each.apart,
            for_agents=each.for_agents,
            **asdict(each.words(lang)),
        )
        for each in CATALOGUE.values()
    ]


@router.get("/figures", summary="Figures of a period")
async def figures_of_a_period(
    parts: Parts,
    calling: Calling,
    during: During,
    where: Where,
    measure: Annotated[list[str] | None, Query(max_length=200, description="Keys; default: all")] = None,
    by: Annotated[Group | None, Query(description="Also by these groups, or as a trend")] = None,
    compare: Annotated[bool, Query(description="Also the period before")] = False,
) -> FiguresView:
    """By any measures of the catalogue, narrowed and grouped at will; its `moment` says what is counted."""
    keys = list(dict.fromkeys(measure or CATALOGUE))
    async with parts.workshop.read() as uow:
        person = await acting(uow, calling.staff)
        period, narrowing = during.period(uow), await where.narrowing(uow)
        asked = (uow, viewer_of(person))
        found = await figures(*asked, period, narrowing, keys)
        before = await figures(*asked, period.before(), narrowing, keys) if compare else None
        groups = await by_group(*asked, period, narrowing, keys, by) if by else []
    return FiguresView(
        period=_period(period),
        items=[_figure(each) for each in found.items.values()],
        special=dict(found.special),
        before=[_figure(each) for each in before.items.values()] if before else None,
        by=by,
        groups=[
            GroupView(key=row.key, name=row.name, items=[_figure(each) for each in row.items.values()])
            for row in groups
        ],
    )


@router.get("/worst-overdue", summary="The limits missed by most")
async def worst(
    parts: Parts,
    calling: Calling,
    during: During,
    where: Where,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> WorstOverdue:
    """Each clock of a request once, worst first, special periods marked."""
    async with parts.workshop.read() as uow:
        person: Staff = await acting(uow, calling.staff)
        period, narrowing = during.period(uow), await where.narrowing(uow)
        rows = await worst_overdue(uow, viewer_of(person), period, narrowing, limit)
    return WorstOverdue(period=_period(period), items=[OverdueView(**asdict(row)) for row in rows])


def _period(period: Period) -> PeriodView:
    return PeriodView(
        name=period.name,
        first_day=period.first_day,
        last_day=period.last_day,
        zone=period.zone.key,
        since=period.first,
        until=period.last,
    )


def _figure(figure: Figure) -> FigureView:
    return FigureView(**asdict(figure))
