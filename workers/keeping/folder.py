"""The folder of backups: how files in it are called, which are there, which are too many or too old."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"closeloop-(\d{8}T\d{6}Z)-(\w{1,32})(?:\.(\d+))?\.backup")
ERASED = "erased.list"
"""The file of the erasures, beside the backups."""


@dataclass(frozen=True, slots=True)
class Found:
    """A backup in the folder: when it was begun (UTC), of which schema it is, which one of its second."""

    path: Path
    at: datetime
    schema: str
    number: int = 1

    @property
    def keys(self) -> Path:
        """Where its keys lie, if they were written."""
        return keys_of(self.path)


def keys_of(backup: Path) -> Path:
    """Where the keys of a backup lie: the same name, ending in `.keys`."""
    return backup.with_suffix(".keys")


def free_name(folder: Path, at: datetime, schema: str) -> Path:
    """A name for a new backup that nothing has yet."""
    start = f"closeloop-{at.astimezone(UTC):{STAMP}}-{schema}"
    path, number = folder / f"{start}.backup", 1
    while path.exists():
        number += 1
        path = folder / f"{start}.{number}.backup"
    return path


def backups_in(folder: Path) -> list[Found]:
    """The backups in a folder, newest first; other files are none of ours."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and path.is_file():
            at = datetime.strptime(match[1], STAMP).replace(tzinfo=UTC)
            found.append(Found(path, at, match[2], int(match[3] or 1)))
    return sorted(found, key=lambda one: (one.at, one.number, one.path.name), reverse=True)


def surplus(found: Sequence[Found], keep: int, now: datetime, days: int) -> list[Found]:
    """Which of these (newest first) are too many or too old. Never the newest: it may be all there is."""
    return [
        one
        for place, one in enumerate(found)
        if place and (place >= keep or one.at < now - timedelta(days=days))
    ]


def rotate(folder: Path, keep: int, now: datetime, days: int) -> list[Path]:
    """Delete what is too many or too old, with its keys; gives what went."""
    gone = []
    for one in surplus(backups_in(folder), keep, now, days):
        # The keys first: what is left of a rotation that was broken off is a backup, not keys alone.
        one.keys.unlink(missing_ok=True)
        one.path.unlink(missing_ok=True)
        gone.append(one.path)
    return gone
