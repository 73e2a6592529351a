"""`closeloop report`: figures about a period, as a table, CSV or JSON."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from workers.cli.figure_commands import FIGURES
from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, print_json, print_table

if TYPE_CHECKING:
    from workers.reports import OverdueCount
    from workers.settings import Settings

USUAL = timedelta(days=30)


def report_overdue(
    first: Annotated[str, typer.Option("--from", help="First day (default: 30 days ago).")] = "",
    to: Annotated[str, typer.Option("--to", help="Last day, included (default: now).")] = "",
    team: Annotated[str, typer.Option(help="Only the people of this team.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Overdue counts per person: who had the ticket when its limit passed."""
    settings = find_settings(data)
    counts = asyncio.run(_overdue(settings, first, to, team))
    if as_json:
        print_json([asdict(each) for each in counts])
        return
    clocks = list(counts[0].clocks) if counts else []
    titles = ("number", "name", "team", "overdue", *clocks)
    rows = [
        (each.staff or "(nobody)", each.name, each.team, each.total, *(each.clocks[name] for name in clocks))
        for each in counts
    ]
    if as_csv:
        csv.writer(sys.stdout).writerows([titles, *[[_plain(cell) for cell in row] for row in rows]])
    else:
        print_table(titles, rows, "no limit passed unmet in this time")


REPORT: Mapping[str, Callable[..., Any]] = {"overdue": report_overdue, **FIGURES}


def _plain(cell: object) -> object:
    """A name that a spreadsheet would run as a formula is text."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t") else cell


async def _overdue(settings: Settings, first: str, to: str, team: str) -> list[OverdueCount]:
    from workers.cli.duty_commands import moment_in
    from workers.errors import InvalidInput
    from workers.reports import overdue_counts

    zone = ZoneInfo(settings.timezone)
    async with workshop_of(settings) as workshop, workshop.read() as uow:
        last = moment_in(to, zone, end=True) or uow.clock.now()
        start = moment_in(first, zone) or last - USUAL
        if start >= last:
            raise InvalidInput("--from lies after --to")
        return await overdue_counts(uow, start, last, team=team or None)
