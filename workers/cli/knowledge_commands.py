"""`closeloop knowledge`: entries out to a table, and in from one."""

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
from workers.cli.table_files import whole_file

if TYPE_CHECKING:
    from workers.knowledge import RowResult
    from workers.settings import Settings

WRONG = 2


def export(
    file: Annotated[Path, typer.Argument(help="Where to write: a name ending in .csv.")],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write all knowledge entries as a table, one row for each language; personal data is masked."""
    settings = find_settings(data)
    count = asyncio.run(_export(settings, file))
    if as_json:
        print_json({"rows": count, "file": str(file)})
    else:
        console().print(f"{count} rows written to {file}")


def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV or XLSX with the titles of an export.", exists=True, dir_okay=False)
    ],
    by: Annotated[str, typer.Option(help="Number of the member of staff whose entries these are.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add and change knowledge entries from a table; what is there already changes nothing."""
    settings = find_settings(data)
    results = asyncio.run(_import(settings, file, by, dry_run=dry_run))
    counts = Counter(each.outcome for each in results)
    told = {outcome: counts[outcome] for outcome in ("added", "changed", "same", "wrong")}
    if as_json:
        rows = [asdict(each) for each in results]
        print_json({"ok": not counts["wrong"], "dry_run": dry_run, **told, "rows": rows})
    else:
        verb = "would be" if dry_run else "were"
        console().print(
            f"{told['added']} rows {verb} added, {told['changed']} changed, {told['same']} are there already"
        )
        if counts["wrong"]:
            lines = [f"line {each.line}: {each.words}" for each in results if each.outcome == "wrong"]
            complain("\n".join([f"{counts['wrong']} rows are wrong and {verb} left out", *lines]))
    if counts["wrong"]:
        raise typer.Exit(WRONG)


KNOWLEDGE: Mapping[str, Callable[..., Any]] = {"export": export, "import": import_}


async def _export(settings: Settings, file: Path) -> int:
    from workers.knowledge import COLUMNS, rows
    from workers.tables import csv_chunks

    written = 0

    async def counted() -> Any:
        nonlocal written
        async for page in rows(workshop, None):
            written += len(page)
            yield page

    async with workshop_of(settings) as workshop:
        with whole_file(file) as out:
            async for chunk in csv_chunks(COLUMNS, counted()):
                out.write(chunk)
    return written


async def _import(settings: Settings, file: Path, by: str, *, dry_run: bool) -> list[RowResult]:
    from workers.directory import staff_by_number
    from workers.knowledge import import_rows, read_rows

    async with workshop_of(settings) as workshop:
        async with workshop.read() as uow:
            person = await staff_by_number(uow, by)
        return await import_rows(workshop, read_rows(file), person, dry_run=dry_run)
