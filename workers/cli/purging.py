"""`closeloop purge`: delete what has been kept long enough, now instead of within the hour."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, is_machine_trouble, print_json, print_table, verdict

if TYPE_CHECKING:
    from datetime import datetime

    from workers.privacy.ages import Age
    from workers.purge import Purged
    from workers.settings import Settings

WORDS = {
    "bodies": "rendered messages",
    "raw": "raw events",
    "webhooks": "events told to other systems",
    "communications": "closed communication records",
    "audit": "entries of the audit log",
    "audit_addresses": "addresses in the audit log",
    "sign_ins": "sign-ins",
    "sessions": "ended sessions",
    "customers": "customers who ask no more",
}
NOT_PURGED = (
    "is closeloop scheduler running? its log says purge_failed or customer_not_erased; "
    "closeloop purge does it now"
)


def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete rendered messages and raw events older than CLOSELOOP_KEEP_BODIES_DAYS and _KEEP_RAW_DAYS, and
    communication records closed longer ago than CLOSELOOP_KEEP_COMMUNICATIONS_DAYS (these once a week).

    The audit log, old sign-ins and, with CLOSELOOP_KEEP_CUSTOMERS_DAYS, customers who ask no more go by
    age as well. A running scheduler does it once an hour. What was sent to whom, and when, stays.
    """
    from workers.privacy.ages import keep_days

    settings = find_settings(data)
    gone, more = asyncio.run(_purge(settings, dry_run=dry_run))
    counts = {**asdict(gone), **more}
    found = asyncio.run(_ages(settings)) if dry_run else []
    oldest = {each.what: each.oldest for each in found}
    if as_json:
        print_json({**counts, "dry_run": dry_run, **({"oldest": oldest} if dry_run else {})})
        return
    kept = {**keep_days(settings), "customers": settings.keep_customers_days or "ever"}
    rows = [(WORDS[what], kept[what], counts[what], _day(oldest.get(what))) for what in WORDS]
    titles = ("what", "kept for days", "would be deleted" if dry_run else "deleted", "oldest")
    print_table(titles if dry_run else titles[:3], rows if dry_run else [row[:3] for row in rows], "")


def examine_retention(settings: Settings, *, quiet: bool) -> list[dict[str, Any]]:
    """How old each kind is; what should have gone is told as well unless `quiet`. It fails nothing.

    Relays can be examined before there is a database: then there is nothing to look at.
    """
    from workers.errors import CloseloopError

    try:
        found = asyncio.run(_ages(settings))
    except CloseloopError:
        return []
    except Exception as error:
        if (trouble := is_machine_trouble(error)) is None:
            raise
        if not quiet:
            verdict("warning", f"retention: {trouble[0]}", trouble[1])
        return []
    for each in found if not quiet else ():
        if each.late:
            words = f"kept for {each.keep_days} days, but the oldest are of {_day(each.oldest)}"
            verdict("warning", f"retention: {WORDS[each.what]} are {words}", NOT_PURGED)
    return [asdict(each) for each in found]


def _day(at: datetime | None) -> str:
    return at.date().isoformat() if at else ""


async def _ages(settings: Settings) -> list[Age]:
    from workers.privacy.ages import ages

    async with workshop_of(settings) as workshop:
        return await ages(workshop)


async def _purge(settings: Settings, *, dry_run: bool) -> tuple[Purged, Mapping[str, int]]:
    from workers.privacy.retention import purge_more
    from workers.purge import purge as purge_now

    async with workshop_of(settings) as workshop:
        gone = await purge_now(workshop, dry_run=dry_run)
        return gone, await purge_more(workshop, dry_run=dry_run)
