"""`closeloop move`: from SQLite to PostgreSQL, while everything stands still."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, print_json, verdict
from workers.cli.progress import row_bar
from workers.errors import InvalidInput

if TYPE_CHECKING:
    from workers.keeping import Moved
    from workers.settings import Settings


def move(
    to: Annotated[
        str, typer.Option("--to", help="The new database: postgresql://user:password@host/name, empty.")
    ] = "",
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Let processes work on the old database again.")
    ] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move from SQLite to PostgreSQL: all processes must have ended; both sides are compared at the end.

    When it was broken off, the same command goes on. After it no process starts on the old database; the
    file stays as it was.
    """
    from workers.keeping import abandon as stay
    from workers.settings.values import database

    settings = find_settings(data)
    if abandon:
        found = stay(settings.database_url)
        verdict("good", "processes may work here again" if found else "this database was not moved")
        return
    try:
        url = database(to)
    except ValueError as error:
        raise InvalidInput(f"--to {error}") from None
    moved = asyncio.run(_move(settings, url, quiet=as_json))
    if as_json:
        tables = {name: {"rows": rows, "hash": digest} for name, (rows, digest) in moved.tables.items()}
        print_json({"rows": moved.rows, "resumed": moved.resumed, "tables": tables})
        return
    went_on = ", going on from where it was broken off" if moved.resumed else ""
    verdict("good", f"{moved.rows} rows of {len(moved.tables)} tables, the same on both sides{went_on}")
    verdict("good", "now set CLOSELOOP_DATABASE_URL to the new database, and start")


async def _move(settings: Settings, url: str, *, quiet: bool) -> Moved:
    from workers.audit import Noted, write
    from workers.cli.audited import user_name
    from workers.clock import SystemClock
    from workers.keeping import count_rows, move

    with row_bar("moving", await count_rows(settings.database_url), quiet=quiet) as told:
        moved = await move(settings.database_url, url, SystemClock().machine(), told_rows=told)
    async with workshop_of(replace(settings, database_url=url)) as workshop, workshop.begin() as uow:
        details = {"user": user_name()}
        entry = Noted(at=uow.clock.now(), kind="command", action="closeloop move", details=details)
        await write(uow, [entry])
    return moved
