"""The parts of the dashboard: which measures each asks for, and the charts and tables that show them.

Each part asks a handful of questions, at the same time, each in a session of its own that only reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from workers.charts import Chart, Series, bars, histogram, lines
from workers.measures import (
    CATALOGUE,
    DISTRIBUTION,
    FIRST,
    Figure,
    Group,
    GroupFigures,
    first_page,
    worst_overdue,
)
from workers.text import duration_words
from workers.web.console.dashboard_ratings import ratings
from workers.web.console.dashboard_room import MUCH, Facts, Room, cell_of, name_of, table_of
from workers.web.console.dashboard_words import DRAWN, Words

WORST = 50
_GROUPED = (
    "requests",
    "first_response_median",
    "first_response_p90",
    "overdue_first_response",
    "resolution_median",
    "overdue_resolution",
    "one_contact",
)
_TRENDS: tuple[tuple[str, ...], ...] = (
    ("requests",),
    ("first_response_median", "first_response_p90"),
    ("resolution_median",),
    ("overdue_first_response", "overdue_resolution"),
    ("csat_overall",),
    ("low_overall",),
)
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}


async def overview(room: Room) -> tuple[Facts, list[Chart]]:
    """All main figures beside those of the period before, the distribution of first responses, the types."""
    wanted = room.seen(FIRST)
    figures, figures_before, types_of, types_before_of = first_page(
        room.viewer, room.asked.period, room.asked.narrowing
    )
    now, before, types, types_before = await asyncio.gather(
        room.figures_of(figures),
        room.figures_of(figures_before),
        room.groups_of(types_of),
        room.groups_of(types_before_of),
    )
    rows = [_row(room, now[key], before[key]) for key in wanted]
    return (
        {
            "tiles": rows,
            "changes": [each for each in rows if each["change"] and each["change"]["look"] != "plain"],
            "special": [{"name": name, "count": count} for name, count in now.special.items()],
        },
        [_distribution(room, now[DISTRIBUTION]), _types(room, types, types_before)],
    )


def _row(room: Room, now: Figure, before: Figure) -> Facts:
    return {
        "key": now.key,
        "name": room.title(now.key),
        "meaning": CATALOGUE[now.key].words(room.words.locale).meaning,
        "value": room.words.value(now),
        "silent": now.value is None,
        "basis": room.words.basis(now),
        "before": room.words.value(before),
        "change": room.words.change(now, before),
        "highlighted": now.highlighted,
    }


def _distribution(room: Room, figure: Figure) -> Chart:
    words = room.words
    return histogram(
        room.title(DISTRIBUTION),
        [_bucket(words, part.key) for part in figure.parts],
        [Series(words.label("requests"), [part.cases for part in figure.parts])],
        locale=words.locale,
        head=words.label("took"),
        summary=words.label("distribution_summary", count=figure.cases),
    )


def _bucket(words: Words, code: str) -> str:
    """The words for a bucket: up to 10 min; longer."""
    seconds = _SECONDS.get(code[-1:]) if code[:-1].isdigit() else None
    if seconds is None:
        return str(words.label("longer"))
    return f"≤ {duration_words(int(code[:-1]) * seconds, words.locale)}"


def _types(room: Room, now: list[GroupFigures], before: list[GroupFigures]) -> Chart:
    """How many requests of each type there were, the most frequent first, beside the period before."""
    words, group = room.words, Group.CATEGORY
    counts = {each.key: each["requests"].value or 0 for each in now}
    earlier = {each.key: each["requests"].value or 0 for each in before}
    keys = sorted({*counts, *earlier}, key=lambda key: (-counts.get(key, 0), key))
    return bars(
        words.label("types"),
        [room.name_of(group, key, "") for key in keys],
        [
            Series(words.label("this_period"), [counts.get(key, 0) for key in keys]),
            Series(words.label("before"), [earlier.get(key, 0) for key in keys]),
        ],
        locale=words.locale,
        head=words.label("by_category"),
        summary=words.label("types_summary"),
    )


async def trend(room: Room) -> tuple[Facts, list[Chart]]:
    """How the main figures went, by day, week, month or quarter."""
    wanted = [keys for keys in _TRENDS if room.seen(keys)]
    parts = await room.groups([key for keys in wanted for key in keys], Group(room.asked.step.value))
    return {}, [_trend(room, keys, parts) for keys in wanted]


def _trend(room: Room, keys: Sequence[str], parts: list[GroupFigures]) -> Chart:
    first = CATALOGUE[keys[0]]
    return lines(
        room.title(keys[0]) if len(keys) == 1 else room.words.label(f"trend_{first.family}"),
        [each.name for each in parts],
        [
            Series(
                room.title(key),
                [each[key].value for each in parts],
                [_told(room, each[key]) for each in parts],
            )
            for key in keys
        ],
        unit=DRAWN[first.unit],
        locale=room.words.locale,
        highlight=MUCH if keys[0].startswith("low_") else None,
        head=room.words.label(f"by_{room.asked.step.value}"),
        summary=room.words.label("trend_summary"),
    )


def _told(room: Room, figure: Figure) -> str:
    return room.words.value(figure) if figure.value is None else ""


async def groups(room: Room) -> tuple[Facts, list[Chart]]:
    """Amount and times of each group."""
    asked, words = room.asked, room.words
    keys = room.seen(_GROUPED)
    found = await room.groups(keys, asked.by)
    found.sort(key=lambda each: -(each["requests"].value or 0))
    rows = [
        {"name": name_of(room, each), "cells": [cell_of(room, each[key]) for key in keys]} for each in found
    ]
    chart = bars(
        room.title("requests"),
        [name_of(room, each) for each in found],
        [Series(words.label("requests"), [each["requests"].value for each in found])],
        locale=words.locale,
        head=words.label(f"by_{asked.by.value}"),
    )
    return table_of(room, rows, keys), [chart]


async def overdue(room: Room) -> tuple[Facts, list[Chart]]:
    """The limits that were missed by most, with the way to their tickets."""
    async with room.workshop.read() as uow:
        worst = await worst_overdue(uow, room.viewer, room.asked.period, room.asked.narrowing, WORST)
    rows = [
        {
            "number": each.ticket,
            "clock": each.clock,
            "late": each.late,
            "still": each.met_at is None,
            "staff": each.staff,
            "team": each.team,
            "category": each.category,
            "priority": each.priority,
            "limit_at": each.limit_at.isoformat(),
            "special": each.special_period or "",
        }
        for each in worst
    ]
    return {"worst": rows}, []


VIEWS: Mapping[str, Callable[[Room], Awaitable[tuple[Facts, list[Chart]]]]] = {
    "overview": overview,
    "trend": trend,
    "groups": groups,
    "ratings": ratings,
    "overdue": overdue,
}
