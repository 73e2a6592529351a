"""`closeloop verdicts`: recompute each ticket's clocks from its log, and say where stored ones differ."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table, verdict

if TYPE_CHECKING:
    from uuid import UUID

    from workers.settings import Settings
    from workers.tickets.auditing import Audited

MOST_SHOWN = 200


def verdicts(
    number: Annotated[str, typer.Argument(metavar="[NUMBER]", help="Only this ticket (CS…).")] = "",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute clocks and verdicts from the append-only log; exit code 1 when a stored one differs.

    Nothing is changed. Tickets that an earlier version began, whose log does not say by what it was judged,
    are counted and left alone.
    """
    found = asyncio.run(_audit(find_settings(data), number, quiet=as_json))
    if as_json:
        print_json(found)
    else:
        _tell(found)
    if found["differences"]:
        raise typer.Exit(1)


async def _audit(settings: Settings, number: str, *, quiet: bool) -> dict[str, Any]:
    from rich.progress import Progress
    from sqlalchemy import func, select

    from models.tickets import Ticket
    from workers.errors import NotFound
    from workers.tickets.auditing import audit_batch

    result: dict[str, Any] = {"tickets": 0, "clocks": 0, "lines": 0, "begun_before": 0, "differences": []}
    async with workshop_of(settings) as workshop:
        async with workshop.read() as uow:
            total = 1 if number else await uow.session.scalar(select(func.count()).select_from(Ticket))
        # Standard output may be a file or a pipe: how far it is belongs on the other one.
        with Progress(console=console(stderr=True), disable=quiet, transient=True) as bar:
            task = bar.add_task("tickets", total=total)
            after: UUID | None = None
            while True:
                async with workshop.read() as uow:
                    batch = await audit_batch(uow, after=after, number=number)
                _add(result, batch)
                bar.advance(task, len(batch))
                if not batch or number:
                    break
                after = batch[-1].ticket_id
    if number and not result["tickets"]:
        raise NotFound(f"there is no ticket {number[:24]}", hint="numbers look like CS202405200001")
    return result


def _add(result: dict[str, Any], batch: list[Audited]) -> None:
    for one in batch:
        result["tickets"] += 1
        result["clocks"] += one.clocks
        result["lines"] += one.lines
        result["begun_before"] += not one.known
        result["differences"] += [
            {
                "ticket": one.number,
                "clock": each.clock,
                "generation": each.generation,
                "what": each.what,
                "stored": each.stored,
                "recomputed": each.counted,
            }
            for each in one.differences
        ]


def _tell(found: dict[str, Any]) -> None:
    differences = found["differences"]
    counts = (
        f"{found['clocks']} clocks of {found['tickets']} tickets, from {found['lines']} lines of their logs"
    )
    if found["begun_before"]:
        words = f"{found['begun_before']} tickets were begun by a version whose log does not tell enough"
        verdict("warning", words, "their verdicts stand as they were stored")
    if not differences:
        verdict("good", f"{counts}: every verdict is what the log says")
        return
    verdict(
        "bad", f"{counts}: {len(differences)} stored otherwise", "closeloop explain NUMBER tells the story"
    )
    titles = ("ticket", "clock", "generation", "what", "stored", "recomputed")
    print_table(titles, [tuple(each.values()) for each in differences[:MOST_SHOWN]], "")
