"""`closeloop survey ask`: look back, and ask people about what was resolved for them (row D1)."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from workers.settings import Settings
    from workers.surveys.looking_back import Wanted
    from workers.unit_of_work import Workshop

BATCH = 50
_WITHIN = re.compile(r"([1-9][0-9]{0,3})([hd])", re.ASCII)


def ask(
    category: Annotated[str, typer.Option("--category", help="Code, label or alias; default: all.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="Kind within the category, like returns.")] = "",
    group: Annotated[str, typer.Option("--group", help="Customer group.")] = "",
    team: Annotated[str, typer.Option("--team", help="Name of the team.")] = "",
    within: Annotated[
        str, typer.Option("--resolved-within", help="How far to look back: 30d or 72h, at most 366d.")
    ] = "30d",
    return_visit: Annotated[
        bool, typer.Option("--return-visit", help="Ask what return visits 定期回访 ask.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count who would be asked.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for a rating of what was resolved lately, once per result; the fatigue cap holds as ever."""
    from workers.surveys.looking_back import Wanted

    settings = find_settings(data)
    wanted = Wanted(
        category=category,
        kind=kind,
        group=group,
        team=team,
        within=_length(within),
        touchpoint="return_visit" if return_visit else None,
    )
    counted = asyncio.run(_ask(settings, wanted, dry_run=dry_run, quiet=as_json))
    if as_json:
        print_json({**counted, "dry_run": dry_run})
        return
    words = {"asked": "would be asked" if dry_run else "asked", "passed_over": "changed meanwhile"}
    print_table(("result", "tickets"), [(words[name], count) for name, count in counted.items()], "")


def _length(text: str) -> timedelta:
    from workers.errors import InvalidInput

    found = _WITHIN.fullmatch(text.strip())
    length = timedelta(**{"hours" if found[2] == "h" else "days": int(found[1])}) if found else None
    if length is None or length > timedelta(days=366):
        raise InvalidInput(f"{text[:20]!r} is no time to look back", hint="write 30d or 72h, 366d at most")
    return length


async def _ask(settings: Settings, wanted: Wanted, *, dry_run: bool, quiet: bool) -> dict[str, int]:
    from rich.progress import Progress

    from workers.surveys.looking_back import not_asked_yet

    counted: Counter[str] = Counter(asked=0, passed_over=0)
    async with workshop_of(settings) as workshop:
        async with workshop.read() as uow:
            idents = await not_asked_yet(uow, wanted)
        if dry_run:
            return {"asked": len(idents), "passed_over": 0}
        with Progress(console=console(stderr=True), transient=True, disable=quiet) as progress:
            task = progress.add_task("asking", total=len(idents))
            for start in range(0, len(idents), BATCH):
                batch = idents[start : start + BATCH]
                asked = await _ask_batch(workshop, batch, wanted)
                counted["asked"] += asked
                counted["passed_over"] += len(batch) - asked
                progress.advance(task, len(batch))
    return dict(counted)


async def _ask_batch(workshop: Workshop, batch: Sequence[UUID], wanted: Wanted) -> int:
    from workers.locks import repeated
    from workers.surveys.looking_back import ask_all

    return await repeated(workshop, lambda uow: ask_all(uow, batch, wanted.touchpoint))


SURVEY = {"ask": ask}
