"""`closeloop migrate`: bring the database to the newest schema, or say what that would do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import make_settings, must_be_migrated
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table, verdict
from workers.errors import Conflict, Unavailable

if TYPE_CHECKING:
    from workers.running import Alive
    from workers.settings import Settings

KNOWS = "0034"
"""From this schema on processes say that they are there."""


def migrate(
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the database to the newest schema; does nothing when it is there.

    Processes may go on meanwhile: only a migration that contracts, which takes away what an earlier version
    uses, wants those of earlier versions to have ended, and is refused before that.
    """
    from models.session import head_revision
    from models.session import migrate as bring_up_to_date

    settings = make_settings(data)
    facts, old = _plan(settings)
    if plan:
        _show(facts, as_json=as_json)
        return
    contracts = [step["revision"] for step in facts["steps"] if step["contract"]]
    if contracts and old:
        raise Conflict(
            f"{', '.join(contracts)} takes away what still runs here: {', '.join(one.name for one in old)}",
            hint="bring these processes to this version first, or stop them; a killed one is forgotten soon",
        )
    try:
        bring_up_to_date(settings.database_url)
    except Exception as error:
        if getattr(getattr(error, "orig", None), "sqlstate", None) == "55P03":
            hint = "nothing was changed: see who holds it (pg_stat_activity), then run this again"
            raise Unavailable("somebody holds a table for long, and nobody was kept waiting", hint) from None
        raise
    must_be_migrated(settings)
    before, after = facts["at"], max(head_revision(), facts["at"] or "")
    if as_json:
        print_json({"before": before, "after": after, "changed": before != after})
        return
    words = f"the database is at {after}" + ("" if before == after else f" (it was at {before or 'nothing'})")
    console().print(words)


def _plan(settings: Settings) -> tuple[dict[str, Any], list[Alive]]:
    """Where the database is, what is left to do, who works on it; who of these is of an earlier version."""
    from sqlalchemy import make_url

    from models.revisions import after
    from models.session import head_revision, is_sqlite, schema_revision
    from workers.clock import SystemClock
    from workers.keeping.presence import alive

    url = settings.database_url
    there = not is_sqlite(url) or Path(str(make_url(url).database)).exists()
    at = schema_revision(url) if there else None
    running = asyncio.run(alive(url, SystemClock().machine())) if (at or "") >= KNOWS else []
    head = head_revision()
    steps = [
        {"revision": one.number, "does": one.says, "contract": one.contract}
        for one in after(at)
        if at is None or one.number > at
    ]
    facts: dict[str, Any] = {
        "at": at,
        "head": head,
        "steps": steps,
        "running": [{"process": one.name, "version": one.version, "schema": one.schema} for one in running],
    }
    return facts, [one for one in running if one.schema < head]


def _show(facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    rows = [
        (step["revision"], "contract" if step["contract"] else "expand", step["does"])
        for step in facts["steps"]
    ]
    print_table(("revision", "kind", "does"), rows, f"the database is at {facts['at']}: nothing to do")
    for one in facts["running"]:
        verdict("good", f"{one['process']} runs version {one['version']} (schema {one['schema']})")
