"""Putting a backup into an empty database, and what has to be settled before anything runs on it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from models.crypto import KeyRing, Tampered, UnknownKey
from models.session import head_revision, is_sqlite, migrate, schema_revision
from workers.errors import Conflict, InvalidInput
from workers.keeping.archive import Archive, Kept, Rows
from workers.keeping.backup import Told, verify
from workers.keeping.belongings import put_back
from workers.keeping.plain import NOT_KEPT, PlainRow, Shape
from workers.keeping.reading import sqlite_file
from workers.keeping.settling import note_restored, settle
from workers.keeping.writing import Target, target
from workers.settings import Settings

ANOTHER = "give an empty database: another --data folder, or another CLOSELOOP_DATABASE_URL"


@dataclass(slots=True)
class Restored:
    """What was put back, and what was settled: how many messages were under way, or are held."""

    made_at: str
    schema: str
    rows: int = 0
    tables: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    under_way: int = 0
    held: int = 0


async def restore(
    settings: Settings, path: Path, now: datetime, *, held: bool = False, told: Told | None = None
) -> Restored:
    """Put the backup `path` into the empty database of `settings`, all or nothing, and bring it up to date.

    `now` is machine time. With `held` no message that was waiting leaves by itself. Raises Broken for a
    backup that is not whole, Conflict when the database is not empty, InvalidInput when the keys do not fit.
    """
    said = await asyncio.to_thread(verify, path)
    if said.schema > head_revision():
        raise Conflict(
            f"the backup is of the schema {said.schema}, this program knows up to {head_revision()}",
            hint="restore it with the version of closeloop that made it, or a newer one",
        )
    await asyncio.to_thread(_check_keys, path, settings.secret_keys)
    url = settings.database_url
    await _must_be_empty(url, said.schema)
    await asyncio.to_thread(migrate, url, said.schema)
    done = Restored(said.made_at, said.schema)
    async with target(url) as filled:
        await _still_empty(filled, said.tables)
        await _fill(filled, path, settings.data, done, told)
        done.under_way, done.held = await settle(filled, said.tables, held=held)
    await asyncio.to_thread(migrate, url)
    await note_restored(url, now, said.made_at, held=held)
    return done


async def _fill(filled: Target, path: Path, data: Path, done: Restored, told: Told | None) -> None:
    archive = await asyncio.to_thread(Archive, path)
    with archive:
        parts = archive.parts()
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            if isinstance(part, Kept):
                written = await asyncio.to_thread(put_back, data, part)
                done.files += [str(written)] if written else []
            elif part.shape.table not in NOT_KEPT:
                await _insert(filled, part)
                done.rows += len(part.rows)
                if told is not None:
                    told(part.shape.table, len(part.rows))
        done.tables = archive.tables


async def _insert(filled: Target, part: Rows) -> None:
    try:
        await filled.insert(part.shape, part.rows)
    except ValueError as error:
        raise InvalidInput(f"a row of {part.shape.table} does not fit into the database") from error


async def _must_be_empty(url: str, schema: str) -> None:
    if is_sqlite(url) and not await asyncio.to_thread(sqlite_file(url).exists):
        return
    found = await asyncio.to_thread(schema_revision, url)
    if found not in (None, schema):
        raise Conflict(f"the database has tables already, of schema {found}", hint=ANOTHER)


async def _still_empty(filled: Target, tables: Collection[str]) -> None:
    """Looked at in the transaction that fills it: nobody comes in between."""
    for table in sorted(set(tables) - NOT_KEPT):
        if await filled.run(f'SELECT count(*) FROM "{table}"'):  # noqa: S608 - names of a verified backup
            raise Conflict(f"the database is not empty: there are rows in {table}", hint=ANOTHER)


def _check_keys(path: Path, ring: KeyRing) -> None:
    """The installation's own keys in the backup open with the ring of the settings."""
    for row in _own_keys(path):
        try:
            ring.unwrap(str(row["ring_key"]), row["wrapped"] or b"")
        except UnknownKey:
            raise InvalidInput(
                f"the keys of the settings lack '{row['ring_key']}', by which the backup is sealed",
                hint="give the keys of the backup: closeloop restore FILE --keys FILE.keys",
            ) from None
        except Tampered:
            raise InvalidInput(
                f"the key '{row['ring_key']}' of the settings is not the one by which the backup is sealed",
                hint="give the keys of the backup: closeloop restore FILE --keys FILE.keys",
            ) from None


def _own_keys(path: Path) -> Sequence[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    with Archive(path) as archive:
        for part in archive.parts():
            if isinstance(part, Rows) and part.shape.table == "data_keys":
                rows = (_named(part.shape, row) for row in part.rows)
                found += [row for row in rows if row["purpose"] and row["wrapped"]]
            elif found:
                break
    return found


def _named(shape: Shape, row: PlainRow) -> Mapping[str, Any]:
    return dict(zip(shape.columns, row, strict=True))
