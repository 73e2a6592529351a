"""`closeloop tables`: the four tables of the practices, out to a spreadsheet and in from a team's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json
from workers.cli.table_files import Answers, must_be_table, progress_of, write_table

if TYPE_CHECKING:
    from workers.registers import Register
    from workers.settings import Settings

WRONG = 2
NAMES = ("response-tracking", "response-record", "communications", "satisfaction")
TableArgument = Annotated[str, typer.Argument(metavar="TABLE", help=f"One of {', '.join(NAMES)}.")]


def export(
    table: TableArgument,
    file: Annotated[Path, typer.Argument(help="Where to write: a name ending in .csv or .xlsx.")],
    since: Annotated[str, typer.Option("--from", help="From this day on (2026-05-20 or with a time).")] = "",
    until: Annotated[str, typer.Option("--to", help="Before that.")] = "",
    locale: Annotated[
        str, typer.Option(help="Language of titles and words: zh_CN or en (default: the team's).")
    ] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a table with its own columns in their order; customers and what they said are masked."""
    must_be_table(file)
    register = _named(table)
    settings = find_settings(data)
    span = (_moment(settings, since), _moment(settings, until))
    with progress_of("writing", quiet=as_json) as tick:
        count = asyncio.run(_export(settings, register, file, span, locale or settings.locale, tick))
    if as_json:
        print_json({"table": table, "rows": count, "file": str(file)})
    else:
        console().print(f"{count} rows written to {file}")


def import_(
    table: TableArgument,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or XLSX; columns in any order, Chinese or English.", exists=True, dir_okay=False
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in a team's own table, each row once however often it is given, and answer for every row.

    What comes in is history: it meets and misses no limit, nobody is told, scores are never changed.
    """
    register = _named(table)
    settings = find_settings(data)
    answers = Answers(dry_run, as_json)
    with progress_of("importing", quiet=as_json) as tick:
        asyncio.run(_import(settings, register, file, answers, tick))
    if not as_json:
        answers.sum_up(file)
    if answers.counts["wrong"]:
        raise typer.Exit(WRONG)


TABLES: Mapping[str, Callable[..., Any]] = {"export": export, "import": import_}


def _named(table: str) -> Register:
    from workers.errors import InvalidInput
    from workers.registers import REGISTERS

    if table not in REGISTERS:
        raise InvalidInput(f"there is no table {table[:32]}", hint=f"one of {', '.join(NAMES)}")
    return REGISTERS[table]


def _moment(settings: Settings, text: str) -> datetime | None:
    from workers.errors import InvalidInput
    from workers.importing import read_moment

    found = read_moment(text, settings.timezone) if text else None
    if text and found is None:
        raise InvalidInput(f"{text[:32]} is no time", hint="write 2026-05-20, or 2026-05-20 15:00")
    return found


async def _export(
    settings: Settings,
    register: Register,
    file: Path,
    span: tuple[datetime | None, datetime | None],
    locale: str,
    tick: Callable[[int], None],
) -> int:
    from workers.registers import Span, Wording

    wording = Wording(locale, settings.timezone)
    async with workshop_of(settings) as workshop:
        rows = register.rows(workshop, Span(*span), None, wording)
        return await write_table(file, register.heads(wording), rows, tick)


async def _import(
    settings: Settings, register: Register, file: Path, answers: Answers, tick: Callable[[int], None]
) -> None:
    from workers.tables import read_table

    async with workshop_of(settings) as workshop:
        await answers.tell(register.take_in(workshop, read_table(file), dry_run=answers.dry_run, tick=tick))
