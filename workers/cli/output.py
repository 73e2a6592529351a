"""What commands print: JSON for programs, tables for people, errors as "what is wrong / what to do"."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="The data folder (default: CLOSELOOP_DATA, or ./data).", show_default=False),
]

MARKS = {"good": "✓", "warning": "!", "bad": "✗"}
COLOURS = {"good": "green", "warning": "yellow", "bad": "red"}


def console(*, stderr: bool = False) -> Console:
    """A rich console; without colours and of the full width of its lines when nobody looks at it."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = 200
    return made


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Write `value` as JSON on standard output; moments as ISO 8601, all else that JSON lacks as text."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=indent, default=_plain) + "\n")


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Write a table, or the sentence `empty` when there are no rows."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else _cell(cell) for cell in row))
    console().print(table if table.row_count else empty)


def _cell(cell: object) -> str:
    from rich.markup import escape

    return escape(str(cell))


class Finding(NamedTuple):
    """One checked thing: what (settings, policy …), good, warning or bad, in words, and what to do."""

    about: str
    result: str
    words: str
    hint: str = ""


def verdict(result: str, words: str, hint: str = "") -> None:
    """Write one checked thing: `result` is good, warning or bad; readable without colours."""
    from rich.markup import escape

    out = console()
    out.print(f"[{COLOURS[result]}]{MARKS[result]}[/] {escape(words)}")
    if hint:
        out.print(f"  [dim]{escape(hint)}[/]")


def complain(message: str, hint: str = "") -> None:
    """Say on standard error what is wrong and what to do about it."""
    from rich.markup import escape

    out = console(stderr=True)
    first, *rest = message.splitlines() or [""]
    out.print(f"[red]✗[/] {escape(first)}")
    for line in rest:
        out.print(f"  {escape(line)}")
    if hint:
        out.print(f"→ {escape(hint)}")


def is_machine_trouble(error: Exception) -> tuple[str, str] | None:
    """What to say of a database or broker that fails, without its words: they may hold data or passwords."""
    home = type(error).__module__.partition(".")[0]
    words = str(getattr(error, "orig", error))
    if home in ("sqlalchemy", "asyncpg", "sqlite3"):
        if "no such table" in words or "UndefinedTable" in type(getattr(error, "orig", error)).__name__:
            return (
                "the database has no tables of closeloop yet",
                "run closeloop migrate (closeloop up does it)",
            )
        return f"the database does not answer as it should ({type(error).__name__})", "see closeloop check"
    if home in ("redis", "pika"):
        return f"the broker does not answer ({type(error).__name__})", "is CLOSELOOP_BROKER_URL right?"
    return None
