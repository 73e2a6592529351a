"""`closeloop report weak-links`: where time is lost, and what keeps coming."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from workers.cli.figure_commands import CsvOption
from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table

if TYPE_CHECKING:
    from workers.settings import Settings
    from workers.weak_links import WeakLinks

USUAL = timedelta(days=30)
FIELDS = ("category", "phase", "share", "seconds", "mean_seconds", "tickets", "of_tickets", "longest")


def report_weak_links(
    first: Annotated[str, typer.Option("--from", help="First day (default: 30 days ago).")] = "",
    to: Annotated[str, typer.Option("--to", help="Last day, included (default: now).")] = "",
    team: Annotated[str, typer.Option(help="Only this team's requests.")] = "",
    as_csv: CsvOption = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Where the time of requests goes besides work, by category; and problems that keep coming."""
    from workers.text import duration_words

    settings = find_settings(data)
    found, problems = asyncio.run(_weak_links(settings, first, to, team))
    if as_json:
        from workers.web.api.weak_links import report_view

        print_json(report_view(found, problems).model_dump(mode="json"))
        return
    if as_csv:
        csv.writer(sys.stdout).writerows([FIELDS, *_rows(found)])
        return
    titles = ("category", "waits for", "share", "time in all", "on average", "requests", "longest")
    rows = [
        (
            each.category.value if each.category else "(all)",
            one.phase.value,
            f"{100 * one.share:.1f} %",
            duration_words(one.seconds, settings.locale),
            duration_words(one.mean_seconds, settings.locale),
            one.tickets,
            " ".join(one.worst),
        )
        for each in (found.all, *found.categories)
        for one in each.links
    ]
    print_table(titles, rows if found.all.tickets else [], "nothing came in in this time")
    if found.all.tickets < found.requests:
        console().print(f"of {found.requests} requests, {found.all.tickets} that lie evenly were read")
    for each in problems:
        known = f" (see {' '.join(each.entries)})" if each.entries else ""
        console().print(f"{each.cases} cases, {each.customers} customers: {', '.join(each.words)}{known}")


WEAK_LINKS: Mapping[str, Callable[..., Any]] = {"weak-links": report_weak_links}


def _rows(found: WeakLinks) -> list[list[object]]:
    """One row a phase; those of all categories together have none. Seconds as plain numbers."""
    return [
        [
            each.category.value if each.category else "",
            one.phase.value,
            one.share,
            one.seconds,
            one.mean_seconds,
            one.tickets,
            each.tickets,
            " ".join(one.worst),
        ]
        for each in (found.all, *found.categories)
        for one in each.links
        if found.all.tickets
    ]


async def _weak_links(settings: Settings, first: str, to: str, team: str) -> tuple[Any, Any]:
    from workers.cli.duty_commands import moment_in
    from workers.errors import InvalidInput
    from workers.weak_links import repeated_problems, weak_links

    zone = ZoneInfo(settings.timezone)
    async with workshop_of(settings) as workshop, workshop.read() as uow:
        last = moment_in(to, zone, end=True) or uow.clock.now()
        start = moment_in(first, zone) or last - USUAL
        if start >= last:
            raise InvalidInput("--from lies after --to")
        found = await weak_links(uow, start, last, team=team or None)
        return found, await repeated_problems(uow, last)
