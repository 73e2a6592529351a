"""Write and take away what documents are found by. One transaction at a time does so (`hold_index`).

Two sides are kept: each document's own hashes, and for each hash the documents of a block of numbers. So a
change costs what has changed, and what is taken away leaves nothing behind.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from sys import byteorder
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select

from models.bulk import among, insert_many, update_many
from models.search import SearchDocument
from workers import locks
from workers.search.documents import Document
from workers.search.reading import AT_ONCE
from workers.search.writing import Changes, table_of, write_lists
from workers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Written:
    """A document and the hashes of its words."""

    document: Document
    hashes: Set[int]


async def hold_index(uow: UnitOfWork) -> None:
    """Nobody else writes the index until this transaction ends."""
    await locks.hold(uow, ["search-index"])


async def write(uow: UnitOfWork, given: Sequence[Written], gone: Collection[UUID] = ()) -> int:
    """Index what is `given`, and forget what is `gone`; gives how many documents have changed.

    A document that has been indexed in a later version meanwhile stays as it is. The caller holds the index.
    """
    wanted = {each.document.subject_id: each for each in given if each.document.texts is not None}
    gone = {*gone, *(each.document.subject_id for each in given if each.document.texts is None)}
    known = await _known(uow, [*wanted, *gone])
    changes, news, olds = Changes(), [], []
    last = await uow.session.scalar(select(func.max(SearchDocument.number)))
    number = -1 if last is None else last
    for subject_id, each in wanted.items():
        row = known.get(subject_id)
        if row is None:
            number += 1
            news.append(_row(number, each))
            changes.note(number, each.hashes, frozenset())
        elif row.version <= each.document.version:
            changes.note(row.number, each.hashes, hashes_of(row.tokens))
            olds.append(_row(row.number, each))
    leaving = [known[ident] for ident in gone if ident in known]
    for row in leaving:
        changes.note(row.number, frozenset(), hashes_of(row.tokens))
    await _write_documents(uow, news, olds, [row.number for row in leaving])
    await write_lists(uow, changes)
    return len(news) + len(olds) + len(leaving)


def hashes_of(packed: bytes) -> Set[int]:
    """A document's hashes from its row."""
    found = array("i", packed)
    if byteorder == "big":
        found.byteswap()
    return set(found)


def _packed(hashes: Iterable[int]) -> bytes:
    found = array("i", sorted(hashes))
    if byteorder == "big":
        found.byteswap()
    return found.tobytes()


def _row(number: int, each: Written) -> dict[str, Any]:
    document = each.document
    return {
        "number": number,
        "kind": document.kind,
        "subject_id": document.subject_id,
        "version": document.version,
        "at": document.at,
        "tokens": _packed(each.hashes),
    }


async def _known(uow: UnitOfWork, ids: Sequence[UUID]) -> Mapping[UUID, Any]:
    found: dict[UUID, Any] = {}
    document = SearchDocument
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        rows = await uow.session.execute(
            select(document.subject_id, document.number, document.version, document.tokens).where(
                among(uow.session, document.subject_id, some)
            )
        )
        found |= {row.subject_id: row for row in rows}
    return found


async def _write_documents(
    uow: UnitOfWork, news: list[dict[str, Any]], olds: list[dict[str, Any]], leaving: list[int]
) -> None:
    connection = await uow.session.connection()
    table = table_of(SearchDocument)
    await insert_many(connection, table, news)
    await update_many(connection, table, [{"number": row["number"]} for row in olds], olds)
    for start in range(0, len(leaving), AT_ONCE):
        some = leaving[start : start + AT_ONCE]
        await uow.session.execute(
            delete(SearchDocument)
            .where(SearchDocument.number.in_(some))
            .execution_options(synchronize_session=False)
        )
