"""Tables at the command line: written to a file row by row; each row of one that comes in is answered for."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from workers.cli.output import complain, console

if TYPE_CHECKING:
    from workers.importing import RowResult

PRIVATE = 0o600
MOST_TOLD = 200
"""So many rows are told of one by one to people; `--json` tells all of them."""


def must_be_table(file: Path) -> None:
    """Raises InvalidInput unless the name says a format that we write."""
    from workers.errors import InvalidInput

    if file.suffix.lower() not in (".csv", ".xlsx"):
        raise InvalidInput("the file's name says no format", hint="end it in .csv or .xlsx")


async def write_table(
    file: Path, titles: Sequence[str], pages: AsyncIterator[list[list[str]]], tick: Callable[[int], None]
) -> int:
    """Write the rows, for its owner alone to read; `tick` hears how many there are. Gives the number."""
    from workers.tables import csv_chunks, xlsx_chunks

    written = 0

    async def counted() -> AsyncIterator[list[list[str]]]:
        nonlocal written
        async for page in pages:
            written += len(page)
            tick(written)
            yield page

    write = csv_chunks if file.suffix.lower() == ".csv" else xlsx_chunks
    with whole_file(file) as out:
        async for chunk in write(titles, counted()):
            out.write(chunk)
    return written


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """What is written stands in `file` when all of it is, for its owner alone to read; what breaks off leaves
    nothing, and a file that was there as it was.
    """
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as out:
            yield out
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def progress_of(words: str, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar on standard error; gives what is told how many rows are done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task(words, total=None)
        yield lambda done: progress.update(task, completed=done)


@dataclass
class Answers:
    """The answers of an import, told as they come and never kept: `counts` are all that is left of them."""

    dry_run: bool
    as_json: bool
    counts: Counter[str] = field(default_factory=Counter)
    told: int = 0

    async def tell(self, results: AsyncIterator[RowResult]) -> None:
        """Tell each row's answer: all of them as JSON, to people those that need a look."""
        if self.as_json:
            sys.stdout.write(f'{{"dry_run": {json.dumps(self.dry_run)}, "rows": [')
        async for each in results:
            self.counts[each.outcome] += 1
            if self.as_json:
                comma = ",\n" if self.counts.total() > 1 else "\n"
                sys.stdout.write(comma + json.dumps(asdict(each), ensure_ascii=False))
            elif each.words and each.outcome != "known":
                self._tell_one(each)
        if self.as_json:
            sys.stdout.write("],\n" + json.dumps(self.facts())[1:] + "\n")

    def _tell_one(self, each: RowResult) -> None:
        self.told += 1
        if self.told <= MOST_TOLD:
            mark = "✗" if each.outcome == "wrong" else "!"
            sys.stderr.write(f"{mark} line {each.line}: {each.words}\n")

    def facts(self) -> Mapping[str, Any]:
        """Whether no row was wrong, and how many became what."""
        counts = {outcome: self.counts[outcome] for outcome in ("added", "changed", "known", "wrong")}
        return {"ok": not self.counts["wrong"], **counts}

    def sum_up(self, file: Path) -> None:
        """The end of it, for people."""
        verb = "would be" if self.dry_run else "were"
        if self.told > MOST_TOLD:
            sys.stderr.write(f"… and {self.told - MOST_TOLD} rows more: --json tells of all\n")
        console().print(
            f"{self.counts['added']} rows {verb} taken in, {self.counts['known']} are there already"
        )
        if self.counts["wrong"]:
            complain(
                f"{self.counts['wrong']} rows of {file.name} are wrong and {verb} left out",
                "put them right and import the same file again: nothing is taken in twice",
            )
