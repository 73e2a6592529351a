"""What pages of targets and improvements share: figures to choose, values as people type them, the log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from fastapi import Request
from sqlalchemy import select

from models.improving import Target
from models.people import Staff
from models.vocabulary import Category, Priority
from workers.aims import measure_name, measure_named, value_words
from workers.errors import InvalidInput
from workers.measures import CATALOGUE, Unit
from workers.unit_of_work import UnitOfWork
from workers.web.api.loop_views import LineShown
from workers.web.console import sheet
from workers.web.console.cookies import LANGUAGE, read_cookie
from workers.web.console.door import Visit
from workers.web.console.people_forms import team_names
from workers.web.console.sheet import Field, Table, Word, both, label, lines, moment, text
from workers.web.pages import page_locale
from workers.web.parts import WebParts
from workers.web.problems import ChangedMeanwhile

TEXT = 20_000
_FACTOR = {Unit.SECONDS: 60.0, Unit.SHARE: 0.01}
"""Times are typed in minutes, shares in per cent."""


def locale_of(request: Request, parts: WebParts, visit: Visit) -> str:
    """The language of the page."""
    chosen = read_cookie(request, parts.settings, LANGUAGE)
    return page_locale(request, chosen or visit.person.locale)


def figure_field(locale: str, name: str, value: str, *, need: bool) -> Field:
    """A choice of the measures that have one value."""
    keys = [key for key in CATALOGUE if not key.endswith("distribution")]
    choices = [("", label("none")), *((key, text(measure_name(key, locale))) for key in keys)]
    return Field(name=name, label=label("figure"), kind="select", value=value, options=choices, need=need)


async def scope_fields(uow: UnitOfWork, category: str = "") -> list[Field]:
    """Of which requests: team, category, priority, customer group."""
    teams = [("", label("any")), *((name, text(name)) for name in (await team_names(uow)).values())]
    return [
        Field(name="scope_team", label=label("scope_team"), kind="select", options=teams),
        Field(
            name="scope_category",
            label=label("scope_category"),
            kind="select",
            value=category,
            options=sheet.options("category", Category),
        ),
        Field(
            name="scope_priority",
            label=label("scope_priority"),
            kind="select",
            options=sheet.options("priority", Priority),
        ),
        Field(name="scope_customer_group", label=label("scope_group"), limit=24),
    ]


def scope_typed(given: Mapping[str, str]) -> dict[str, str | None]:
    """The scope as typed."""
    names = ("team", "category", "priority", "customer_group")
    return {name: given.get(f"scope_{name}", "").strip() or None for name in names}


def value_typed(measure: str, typed: str) -> float:
    """A value as typed (minutes, per cent, a score, a number) in the measure's unit. Raises InvalidInput."""
    unit = measure_named(measure).unit
    try:
        value = float(typed.strip().rstrip("%"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidInput("this is no number")
    return value * _FACTOR.get(unit, 1.0)


def value_to_type(measure: str, value: float) -> str:
    """A value as people type it."""
    factor = _FACTOR.get(CATALOGUE[measure].unit, 1.0) if measure in CATALOGUE else 1.0
    return f"{value / factor:.4g}"


def number_typed(typed: str, otherwise: int | None) -> int | None:
    """A small whole number as typed. Raises InvalidInput."""
    kept = typed.strip()
    if not kept:
        return otherwise
    if not (kept.isascii() and kept.isdigit() and len(kept) <= 4):
        raise InvalidInput("this is no number")
    return int(kept)


def date_typed(typed: str) -> date | None:
    """A day as typed; None where none was. Raises InvalidInput."""
    try:
        return date.fromisoformat(typed.strip()) if typed.strip() else None
    except ValueError as error:
        raise InvalidInput("this is no day", hint="write 2026-05-20") from error


def same_version(version: int, given: Mapping[str, str]) -> None:
    """Raises ChangedMeanwhile unless the form was made of this version."""
    if given.get("version") != str(version):
        raise ChangedMeanwhile("it has changed since you read it", hint="read it again, then decide")


def shown(measure: str, value: float | None, locale: str) -> Word:
    """A value of a measure."""
    return text(value_words(measure, value, locale))


def scope_shown(scope: Mapping[str, str]) -> Word:
    """A scope in words."""
    groups = {"category": "category", "priority": "priority", "channel": "channel"}
    said = [label(code, groups[name]) if name in groups else text(code) for name, code in scope.items()]
    return both(*said) if said else label("scope_requests")


def log_table(log: Sequence[LineShown], names: Mapping[str, str], live: str) -> Table:
    """The log, newest first."""
    return Table(
        caption=label("story"),
        heads=[label(each) for each in ("when", "what", "by", "said")],
        rows=[
            [
                moment(each.at),
                label(each.kind, "loop_log"),
                text(names.get(each.by, each.by)),
                both(_facts(each.facts), *(lines(words) for words in each.words.values())),
            ]
            for each in reversed(log)
        ],
        live=live,
    )


def _facts(facts: Mapping[str, Any]) -> Word:
    if facts.get("met") is not None:
        return label("met" if facts["met"] else "not_met", "improvement_state")
    if facts.get("result"):
        return label(str(facts["result"]), "target_stand")
    return text("")


async def names_by_number(uow: UnitOfWork) -> dict[str, str]:
    """Everybody's name by staff number."""
    rows = await uow.session.execute(select(Staff.number, Staff.name))
    return {number: name for number, name in rows}  # noqa: C416 - rows are no pairs to dict()


def changed_goal(row: Target, typed: str) -> float | None:
    """The goal that was typed; None where it is what the form had shown, which is rounded."""
    if not typed or typed == value_to_type(row.measure, row.goal_value):
        return None
    return value_typed(row.measure, typed)
