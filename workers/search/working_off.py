"""Index what has changed: promised rows in the bulk lane, some hundreds together every few seconds."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, update

from models.search import SearchTask
from models.vocabulary import Lane
from workers.locks import repeated
from workers.promises import claim, retry_pause
from workers.search import documents, index
from workers.search.documents import Document
from workers.search.index import Written
from workers.search.words import tokens
from workers.unit_of_work import UnitOfWork, Workshop
from workers.vault import Vault

log = structlog.get_logger(__name__)

BATCH = 200
LEASE = timedelta(seconds=120)


async def work_off(workshop: Workshop, lane: Lane) -> int:
    """Index a batch of what has changed; gives how many rows were claimed (BATCH: ring again)."""
    async with workshop.begin() as uow:
        rows = await claim(uow, SearchTask, lane, limit=BATCH, lease=LEASE)
    if not rows:
        return 0
    claimed = [(row.id, row.lease_token) for row in rows]
    wanted: dict[str, set[UUID]] = defaultdict(set)
    for row in rows:
        wanted[row.kind].add(row.subject_id)
    try:
        async with workshop.read() as uow:
            found = [each for kind, ids in wanted.items() for each in await documents.read(uow, kind, ids)]
        written = await asyncio.to_thread(hashed, workshop.vault, found)
        there = {each.subject_id for each in found}
        gone = {ident for ids in wanted.values() for ident in ids} - there

        async def store(uow: UnitOfWork) -> None:
            await index.hold_index(uow)
            await index.write(uow, written, gone)
            await _done(uow, claimed)

        await repeated(workshop, store)
    except Exception:
        log.exception("indexing_failed", documents=len(claimed))
        await _later(workshop, claimed, max(row.tries for row in rows))
    return len(rows)


def hashed(vault: Vault, found: Sequence[Document]) -> list[Written]:
    """Each document with the hashes of its words."""
    return [Written(each, set(vault.word_hashes(tokens(each.texts or ())))) for each in found]


async def _done(uow: UnitOfWork, claimed: Sequence[tuple[UUID, UUID | None]]) -> None:
    ids, leases = [ident for ident, _ in claimed], {token for _, token in claimed}
    await uow.session.execute(
        delete(SearchTask)
        .where(SearchTask.id.in_(ids), SearchTask.lease_token.in_(leases))
        .execution_options(synchronize_session=False)
    )


async def _later(workshop: Workshop, claimed: Sequence[tuple[UUID, UUID | None]], tries: int) -> None:
    async with workshop.begin() as uow:
        until = uow.clock.machine() + timedelta(seconds=retry_pause(tries))
        ids, leases = [ident for ident, _ in claimed], {token for _, token in claimed}
        await uow.session.execute(
            update(SearchTask)
            .where(SearchTask.id.in_(ids), SearchTask.lease_token.in_(leases))
            .values(lease_token=None, free_at=until)
            .execution_options(synchronize_session=False)
        )
