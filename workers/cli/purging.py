"""`closeloop purge`: delete what has been kept long enough, now instead of within the hour."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, print_json, print_table

if TYPE_CHECKING:
    from workers.purge import Purged
    from workers.settings import Settings


def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete rendered messages and raw events older than CLOSELOOP_KEEP_BODIES_DAYS and _KEEP_RAW_DAYS, and
    communication records closed longer ago than CLOSELOOP_KEEP_COMMUNICATIONS_DAYS (these once a week).

    A running scheduler does it once an hour. What was sent to whom, and when, stays.
    """
    settings = find_settings(data)
    gone = asyncio.run(_purge(settings, dry_run=dry_run))
    if as_json:
        print_json({**asdict(gone), "dry_run": dry_run})
        return
    rows = (
        ("rendered messages", settings.keep_bodies_days, gone.bodies),
        ("raw events", settings.keep_raw_days, gone.raw),
        ("closed communication records", settings.keep_communications_days, gone.communications),
    )
    print_table(("what", "kept for days", "would be deleted" if dry_run else "deleted"), rows, "")


async def _purge(settings: Settings, *, dry_run: bool) -> Purged:
    from workers.purge import purge as purge_now

    async with workshop_of(settings) as workshop:
        return await purge_now(workshop, dry_run=dry_run)
