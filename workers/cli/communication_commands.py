"""`closeloop communications`: communication records 沟通记录 out to a table, and in from one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, complain, console, print_json

if TYPE_CHECKING:
    from workers.communications import RowResult
    from workers.settings import Settings

WRONG = 2


def export(
    file: Annotated[Path, typer.Argument(help="Where to write: a name ending in .csv or .xlsx.")],
    since: Annotated[
        str, typer.Option("--from", help="Talks from then on (2026-05-20 or with a time).")
    ] = "",
    until: Annotated[str, typer.Option("--to", help="Talks before that.")] = "",
    locale: Annotated[
        str, typer.Option(help="Language of the titles: zh_CN or en (default: the team's).")
    ] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write all records as a table with their own columns; contacts and names are masked."""
    from workers.cli.table_files import must_be_table

    must_be_table(file)
    settings = find_settings(data)
    count = asyncio.run(_export(settings, file, since, until, locale or settings.locale))
    if as_json:
        print_json({"records": count, "file": str(file)})
    else:
        console().print(f"{count} records written to {file}")


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or XLSX with 沟通时间,客户ID,沟通渠道,沟通内容,处理人 …", exists=True, dir_okay=False
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in records from a table, each once however often it is given; what is wrong is listed."""
    from rich.progress import Progress

    settings = find_settings(data)
    with Progress(console=console(stderr=True), transient=True, disable=as_json) as progress:
        task = progress.add_task("importing", total=None)
        results = asyncio.run(
            _import(settings, file, dry_run=dry_run, tick=lambda done: progress.update(task, completed=done))
        )
    counts = Counter(each.outcome for each in results)
    if as_json:
        rows = [asdict(each) for each in results]
        print_json({"ok": not counts["wrong"], "dry_run": dry_run, **_counted(counts), "rows": rows})
    else:
        _tell(file, counts, results, dry_run=dry_run)
    if counts["wrong"]:
        raise typer.Exit(WRONG)


COMMUNICATIONS: Mapping[str, Callable[..., Any]] = {"export": export, "import": import_}


def _counted(counts: Counter[str]) -> dict[str, int]:
    return {outcome: counts[outcome] for outcome in ("added", "known", "wrong")}


def _tell(file: Path, counts: Counter[str], results: list[RowResult], *, dry_run: bool) -> None:
    verb = "would be" if dry_run else "were"
    console().print(f"{counts['added']} records {verb} added, {counts['known']} are there already")
    wrong = [each for each in results if each.outcome == "wrong"]
    if wrong:
        told = "\n".join(f"line {each.line}: {each.words}" for each in wrong)
        complain(
            f"{len(wrong)} rows of {file.name} are wrong and {verb} left out\n{told}",
            "put them right and import the same file again: nothing is taken in twice",
        )


async def _export(settings: Settings, file: Path, since: str, until: str, locale: str) -> int:
    from workers.cli.table_files import write_table
    from workers.communications import Wanted, Wording, rows

    wording = Wording(locale, settings.timezone)
    wanted = Wanted(since=_moment(settings, since), until=_moment(settings, until))
    async with workshop_of(settings) as workshop:
        found = rows(workshop, wanted, None, wording)
        return await write_table(file, wording.titles(), found, lambda _: None)


def _moment(settings: Settings, text: str) -> Any:
    from workers.communications import read_moment
    from workers.errors import InvalidInput

    if not text:
        return None
    found = read_moment(text, settings.timezone)
    if found is None:
        raise InvalidInput(f"{text[:32]} is no time", hint="write 2026-05-20, or 2026-05-20 15:00")
    return found.astimezone(UTC)


async def _import(
    settings: Settings, file: Path, *, dry_run: bool, tick: Callable[[int], None]
) -> list[RowResult]:
    from workers.communications import import_rows, read_table

    async with workshop_of(settings) as workshop:
        return list(await import_rows(workshop, read_table(file), dry_run=dry_run, tick=tick))
