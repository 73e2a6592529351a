"""Seals the audit log now and then: a chain in which no row can be changed, removed or put in unnoticed.

Rows are sealed once they are committed, whoever wrote them, in order of their ids. The chain is keyed, so
that whoever can only write to the database cannot make a new one; who has the master keys too could. So the
heads go to the program's log and, with CLOSELOOP_AUDIT_HEADS, to a file that may lie elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update

from models.bulk import among
from models.privacy import AuditEntry, AuditSeal
from workers.audit.entries import row_hash
from workers.locks import hold
from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

MOST = 2_000
"""Rows under one seal."""
EVERY = timedelta(minutes=5)
ID_BYTES, HASH_BYTES = 16, 32
LEAF = ID_BYTES + HASH_BYTES
FIRST = bytes(HASH_BYTES)
"""What stands before the first seal."""


async def seal(workshop: Workshop) -> int:
    """Seal what is not sealed yet; gives how many seals were set. One at a time: others wait."""
    made = 0
    while True:
        async with workshop.begin() as uow:
            head = await _seal_next(uow)
        if head is None:
            return made
        made += 1
        log.info("audit_sealed", **head)
        if workshop.settings.audit_heads is not None:
            await asyncio.to_thread(_append, workshop.settings.audit_heads, head)
        if head["rows"] < MOST:
            return made


async def _seal_next(uow: UnitOfWork) -> dict[str, Any] | None:
    await hold(uow, ["audit seal"])
    unsealed = select(AuditEntry).where(AuditEntry.seal.is_(None)).order_by(AuditEntry.id).limit(MOST)
    rows = list(await uow.session.scalars(unsealed))
    if not rows:
        return None
    last = await uow.session.scalar(select(AuditSeal).order_by(AuditSeal.number.desc()).limit(1))
    leaves = b"".join(row.id.bytes + row_hash(uow, row) for row in rows)
    number, previous = (last.number + 1, last.digest) if last else (1, FIRST)
    made = AuditSeal(
        number=number,
        at=uow.clock.now(),
        rows=len(rows),
        leaves=leaves,
        leaves_digest=hashlib.sha256(leaves).digest(),
        previous=previous,
    )
    made.digest = seal_digest(uow, made)
    await uow.add(made)
    ids = [row.id for row in rows]
    await uow.session.execute(
        update(AuditEntry)
        .where(among(uow.session, AuditEntry.id, ids))
        .values(seal=number)
        .execution_options(synchronize_session=False)
    )
    return {"number": number, "at": made.at.isoformat(), "rows": len(rows), "digest": made.digest.hex()}


def seal_digest(uow: UnitOfWork, row: AuditSeal) -> bytes:
    """What a seal's `digest` must be by the rest of it."""
    said = [row.number, row.at.isoformat(), row.rows, row.leaves_digest.hex(), row.previous.hex()]
    return uow.vault.audit_hash("seal", json.dumps(said))


def leaves_of(row: AuditSeal) -> dict[UUID, bytes]:
    """The ids under a seal with the keyed hashes of their rows; empty once they were purged."""
    raw = row.leaves or b""
    return {
        UUID(bytes=raw[at : at + ID_BYTES]): raw[at + ID_BYTES : at + LEAF] for at in range(0, len(raw), LEAF)
    }


def _append(path: Path, head: dict[str, Any]) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(head) + "\n")
    except OSError as error:
        log.error("audit_head_not_kept", error=type(error).__name__, number=head["number"])  # noqa: TRY400 - no traceback: it names a path only


def read_heads(lines: Sequence[str]) -> dict[int, str]:
    """The digests of a file of heads, by number. Raises ValueError for what is none."""
    found = [json.loads(line) for line in lines if line.strip()]
    return {int(each["number"]): str(each["digest"]) for each in found}


class Sealing:
    """Seals every five minutes. Several may run: each finds what is left."""

    def __init__(self, workshop: Workshop, *, every: timedelta = EVERY) -> None:
        self._workshop = workshop
        self._every = every

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Errors of the database are logged, and it is tried again."""
        while not stop.is_set():
            try:
                await seal(self._workshop)
            except Exception:
                log.exception("audit_not_sealed")
            try:
                await asyncio.wait_for(stop.wait(), self._every.total_seconds())
            except TimeoutError:
                continue
