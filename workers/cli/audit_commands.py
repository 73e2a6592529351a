"""`closeloop audit`: read, export and verify the log of who saw and changed what."""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from workers.cli.opening import find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, print_json, print_table, verdict
from workers.errors import InvalidInput

if TYPE_CHECKING:
    from workers.audit import Shown, Verified, Wanted
    from workers.settings import Settings

FIELDS = ("at", "kind", "action", "subject", "staff", "key", "status", "details", "seal", "id")
PAGE = 1000
KindOption = Annotated[str, typer.Option(help="view, change, export, sign_in, denied or command.")]
StaffOption = Annotated[str, typer.Option(help="Only what this member of staff did (number).")]
SubjectOption = Annotated[str, typer.Option(help="Only what named this (a ticket's number, a code).")]


def audit_list(
    kind: KindOption = "",
    staff: StaffOption = "",
    subject: SubjectOption = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="So many, the newest first.")] = 50,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest entries of the audit log."""
    settings = find_settings(data)
    found = asyncio.run(_entries(settings, _wanted(kind, staff, subject, limit)))
    if as_json:
        print_json([asdict(each) for each in found])
        return
    zone = ZoneInfo(settings.timezone)
    rows = [
        (
            each.at.astimezone(zone).isoformat(sep=" ", timespec="seconds"),
            each.kind,
            each.staff or each.key or each.details.get("user", ""),
            each.action,
            each.subject,
            each.status,
        )
        for each in found
    ]
    print_table(("at", "kind", "who", "action", "subject", "status"), rows, "nothing is noted yet")


def audit_export(
    kind: KindOption = "", staff: StaffOption = "", subject: SubjectOption = "", data: DataOption = None
) -> None:
    """Write the audit log as CSV on standard output, newest first."""
    asyncio.run(_export(find_settings(data), _wanted(kind, staff, subject, PAGE)))


def audit_verify(
    heads: Annotated[
        Path | None, typer.Option(help="A file of heads that was kept elsewhere (CLOSELOOP_AUDIT_HEADS).")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check every entry and seal; exit code 1 when something was changed, removed or put in."""
    settings = find_settings(data)
    found = asyncio.run(_verify(settings, _heads(heads)))
    if as_json:
        print_json({"ok": not found.findings, **asdict(found)})
    else:
        for each in found.findings:
            verdict("bad", f"{each.what}: seal {each.seal or '-'}, entry {each.entry or '-'}")
        words = f"{found.seals} seals over {found.rows} entries, {found.unsealed} not sealed yet"
        verdict("bad" if found.findings else "good", words)
        if found.head:
            verdict("good", f"newest seal {found.head}")
    asyncio.run(_note(settings, found))  # last: what was found is said even where nothing can be written
    if found.findings:
        raise typer.Exit(1)


AUDIT: Mapping[str, Callable[..., Any]] = {
    "list": audit_list,
    "export": audit_export,
    "verify": audit_verify,
}


def _wanted(kind: str, staff: str, subject: str, limit: int) -> Wanted:
    from workers.audit import KINDS, Wanted

    if kind and kind not in KINDS:
        raise InvalidInput(f"{kind[:20]} is no kind of entry", hint=", ".join(KINDS))
    return Wanted(kind=kind or None, staff=staff or None, subject=subject or None, limit=limit)


def _heads(path: Path | None) -> dict[int, str]:
    from workers.audit.sealing import read_heads

    if path is None:
        return {}
    try:
        return read_heads(path.read_text("utf-8").splitlines())
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(f"{path} is no file of heads", hint="each line is a JSON object") from None


async def _entries(settings: Settings, wanted: Wanted) -> list[Shown]:
    from workers.audit import entries_of

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return await entries_of(uow, wanted)


async def _export(settings: Settings, wanted: Wanted) -> None:
    """Page by page, so that a long log needs no more memory than a short one."""
    from workers.audit import entries_of

    out = csv.writer(sys.stdout)
    out.writerow(FIELDS)
    async with workshop_of(settings) as workshop:
        while True:
            async with workshop.read() as uow:
                found = await entries_of(uow, wanted)
            for each in found:
                out.writerow([_cell(getattr(each, name)) for name in FIELDS])
            if len(found) < wanted.limit:
                return
            wanted = replace(wanted, before=found[-1].id)


def _cell(value: Any) -> str:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    text = "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


async def _verify(settings: Settings, heads: dict[int, str]) -> Verified:
    from workers.audit import verify

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        return await verify(uow, heads)


async def _note(settings: Settings, found: Verified) -> None:
    """The log itself says that it was checked, and what came out."""
    from workers.audit import Noted, outcome_of, write
    from workers.cli.audited import user_name

    async with workshop_of(settings) as workshop, workshop.begin() as uow:
        entry = Noted(
            at=uow.clock.now(),
            kind="command",
            action="closeloop audit verify",
            subject=outcome_of(found),
            details={"user": user_name()},
        )
        await write(uow, [entry])
