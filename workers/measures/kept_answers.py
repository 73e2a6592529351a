"""Answers that are kept: worked out, as JSON, and back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from workers.measures.catalogue import CATALOGUE
from workers.measures.computing import by_group, figures
from workers.measures.figure import Figure, Figures, GroupFigures, Part, Silence
from workers.measures.kept_asking import Asking
from workers.measures.narrowing import Narrowing
from workers.measures.period import Period
from workers.unit_of_work import UnitOfWork


async def worked_out(uow: UnitOfWork, asking: Asking) -> tuple[dict[str, Any], float]:
    """The answer as it is kept, and the seconds that it took. Raises InvalidInput as `figures` does."""
    began = time.perf_counter()
    question = (uow, asking.viewer, asking.days, asking.narrowing, asking.measures)
    if asking.group is None:
        found = figures_as_json(await figures(*question))
    else:
        found = groups_as_json(await by_group(*question, asking.group))
    return {"days": days_of(asking), **found}, time.perf_counter() - began


def days_of(asking: Asking) -> list[str]:
    """The first and the last day that an answer is about."""
    return [asking.days.first_day.isoformat(), asking.days.last_day.isoformat()]


def figures_as_json(found: Figures) -> dict[str, Any]:
    """What `figures_of` reads; period and narrowing are the question's."""
    return {"items": [_as_json(each) for each in found.items.values()], "special": dict(found.special)}


def figures_of(told: Mapping[str, Any], period: Period, narrowing: Narrowing) -> Figures:
    """The figures that were kept."""
    return Figures(period, narrowing, _items(told["items"]), told["special"])


def groups_as_json(found: Sequence[GroupFigures]) -> dict[str, Any]:
    """What `groups_of` reads. People's names are left out: they are looked up when they are wanted."""
    return {
        "groups": [
            {"key": each.key, "items": [_as_json(one) for one in each.items.values()]} for each in found
        ]
    }


def groups_of(told: Mapping[str, Any], names: Mapping[str, str]) -> list[GroupFigures]:
    """The groups that were kept; one that `names` does not know is called as its key."""
    return [
        GroupFigures(each["key"], names.get(each["key"], each["key"]), _items(each["items"]))
        for each in told["groups"]
    ]


def _items(told: Sequence[Any]) -> dict[str, Figure]:
    return {figure.key: figure for figure in map(_figure, told)}


def _as_json(figure: Figure) -> dict[str, Any]:
    """Only what differs from a figure's defaults."""
    told: dict[str, Any] = {"key": figure.key, "value": figure.value, "cases": figure.cases}
    if figure.low is not None or figure.high is not None:
        told |= {"low": figure.low, "high": figure.high}
    if figure.parts:
        told["parts"] = [[part.key, part.cases, part.share] for part in figure.parts]
    if figure.silence is not None:
        told["silence"] = figure.silence.value
    if figure.highlighted:
        told["highlighted"] = True
    if not figure.ranked:
        told["ranked"] = False
    return told


def _figure(told: Mapping[str, Any]) -> Figure:
    return Figure(
        key=told["key"],
        unit=CATALOGUE[told["key"]].unit,
        value=told["value"],
        cases=told["cases"],
        low=told.get("low"),
        high=told.get("high"),
        parts=tuple(Part(*part) for part in told.get("parts", ())),
        silence=Silence(told["silence"]) if "silence" in told else None,
        highlighted=told.get("highlighted", False),
        ranked=told.get("ranked", True),
    )
