"""A bar for work over many rows, on standard error, where somebody looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workers.cli.output import console


@contextmanager
def row_bar(words: str, total: int | None, *, quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """Gives a function that is told the table and how many rows more are done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    out = console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[table]}"),
    )
    with Progress(*columns, console=out, disable=quiet or not out.is_terminal, transient=True) as bar:
        task = bar.add_task(words, total=total, table="")

        def told(table: str, rows: int) -> None:
            bar.update(task, advance=rows, table=table)

        yield told
