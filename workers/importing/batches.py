"""A table of any length, some rows at a time: neither the rows nor their answers are ever held together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import TypeVar

BATCH = 100

Cells = tuple[int, list[str]]
Result = TypeVar("Result")


async def in_batches(
    rows: Iterable[Cells],
    work: Callable[[list[Cells]], Awaitable[Sequence[Result]]],
    tick: Callable[[int], None],
    size: int = BATCH,
) -> AsyncIterator[Result]:
    """The answer to each row, in their order: `work` gets so many rows (line and cells) and answers them all.

    `tick` hears how many rows are done so far.
    """
    left, done = iter(rows), 0
    while batch := list(islice(left, size)):
        answers = await work(batch)
        done += len(batch)
        tick(done)
        for each in answers:
            yield each
