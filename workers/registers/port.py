"""What each of the four tables of the practices can: be written, row by row, and be taken in, row by row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.people import Staff
from workers.importing import RowResult
from workers.registers.wording import Wording
from workers.unit_of_work import Workshop

Rows = AsyncIterator[list[list[str]]]
Titles = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows: from a moment (aware) on, before another one; None: no bound."""

    since: datetime | None = None
    until: datetime | None = None


class Export(Protocol):
    """Writes all rows of a span that `reader` may see (None: all), some hundreds at a time."""

    def __call__(self, workshop: Workshop, span: Span, reader: Staff | None, wording: Wording, /) -> Rows:
        """The rows, oldest first; each page is a transaction of its own."""
        ...


class Import(Protocol):
    """Takes in a table (line and cells; the first row has the titles) and answers for every row."""

    def __call__(
        self,
        workshop: Workshop,
        table: Iterable[tuple[int, list[str]]],
        *,
        dry_run: bool,
        tick: Callable[[int], None],
    ) -> AsyncIterator[RowResult]:
        """`tick` hears how many rows are done. Raises InvalidInput when the titles do not fit."""
        ...


@dataclass(frozen=True, slots=True)
class Register:
    """One table: its name in commands and addresses, its columns in order, and both ways."""

    name: str
    titles: Titles
    rows: Export
    take_in: Import

    def heads(self, wording: Wording) -> list[str]:
        """The first row of an export."""
        return [wording.title(words) for words in self.titles.values()]
