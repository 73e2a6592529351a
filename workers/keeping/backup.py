"""Taking a backup while everything runs, and reading one to its end to see that it is whole."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from models.session import head_revision
from workers import __version__
from workers.errors import CloseloopError, Conflict, Unavailable
from workers.keeping.archive import NEW_FILE, Archive, ArchiveWriter, Broken
from workers.keeping.belongings import kept_files, sealed_secrets, shown_settings
from workers.keeping.erased import remember_erased
from workers.keeping.folder import free_name, keys_of
from workers.keeping.plain import Shape, shapes
from workers.keeping.reading import Snapshot, snapshot
from workers.settings import Settings

Told = Callable[[str, int], None]
"""Is told of progress: the table, and how many rows more are done."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was taken. `keys` is None where nobody said how to encrypt them."""

    path: Path
    keys: Path | None
    at: datetime
    tables: int
    rows: int
    size: int
    seconds: float


async def make_backup(
    settings: Settings, folder: Path, now: datetime, *, told: Told | None = None, breath: float = 0
) -> Made:
    """Back up the database as it is at one moment, with settings and files, into a new file of `folder`.

    The file has its name only once it is whole, on the disk and was read again. `breath` are seconds to pause
    after each batch, for those who work meanwhile. Raises Conflict when the database has another schema than
    this program, Unavailable when the folder cannot be written or is full.
    """
    began = time.monotonic()
    with _told_of_the_disk(folder):
        await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
        async with snapshot(settings.database_url) as seen:
            if seen.schema != head_revision():
                raise Conflict(
                    f"the database is at {seen.schema}, this program at {head_revision()}",
                    hint="back up with the version of closeloop that migrated it",
                )
            path = free_name(folder, now, seen.schema)
            tables = await _write(settings, path, now, seen, told, breath)
        await asyncio.to_thread(verify, path)
        keys = _write_keys(settings, path)
        await remember_erased(settings.database_url, folder)
        size = path.stat().st_size
    return Made(path, keys, now, len(tables), sum(tables.values()), size, time.monotonic() - began)


async def _write(
    settings: Settings, path: Path, now: datetime, seen: Snapshot, told: Told | None, breath: float
) -> dict[str, int]:
    head = {
        "made_at": now.isoformat(),
        "schema": seen.schema,
        "version": __version__,
        "database": seen.database,
        "ring_keys": settings.secret_keys.ids,
        "settings": shown_settings(settings),
    }
    with ArchiveWriter(path, head) as archive:
        for shape in shapes():
            await _write_table(archive, shape, seen, told, breath)
        for kept in kept_files(settings):
            archive.add_file(kept.name, kept.data)
        archive.close()
        return archive.tables


async def _write_table(
    archive: ArchiveWriter, shape: Shape, seen: Snapshot, told: Told | None, breath: float
) -> None:
    archive.begin(shape)
    async for rows in seen.rows(shape):
        await asyncio.to_thread(archive.add, rows)
        if told is not None:
            told(shape.table, len(rows))
        await asyncio.sleep(breath)
    archive.end(shape)


def _write_keys(settings: Settings, path: Path) -> Path | None:
    sealed = sealed_secrets(settings)
    if sealed is None:
        return None
    keys = keys_of(path)
    with os.fdopen(os.open(keys, NEW_FILE, 0o600), "wb") as file:
        file.write(sealed)
        file.flush()
        os.fsync(file.fileno())
    return keys


@dataclass(frozen=True, slots=True)
class Verified:
    """What a whole backup says of itself: when (ISO 8601, UTC), of which schema, and rows by table."""

    made_at: str
    schema: str
    version: str
    database: str
    tables: dict[str, int]
    files: int
    size: int


def verify(path: Path) -> Verified:
    """Read a backup from beginning to end; raises Broken when it is not as it was written."""
    with Archive(path) as archive:
        files = sum(1 for part in archive.parts() if not hasattr(part, "rows"))
        head = archive.head
        try:
            said = {name: str(head[name]) for name in ("made_at", "schema", "version", "database")}
        except KeyError:
            raise Broken(f"{path.name} does not say what it is of") from None
        return Verified(**said, tables=archive.tables, files=files, size=path.stat().st_size)


@contextlib.contextmanager
def _told_of_the_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except CloseloopError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"there is no room for a backup in {folder}", hint="make room, or keep fewer"
            ) from error
        raise FolderTrouble(
            f"the backup cannot be written into {folder}: {error.strerror or 'no answer'}",
            hint="does it exist, and may closeloop write there?",
        ) from error


class DiskFull(Unavailable):
    """There is no room for the file."""


class FolderTrouble(Unavailable):
    """The folder cannot be written."""
