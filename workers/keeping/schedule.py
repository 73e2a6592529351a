"""Backups by themselves: once in so many hours one process takes one, old ones go, failure is noted."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from models.session import head_revision, is_sqlite, schema_revision
from workers.clock import Clock
from workers.errors import CloseloopError
from workers.keeping.archive import Broken
from workers.keeping.backup import DiskFull, FolderTrouble, make_backup
from workers.keeping.erased import remember_erased
from workers.keeping.folder import rotate
from workers.keeping.noting import note_backup, note_failure, take_turn
from workers.settings import Settings

log = structlog.get_logger(__name__)

LOOK = timedelta(minutes=5)
"""How often it is asked whether a backup is due; also, how soon an erasure is on the list."""
PAUSE = timedelta(minutes=30)
"""After a failure, before the next try."""
BREATH = 0.005
"""Seconds between two batches: whoever serves comes first."""


def backup_folder(settings: Settings) -> Path | None:
    """Where backups go by themselves: CLOSELOOP_BACKUP_DIR, for SQLite else `backups` in the data folder.

    None on PostgreSQL without the setting: there the operator has tools of the database's own.
    """
    if settings.backup_dir is not None:
        return settings.backup_dir
    return settings.data / "backups" if is_sqlite(settings.database_url) else None


class Backups:
    """Takes backups when they are due. Any number may run: the database says whose turn it is."""

    def __init__(self, settings: Settings, clock: Clock, *, look: timedelta = LOOK) -> None:
        self._settings = settings
        self._clock = clock
        self._look = look
        self._folder = backup_folder(settings)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; the first look comes after a while, since a start has other things to do."""
        while self._folder is not None:
            try:
                await asyncio.wait_for(stop.wait(), self._look.total_seconds())
                return
            except TimeoutError:
                await self.round()

    async def round(self) -> None:
        """One look. Never raises but for cancellation."""
        try:
            await self._round()
        except Exception as error:
            # The database is away: nobody can note it there, and others say so loudly enough.
            log.warning("backup_not_looked_after", error=type(error).__name__)

    async def _round(self) -> None:
        folder, url = self._folder, self._settings.database_url
        if folder is None or await asyncio.to_thread(schema_revision, url) != head_revision():
            return  # a newer version works here as well, and does it
        now = self._clock.machine()
        if await take_turn(url, now, timedelta(hours=self._settings.backup_hours)):
            await self._take(folder, now)
        elif await asyncio.to_thread(folder.is_dir):
            await remember_erased(url, folder)

    async def _take(self, folder: Path, now: datetime) -> None:
        url = self._settings.database_url
        try:
            made = await make_backup(self._settings, folder, now, breath=BREATH)
        except Exception as error:
            fault = fault_of(error)
            log.warning("backup_failed", fault=fault, error=type(error).__name__)
            await note_failure(url, now, fault, self._clock.machine() + PAUSE)
            return
        await note_backup(url, made)
        keep, days = self._settings.backup_keep, self._settings.keep_backups_days
        gone = await asyncio.to_thread(rotate, folder, keep, now, days)
        log.info(
            "backup_taken", rows=made.rows, bytes=made.size, seconds=round(made.seconds, 1), deleted=len(gone)
        )


def fault_of(error: Exception) -> str:
    """A code for why a backup failed."""
    kinds = ((DiskFull, "disk_full"), (FolderTrouble, "folder_refused"), (Broken, "backup_damaged"))
    found = next((code for kind, code in kinds if isinstance(error, kind)), None)
    return found or ("backup_refused" if isinstance(error, CloseloopError) else "backup_failed")
