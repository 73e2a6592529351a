"""Make the index anew from what is kept: batch by batch, while everything goes on; broken off, it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select

from models.communications import Communication
from models.knowledge import KnowledgeEntry
from models.search import SearchBucket, SearchDocument, SearchList, SearchState
from models.tickets import Ticket
from workers.search import documents, index
from workers.search.documents import COMMUNICATION, KINDS, KNOWLEDGE, TICKET
from workers.search.working_off import hashed
from workers.unit_of_work import UnitOfWork, Workshop

NAME = "rebuild"
BATCH = 250
BREATH = 0.02
"""Seconds between two batches: whoever waits to write comes first."""
TABLES: dict[str, Any] = {TICKET: Ticket, COMMUNICATION: Communication, KNOWLEDGE: KnowledgeEntry}


@dataclass(frozen=True, slots=True)
class Progress:
    """How many things have been read, of how many; `resumed` says that an earlier start was gone on with."""

    done: int
    total: int
    resumed: bool


async def rebuild(
    workshop: Workshop, tick: Callable[[Progress], None], *, anew: bool = False, batches: int | None = None
) -> Progress:
    """Index everything there is, and take away what is there no more; where it was broken off, it goes on.

    `anew` empties the index first: needed when its hashes themselves are wrong (another lookup key). After so
    many `batches` it stops, to be gone on with. Nothing is lost meanwhile: what changes is indexed as ever.
    """
    async with workshop.begin() as uow:
        state, resumed = await _begin(uow, anew=anew)
        totals = [
            await uow.session.scalar(select(func.count()).select_from(each)) for each in TABLES.values()
        ]
    total = sum(each or 0 for each in totals)
    progress = Progress(state.done, total, resumed)
    while batches is None or batches > 0:
        tick(progress)
        state, more = await _batch(workshop, state)
        progress = Progress(state.done, max(total, state.done), resumed)
        if not more:
            await _sweep(workshop)
            break
        batches = None if batches is None else batches - 1
        await asyncio.sleep(BREATH)
    tick(progress)
    return progress


async def _begin(uow: UnitOfWork, *, anew: bool) -> tuple[SearchState, bool]:
    await index.hold_index(uow)
    if anew:
        for table in (SearchBucket, SearchList, SearchDocument):
            await uow.session.execute(delete(table).execution_options(synchronize_session=False))
    state = await uow.session.get(SearchState, NAME)
    if state is not None and state.ended_at is None and not anew:
        return state, True
    now = uow.clock.now()
    if state is None:
        state = SearchState(name=NAME, kind=KINDS[0], last_id=None, done=0, began_at=now, ended_at=None)
        await uow.add(state)
    else:
        state.kind, state.last_id, state.done, state.began_at, state.ended_at = KINDS[0], None, 0, now, None
    return state, False


async def _batch(workshop: Workshop, state: SearchState) -> tuple[SearchState, bool]:
    """Index the next ones; how far it has come then, and whether more is left.

    Read and hashed before the transaction that writes: nobody waits for it meanwhile.
    """
    table, kind, last = TABLES[state.kind], state.kind, state.last_id
    query = select(table.id).order_by(table.id).limit(BATCH)
    async with workshop.read() as uow:
        ids: list[UUID] = list(await uow.session.scalars(query.where(table.id > last) if last else query))
        found = await documents.read(uow, kind, ids)
    written = await asyncio.to_thread(hashed, workshop.vault, found)
    async with workshop.begin() as uow:
        await index.hold_index(uow)
        row = await uow.session.get_one(SearchState, NAME)
        await index.write(uow, written)
        if (row.kind, row.last_id) == (kind, last):
            _go_on(uow, row, ids)
        more = row.ended_at is None
    return row, more


def _go_on(uow: UnitOfWork, state: SearchState, ids: Sequence[UUID]) -> None:
    state.done += len(ids)
    place = KINDS.index(state.kind)
    if len(ids) == BATCH:
        state.last_id = ids[-1]
    elif place + 1 < len(KINDS):
        state.kind, state.last_id = KINDS[place + 1], None
    else:
        state.ended_at = uow.clock.now()


async def _sweep(workshop: Workshop) -> None:
    """Forget documents whose row is gone."""
    for kind, table in TABLES.items():
        document = SearchDocument
        async with workshop.read() as uow:
            lost = list(
                await uow.session.scalars(
                    select(document.subject_id)
                    .outerjoin(table, table.id == document.subject_id)
                    .where(document.kind == kind, table.id.is_(None))
                )
            )
        for start in range(0, len(lost), BATCH):
            async with workshop.begin() as uow:
                await index.hold_index(uow)
                await index.write(uow, [], lost[start : start + BATCH])
