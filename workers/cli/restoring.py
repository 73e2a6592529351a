"""`closeloop restore`: a backup into an empty database, its keys too; who was erased since goes again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workers.cli.opening import data_folder, find_settings, workshop_of
from workers.cli.output import DataOption, JsonOption, print_json, verdict
from workers.cli.progress import row_bar
from workers.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from workers.keeping import Restored
    from workers.settings import Settings

OTHERS = "restored-settings.env"


def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")],
    keys: Annotated[
        Path | None, typer.Option("--keys", help="Its keys; for when the settings do not hold them.")
    ] = None,
    identity: Annotated[
        Path | None, typer.Option("--identity", help="The private half of the key that the keys open by.")
    ] = None,
    held: Annotated[
        bool, typer.Option("--held", help="Nothing that was waiting leaves by itself; needs test mode.")
    ] = False,
    erased: Annotated[
        Path | None,
        typer.Option("--erased", help="The list of erasures (default: erased.list beside the backup)."),
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a backup into an empty database, SQLite or PostgreSQL; refuses where there is anything.

    Mails that were sent after the backup was taken are waiting in it and would go again: with --held they
    are held until somebody has looked. Who was erased since is erased again.
    """
    if keys is not None:
        _put_keys(keys, identity, data)
    settings = find_settings(data)
    if held and settings.mode == "live":
        raise InvalidInput(
            "--held restores for a look in test mode",
            hint="set CLOSELOOP_MODE=test, go live when all is right",
        )
    beside = erased or file.with_name("erased.list")
    found, again = asyncio.run(_restore(settings, file, beside, held=held, quiet=as_json))
    if as_json:
        print_json(_facts(found, again))
        return
    verdict("good", f"{found.rows} rows of {len(found.tables)} tables, as they were at {found.made_at}")
    if found.under_way:
        words = f"{found.under_way} messages were being sent just then: nobody knows whether they arrived"
        verdict("warning", words, "mails go again with the same Message-ID, SMS wait for you")
    if held:
        verdict("good", f"{found.held} messages are held: look at them in the console, then go live")
    else:
        verdict("warning", "what was sent after the backup was taken goes again", "see --held")
    if again:
        verdict("good", f"{len(again)} customers who had been erased since were erased again")
    if not beside.exists():
        verdict(
            "warning",
            "there was no list of erasures: who was erased since the backup is back",
            "closeloop restore has --erased; or erase them again: closeloop erase",
        )


async def _restore(
    settings: Settings, file: Path, beside: Path, *, held: bool, quiet: bool
) -> tuple[Restored, list[str]]:
    from workers.clock import SystemClock
    from workers.keeping import erase_again, read_erased, restore, verify

    there = await asyncio.to_thread(beside.exists)
    listed = read_erased(beside) if there else frozenset[str]()
    rows = sum((await asyncio.to_thread(verify, file)).tables.values())
    with row_bar("restoring", rows, quiet=quiet) as told:
        found = await restore(settings, file, SystemClock().machine(), held=held, told=told)
    if not listed:
        return found, []
    async with workshop_of(settings) as workshop:
        return found, await erase_again(workshop, listed)


def _facts(found: Restored, again: list[str]) -> dict[str, Any]:
    return {
        "made_at": found.made_at,
        "schema": found.schema,
        "rows": found.rows,
        "tables": found.tables,
        "files": found.files,
        "under_way": found.under_way,
        "held": found.held,
        "erased_again": again,
    }


def _put_keys(keys: Path, identity: Path | None, data: Path | None) -> None:
    """Open the keys; what makes an installation goes to secrets.env, the rest into a file to look at."""
    from workers.keeping import opened, read_secrets
    from workers.settings import known_secrets

    folder = data_folder(data)
    private = identity.read_text("ascii", errors="replace").strip() if identity else ""
    found = read_secrets(opened(keys.read_bytes(), passphrase=_passphrase(), private_key=private))
    own = {name: text for name, text in found.items() if name in ("SECRET_KEYS", "HOOK_TOKEN", "API_KEY")}
    there = known_secrets(folder)
    given = {f"CLOSELOOP_{name}": text for name, text in own.items()}
    if any(there.get(name, text) != text for name, text in given.items()):
        raise Conflict(
            f"there are other keys in {folder}/secrets.env",
            hint="give another --data folder, or move it away",
        )
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "secrets.env", {**there, **given})
    _write(folder / OTHERS, {f"CLOSELOOP_{name}": text for name, text in found.items() if name not in own})


def _passphrase() -> str:
    if path := os.environ.get("CLOSELOOP_BACKUP_PASSPHRASE_FILE"):
        return Path(path).read_text("utf-8").strip()
    return os.environ.get("CLOSELOOP_BACKUP_PASSPHRASE", "")


def _write(path: Path, pairs: Mapping[str, str]) -> None:
    """Readable by its owner only, in one step."""
    spare = path.with_name(f".{path.name}.part")
    with os.fdopen(
        os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.writelines(f"{name}={text}\n" for name, text in pairs.items())
    spare.rename(path)
