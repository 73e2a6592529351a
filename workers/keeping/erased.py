"""Who was erased, as a list beside the backups: an old backup brings nobody back.

Each line is a commitment to a customer's id and the moment of the erasure, so the list says nothing about
anybody: only who holds the id, which is in the backup itself, can tell whose line it is. It only grows.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from models.people import Customer
from workers.errors import InvalidInput
from workers.keeping.folder import ERASED
from workers.keeping.reading import plain_engine

PURPOSE = b"closeloop erased customer\x00"
_LINE = re.compile(r"([0-9a-f]{64}) (\S{10,40})")


def commitment(customer_id: UUID) -> str:
    """SHA-256 of an id, which has 74 random bits (RFC 9562 §5.7): nobody finds it by trying."""
    return hashlib.sha256(PURPOSE + customer_id.bytes).hexdigest()


async def remember_erased(url: str, folder: Path) -> int:
    """Add those whom the list in `folder` does not know yet; gives how many. Raises OSError."""
    engine = plain_engine(url)
    try:
        async with engine.connect() as connection:
            rows = await connection.execute(
                select(Customer.id, Customer.erased_at).where(Customer.erased_at.is_not(None))
            )
            found = {commitment(ident): at for ident, at in rows if at is not None}
    finally:
        await engine.dispose()
    return await asyncio.to_thread(_add, folder / ERASED, found)


def _add(path: Path, found: Mapping[str, datetime]) -> int:
    """The file is replaced in one step: whoever reads it sees a whole list."""
    text = path.read_text("ascii") if path.exists() else ""
    known = read_erased(path) if text else frozenset()
    new = sorted((at.astimezone(UTC).isoformat(), one) for one, at in found.items() if one not in known)
    if new or not path.exists():
        spare = path.with_name(f".{path.name}.part")
        with os.fdopen(
            os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii"
        ) as file:
            file.writelines([text, *(f"{one} {at}\n" for at, one in new)])
            file.flush()
            os.fsync(file.fileno())
        spare.rename(path)
    return len(new)


def read_erased(path: Path) -> frozenset[str]:
    """The commitments of a list. Raises InvalidInput for anything else than such a list."""
    found = set()
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise InvalidInput(
                f"line {number} of {path.name} is no erasure", hint="it is a list of closeloop's own"
            )
        found.add(match[1])
    return frozenset(found)


def among_erased(ids: Iterable[UUID], erased: Collection[str]) -> list[UUID]:
    """Those ids that the list names."""
    return [ident for ident in ids if commitment(ident) in erased]
