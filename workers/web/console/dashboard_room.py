"""What the parts of the dashboard work with: the figures asked for, and how a table of groups is told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workers.measures import (
    CATALOGUE,
    Asking,
    Figure,
    Figures,
    Group,
    GroupFigures,
    Viewer,
    seen_by,
    told,
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
    moments: list[datetime] = field(default_factory=list)

    async def figures(self, measures: Collection[str], *, before: bool = False) -> Figures:
        """The figures of the period, or of the one before it, by the filters that were asked for."""
        return await self.figures_of(
            Asking(self.viewer, self.asked.period, self.asked.narrowing, tuple(measures), before)
        )

    async def groups(
        self, measures: Collection[str], group: Group, *, before: bool = False
    ) -> list[GroupFigures]:
        """The same, told apart."""
        return await self.groups_of(
            Asking(self.viewer, self.asked.period, self.asked.narrowing, tuple(measures), before, group)
        )

    async def figures_of(self, asking: Asking) -> Figures:
        """The answer to a question without groups."""
        found = await told(self.workshop, asking)
        self._note(found.as_of)
        assert found.figures is not None
        return found.figures

    async def groups_of(self, asking: Asking) -> list[GroupFigures]:
        """The answer to a question by groups."""
        found = await told(self.workshop, asking)
        self._note(found.as_of)
        return found.groups

    def _note(self, as_of: datetime | None) -> None:
        if as_of is not None:
            self.moments.append(as_of)

    @property
    def as_of(self) -> datetime | None:
        """From when (UTC) the oldest of the figures is; None: all were worked out for this page."""
        return min(self.moments, default=None)

    def seen(self, measures: Sequence[str]) -> list[str]:
        """Those of the measures that the viewer may see."""
        return seen_by(self.viewer, measures)

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
