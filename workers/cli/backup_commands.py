"""`closeloop backup`: take one now, verify one, list them, make a pair of keys for their keys."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import find_settings
from workers.cli.output import DataOption, JsonOption, console, print_json, print_table, verdict
from workers.cli.progress import row_bar
from workers.errors import InvalidInput

if TYPE_CHECKING:
    from workers.keeping import Made
    from workers.settings import Settings

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--to",
        help="The folder (default: CLOSELOOP_BACKUP_DIR, or backups in the data folder).",
        show_default=False,
    ),
]
NO_KEYS = (
    "its keys are not in it: without CLOSELOOP_SECRET_KEYS nobody can read what customers said",
    "set CLOSELOOP_BACKUP_PASSPHRASE or CLOSELOOP_BACKUP_KEY, or keep the keys elsewhere yourself",
)


def backup(
    context: typer.Context,
    to: FolderOption = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep", min=1, help="Delete all but so many (default: delete none).", show_default=False
        ),
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up the database, settings, templates and policy into one file, while everything runs.

    The same file goes into SQLite and PostgreSQL again. Keys go into a second file, encrypted with
    CLOSELOOP_BACKUP_PASSPHRASE or to CLOSELOOP_BACKUP_KEY. It is read again to the end before it counts.
    """
    if context.invoked_subcommand is not None:
        return
    from workers.keeping import backup_folder, note_backup, rotate

    settings = find_settings(data)
    folder = (to or backup_folder(settings) or settings.data / "backups").expanduser().absolute()
    made = asyncio.run(_backup(settings, folder, quiet=as_json))
    gone = rotate(folder, keep, made.at, settings.keep_backups_days) if keep else []
    asyncio.run(note_backup(settings.database_url, made))
    if as_json:
        print_json({**_facts(made), "deleted": [str(path) for path in gone]})
        return
    size, seconds = made.size / 1e6, made.seconds
    verdict("good", f"{made.path}: {made.rows} rows of {made.tables} tables, {size:.1f} MB, {seconds:.1f} s")
    if made.keys is not None:
        verdict("good", f"{made.keys}: its keys, encrypted; keep both apart")
    else:
        verdict("warning", *NO_KEYS)
    if gone:
        verdict("good", f"{len(gone)} old ones deleted")


def verify(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    as_json: JsonOption = False,
) -> None:
    """Read a backup from beginning to end: is it whole, and as it was written? Exit code 2 when not."""
    from workers.keeping import verify as verify_file

    said = verify_file(file)
    if as_json:
        print_json({"ok": True, "made_at": said.made_at, "schema": said.schema, "tables": said.tables})
        return
    rows = sum(said.tables.values())
    words = f"whole: {rows} rows of {len(said.tables)} tables, made at {said.made_at} by {said.version}"
    verdict("good", f"{file.name} is {words} (schema {said.schema}, {said.database})")


def list_backups(to: FolderOption = None, data: DataOption = None, as_json: JsonOption = False) -> None:
    """List the backups of a folder, newest first."""
    from workers.keeping import backup_folder, backups_in

    settings = find_settings(data)
    folder = to or backup_folder(settings) or settings.data / "backups"
    rows = [
        {
            "file": str(one.path),
            "at": one.at,
            "schema": one.schema,
            "bytes": one.path.stat().st_size,
            "keys": one.keys.exists(),
        }
        for one in backups_in(folder)
    ]
    if as_json:
        print_json(rows)
        return
    shown = [
        (row["file"], row["at"], row["schema"], row["bytes"], "yes" if row["keys"] else "no") for row in rows
    ]
    print_table(("file", "at (UTC)", "schema", "bytes", "keys beside it"), shown, "no backups yet")


def backup_key(
    file: Annotated[Path, typer.Argument(help="Where the private half goes: keep it on another machine.")],
) -> None:
    """Make a pair of keys for the keys of backups; prints the public half, for CLOSELOOP_BACKUP_KEY."""
    from workers.keeping import new_pair

    private, public = new_pair()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InvalidInput(f"{file} is there already", hint="it may open your backups: keep it") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as private_half:
        private_half.write(private + "\n")
    console().print(public, highlight=False, soft_wrap=True)


BACKUP: Mapping[str, Callable[..., Any]] = {
    "": backup,
    "verify": verify,
    "list": list_backups,
    "key": backup_key,
}


def _facts(made: Made) -> dict[str, Any]:
    return {
        "file": str(made.path),
        "keys": str(made.keys) if made.keys else None,
        "tables": made.tables,
        "rows": made.rows,
        "bytes": made.size,
        "seconds": round(made.seconds, 2),
    }


async def _backup(settings: Settings, folder: Path, *, quiet: bool) -> Made:
    from workers.clock import SystemClock
    from workers.keeping import make_backup

    with row_bar("backing up", None, quiet=quiet) as told:
        return await make_backup(settings, folder, SystemClock().machine(), told=told)
