"""What `closeloop doctor` says of backups: when the last one was, what is wrong, what would be unreadable."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

from workers.cli.output import is_machine_trouble, verdict

if TYPE_CHECKING:
    from workers.settings import Settings

NONE_BY_ITSELF = "no backups are taken by themselves"
LITTLE = 0.05
"""Share of a disk that is free; below it is said so."""


def examine_backups(settings: Settings, *, quiet: bool) -> dict[str, Any]:
    """When the last backup was taken and what is wrong, told as well unless `quiet`. It fails nothing.

    Before there is a database there is nothing to look at.
    """
    from workers.errors import CloseloopError
    from workers.keeping import backup_folder

    folder = backup_folder(settings)
    found: dict[str, Any] = {"folder": str(folder) if folder else None, "last": None, "fault": None}
    try:
        found |= asyncio.run(_last(settings))
    except CloseloopError:
        return found
    except Exception as error:
        if (trouble := is_machine_trouble(error)) is None:
            raise
        if not quiet:
            verdict("warning", f"backups: {trouble[0]}", trouble[1])
        return found
    found["keys_encrypted"] = bool(settings.backup_key or settings.backup_passphrase)
    place = folder if folder is not None and folder.is_dir() else settings.data
    if place.is_dir():
        usage = shutil.disk_usage(place)
        found["disk_free"] = round(usage.free / usage.total, 3)
    for words, hint in _findings(found) if not quiet else ():
        verdict("warning", f"backups: {words}", hint)
    return found


def _findings(found: dict[str, Any]) -> list[tuple[str, str]]:
    lines = []
    if found["folder"] is None:
        lines.append(
            (NONE_BY_ITSELF, "set CLOSELOOP_BACKUP_DIR, or see to it with tools of PostgreSQL's own")
        )
    elif found["fault"]:
        lines.append(
            (f"{found['fault']}, the last good one is of {found['last'] or 'never'}", found["folder"])
        )
    elif found["late"]:
        lines.append((f"the last one is of {found['last'] or 'never'}", "is closeloop scheduler running?"))
    if found["folder"] is not None and not found["keys_encrypted"]:
        hint = "set CLOSELOOP_BACKUP_PASSPHRASE or CLOSELOOP_BACKUP_KEY"
        lines.append(("the keys are not in them: without CLOSELOOP_SECRET_KEYS nobody can read them", hint))
    if found.get("disk_free", 1) < LITTLE:
        lines.append((f"only {found['disk_free']:.0%} of the disk are free", "make room before it is full"))
    return lines


async def _last(settings: Settings) -> dict[str, Any]:
    from models.keeping import Chore
    from workers.attention import What, look_around
    from workers.cli.opening import workshop_of

    async with workshop_of(settings) as workshop, workshop.read() as uow:
        row = await uow.session.get(Chore, "backup")
        counts, items = await look_around(uow, None, 1, (What.BACKUP,))
        return {
            "last": row.done_at.isoformat() if row and row.done_at else None,
            "fault": row.fault if row else None,
            "late": bool(counts[What.BACKUP]) and items[0].reason == "backup_late",
        }
