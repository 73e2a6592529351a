"""The dashboard's part on ratings: scores by dimension, and of each group with enough answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from workers.charts import Chart, Series, bars, words_of
from workers.charts import Unit as Drawn
from workers.measures import CATALOGUE, Figures
from workers.web.console.dashboard_room import MUCH, Facts, Room, cell_of, name_of, table_of

_SCORES = tuple(key for key, each in CATALOGUE.items() if each.family == "scores")
_RATED = ("csat_overall", "low_overall", "answers")
_CAUSES = "followup_causes"


async def ratings(room: Room) -> tuple[Facts, list[Chart]]:
    """Scores by dimension, and of each group; groups with too few answers are not put in an order."""
    asked, words = room.asked, room.words
    now, found = await asyncio.gather(room.figures([*_SCORES, _CAUSES]), room.groups(_RATED, asked.by))
    ranked = sorted(
        (each for each in found if each["csat_overall"].ranked and each["csat_overall"].value is not None),
        key=lambda each: -(each["csat_overall"].value or 0),
    )
    others = [each for each in found if each not in ranked]
    rows = [
        {
            "name": name_of(room, each),
            "cells": [cell_of(room, each[key]) for key in _RATED],
            "few": each not in ranked,
        }
        for each in (*ranked, *others)
    ]
    dimensions = [key.removeprefix("low_") for key in _SCORES if key.startswith("low_")]
    charts = [
        _by_dimension(room, now, dimensions, "low_", Drawn.PERCENT),
        _by_dimension(room, now, dimensions, "csat_", Drawn.SCORE),
        bars(
            room.title("csat_overall"),
            [name_of(room, each) for each in ranked],
            [Series(words.label("mean"), [each["csat_overall"].value for each in ranked])],
            unit=Drawn.SCORE,
            locale=words.locale,
            head=words.label(f"by_{asked.by.value}"),
            summary=words.label("ranked_summary"),
        ),
        _causes(room, now),
    ]
    return table_of(room, rows, _RATED), charts


def _by_dimension(room: Room, now: Figures, dimensions: Sequence[str], kind: str, unit: Drawn) -> Chart:
    words = room.words
    found = [now[f"{kind}{each}"] for each in dimensions]
    return bars(
        words.label(f"{kind}by_dimension"),
        [words.label(each, "dimension") for each in dimensions],
        [
            Series(
                words.label("share" if kind == "low_" else "mean"),
                [each.value for each in found],
                [words.value(each) if each.too_few else "" for each in found],
            )
        ],
        unit=unit,
        locale=words.locale,
        highlight=MUCH if kind == "low_" else None,
        head=words.label("dimension"),
        summary=words.label(f"{kind}summary"),
        notes=[words.basis(each) for each in found],
        notes_head=words.label("basis"),
    )


def _causes(room: Room, now: Figures) -> Chart:
    """What caused the low scores: nothing is drawn where there were none."""
    words, parts = room.words, now[_CAUSES].parts
    return bars(
        room.title(_CAUSES),
        [words.label(part.key, "cause") for part in parts],
        [Series(words.label("low_ratings"), [part.cases for part in parts])],
        locale=words.locale,
        head=words.label("cause"),
        summary=words.label("causes_summary"),
        notes=[words_of(part.share, Drawn.PERCENT, words.locale) for part in parts],
        notes_head=words.label("portion"),
    )
