"""Find entries: by number, and in lists by what they are."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, select

from models.knowledge import KnowledgeEntry
from models.people import Staff
from models.vocabulary import Category, KnowledgeState
from workers.access import entries_seen_by
from workers.errors import NotFound
from workers.locks import held
from workers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Which entries; None: any."""

    state: KnowledgeState | None = None
    category: Category | None = None
    product: str | None = None


def matching(kind: Kind, reader: Staff | None) -> Select[KnowledgeEntry]:
    """The query for entries of this kind that `reader` may see (None: an operator, who may see all)."""
    query = select(KnowledgeEntry).where(entries_seen_by(reader))
    for column, value in (
        (KnowledgeEntry.state, kind.state),
        (KnowledgeEntry.category, kind.category),
        (KnowledgeEntry.product, kind.product),
    ):
        if value is not None:
            query = query.where(column == value)
    return query


async def entry_by_number(
    uow: UnitOfWork, number: str, reader: Staff | None, *, hold: bool = False
) -> KnowledgeEntry:
    """The entry, its row locked until the transaction ends if `hold`.

    Raises NotFound, too, for one that `reader` may not see: guessing numbers tells nobody anything.
    """
    query = matching(Kind(), reader).where(KnowledgeEntry.number == number.strip().upper())
    entry = await uow.session.scalar(held(query) if hold else query)
    if entry is None:
        raise NotFound(f"there is no knowledge entry {number[:24]}", hint="numbers look like KB0001")
    return entry
