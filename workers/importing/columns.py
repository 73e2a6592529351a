"""Which column stands where: by its titles in Chinese or English, in any order, whatever stands between."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from workers.errors import InvalidInput

_LOOSE = re.compile(r"[\s_（）()【】\[\]:：*＊]+")
LONGEST_TITLE = 64


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a table may have: for each one its titles, first those of an export.

    A row needs all of `needed`, and at least one of each group in `one_of`. `fits` says what to do otherwise.
    """

    titles: Mapping[str, Collection[str]]
    needed: Collection[str] = ()
    one_of: Collection[Collection[str]] = ()
    fits: str = ""

    def find(self, first_row: list[str]) -> Places:
        """Where which column stands. Raises InvalidInput naming the titles that lack."""
        known = {_loose(word): name for name, words in self.titles.items() for word in (*words, name)}
        found: dict[str, int] = {}
        rest: dict[str, int] = {}
        for place, title in enumerate(first_row):
            name = known.get(_loose(title))
            if name is not None and name not in found:
                found[name] = place
            elif title.strip():
                rest[title.strip()[:LONGEST_TITLE]] = place
        self._refuse(found)
        return Places(found, rest)

    def _refuse(self, found: Mapping[str, int]) -> None:
        lacking = [self._shown(name) for name in self.needed if name not in found]
        lacking += [
            " / ".join(self._shown(name) for name in group)
            for group in self.one_of
            if not any(name in found for name in group)
        ]
        if lacking:
            raise InvalidInput(f"the first row lacks {', '.join(lacking)}", hint=self.fits)

    def _shown(self, name: str) -> str:
        first, *others = self.titles[name]
        return f"{first} ({others[0]})" if others else first


@dataclass(frozen=True, slots=True)
class Places:
    """Where each column of one table stands; `rest` are the columns that nobody knows, by their titles."""

    found: Mapping[str, int]
    rest: Mapping[str, int]

    def named(self, cells: list[str]) -> dict[str, str]:
        """The cells of a row by the names of their columns; a short row has no more than it says."""
        return {name: cells[place].strip() for name, place in self.found.items() if place < len(cells)}

    def others(self, cells: list[str]) -> dict[str, str]:
        """What stands in columns that nobody knows, by their titles; empty cells say nothing."""
        return {
            title: cells[place].strip()
            for title, place in self.rest.items()
            if place < len(cells) and cells[place].strip()
        }


def _loose(title: str) -> str:
    return _LOOSE.sub("", title).lower()
