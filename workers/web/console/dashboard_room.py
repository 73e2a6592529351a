"""What the parts of the dashboard work with: the figures asked for, and how a table of groups is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from workers.measures import (
    CATALOGUE,
    Figure,
    Figures,
    Group,
    GroupFigures,
    Period,
    Viewer,
    by_group,
    figures,
)
from workers.unit_of_work import Workshop
from workers.web.console.dashboard_asked import Asked
from workers.web.console.dashboard_words import Words

MUCH = 0.15
"""The share of scores 1–2 from which it is highlighted (row D6)."""
Facts = dict[str, Any]


@dataclass(frozen=True)
class Room:
    """What all parts work with. `name_of(group, key, name)` gives the words for a group."""

    workshop: Workshop
    viewer: Viewer
    asked: Asked
    words: Words
    name_of: Callable[[Group, str, str], str]

    async def figures(self, period: Period, measures: Collection[str]) -> Figures:
        """The figures of a period, by the filters that were asked for."""
        async with self.workshop.read() as uow:
            return await figures(uow, self.viewer, period, self.asked.narrowing, measures)

    async def groups(self, period: Period, measures: Collection[str], group: Group) -> list[GroupFigures]:
        """The same, told apart."""
        async with self.workshop.read() as uow:
            return await by_group(uow, self.viewer, period, self.asked.narrowing, measures, group)

    def seen(self, measures: Sequence[str]) -> list[str]:
        """Those of the measures that the viewer may see."""
        return [key for key in measures if self.viewer.own is None or CATALOGUE[key].for_agents]

    def title(self, key: str) -> str:
        """A measure's name."""
        return CATALOGUE[key].words(self.words.locale).name


def table_of(room: Room, rows: list[Facts], keys: Sequence[str]) -> Facts:
    """Groups with their cells under the titles of the measures."""
    heads = [room.words.label(f"by_{room.asked.by.value}"), *(room.title(key) for key in keys)]
    return {"groups_table": {"heads": heads, "rows": rows}}


def cell_of(room: Room, figure: Figure) -> Facts:
    """A figure with what it rests on."""
    return {
        "value": room.words.value(figure),
        "basis": room.words.basis(figure),
        "highlighted": figure.highlighted,
        "silent": figure.value is None,
    }


def name_of(room: Room, each: GroupFigures) -> str:
    """The words for a group."""
    return room.name_of(room.asked.by, each.key, each.name)
