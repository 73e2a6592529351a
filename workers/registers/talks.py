"""Communication records as one of the tables: written and taken in by their own room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC

from models.people import Staff
from workers import communications
from workers.importing import RowResult
from workers.registers.port import Rows, Span
from workers.registers.wording import Wording
from workers.unit_of_work import Workshop


async def rows(workshop: Workshop, span: Span, reader: Staff | None, wording: Wording) -> Rows:
    """The records of a span, oldest first."""
    wanted = communications.Wanted(
        since=span.since.astimezone(UTC) if span.since else None,
        until=span.until.astimezone(UTC) if span.until else None,
    )
    own = communications.Wording(wording.locale, wording.zone)
    async for page in communications.rows(workshop, wanted, reader, own):
        yield page


async def take_in(
    workshop: Workshop,
    table: Iterable[tuple[int, list[str]]],
    *,
    dry_run: bool,
    tick: Callable[[int], None],
) -> AsyncIterator[RowResult]:
    """Record each row once; what happened in the past is marked 补录."""
    async for each in communications.imported(workshop, table, dry_run=dry_run, tick=tick):
        yield each
