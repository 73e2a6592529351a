"""`closeloop customer`: the customer master out to a table, and in from one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, complain, console, print_json

if TYPE_CHECKING:
    from workers.customers import RowResult
    from workers.settings import Settings

WRONG = 2


def export(
    file: Annotated[Path, typer.Argument(help="Where to write: a name ending in .csv or .xlsx.")],
    clear: Annotated[
        bool,
        typer.Option("--clear", help="Names and contacts in clear: keep the file as you keep the database."),
    ] = False,
    level: Annotated[str, typer.Option(help="Only customers of this level.")] = "",
    group: Annotated[str, typer.Option(help="Only customers of this group.")] = "",
    locale: Annotated[
        str, typer.Option(help="Language of the titles: zh_CN or en (default: the team's).")
    ] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the customer master as a table that an import understands; masked, unless --clear is given."""
    from workers.cli.table_files import must_be_table
    from workers.customers import Wanted, Wording

    must_be_table(file)
    settings = find_settings(data)
    wording = Wording(locale or settings.locale, settings.timezone, clear)
    count = asyncio.run(_export(settings, file, Wanted(level=level or None, group=group or None), wording))
    if as_json:
        print_json({"customers": count, "file": str(file), "clear": clear})
    else:
        console().print(f"{count} customers written to {file}")


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or XLSX with 客户编号, 姓名, 邮箱, 手机, 等级 … as `export` writes it.",
            exists=True,
            dir_okay=False,
        ),
    ],
    by: Annotated[str, typer.Option("--by", help="Staff number of who does it, for the history.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter and change customers from a table; each row is answered for, and empty cells change nothing."""
    from rich.progress import Progress

    settings = find_settings(data)
    with Progress(console=console(stderr=True), transient=True, disable=as_json) as progress:
        task = progress.add_task("importing", total=None)
        results = asyncio.run(
            _import(
                settings,
                file,
                by,
                dry_run=dry_run,
                tick=lambda done: progress.update(task, completed=done),
            )
        )
    counts = Counter(each.outcome for each in results)
    if as_json:
        rows = [asdict(each) for each in results]
        print_json({"ok": not counts["wrong"], "dry_run": dry_run, **_counted(counts), "rows": rows})
    else:
        _tell(file, counts, results, dry_run=dry_run)
    if counts["wrong"]:
        raise typer.Exit(WRONG)


CUSTOMER: Mapping[str, Callable[..., Any]] = {"export": export, "import": import_}


def _counted(counts: Counter[str]) -> dict[str, int]:
    return {outcome: counts[outcome] for outcome in ("added", "changed", "known", "wrong")}


def _tell(file: Path, counts: Counter[str], results: list[RowResult], *, dry_run: bool) -> None:
    verb = "would be" if dry_run else "were"
    console().print(
        f"{counts['added']} customers {verb} added, {counts['changed']} changed; "
        f"of {counts['known']} nothing is new"
    )
    wrong = [each for each in results if each.outcome == "wrong"]
    if wrong:
        told = "\n".join(f"line {each.line}: {each.words}" for each in wrong)
        complain(
            f"{len(wrong)} rows of {file.name} are wrong and {verb} left out\n{told}",
            "put them right and import the same file again: nothing is taken in twice",
        )


async def _export(settings: Settings, file: Path, wanted: Any, wording: Any) -> int:
    from workers.cli.table_files import write_table
    from workers.customers import rows

    async with workshop_of(settings) as workshop:
        found = rows(workshop, wanted, None, wording)
        return await write_table(file, wording.titles(), found, lambda _: None)


async def _import(
    settings: Settings, file: Path, by: str, *, dry_run: bool, tick: Callable[[int], None]
) -> list[RowResult]:
    from workers.customers import import_rows
    from workers.directory import staff_by_number
    from workers.tables import read_table

    async with workshop_of(settings) as workshop:
        person = None
        async with workshop.read() as uow:
            if by:
                person = await staff_by_number(uow, by)
        return await import_rows(workshop, read_table(file), by=person, dry_run=dry_run, tick=tick)
