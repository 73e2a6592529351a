"""What is like a ticket: solved tickets and published entries that share its rare words (row E8)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select, true

from models.bulk import among
from models.knowledge import KnowledgeEntry
from models.people import Staff
from models.search import SearchDocument
from models.tickets import Ticket
from models.vocabulary import NOT_A_TICKET, Category, KnowledgeState
from workers.access import seen_by
from workers.search import documents
from workers.search.documents import KNOWLEDGE, TICKET
from workers.search.finding import Found
from workers.search.index import hashes_of
from workers.search.lists import BLOCK, unpack
from workers.search.reading import kept, lists_of
from workers.search.words import tokens
from workers.unit_of_work import UnitOfWork

RAREST = 16
"""So many of a ticket's rarest known words are compared."""
MOST_DOCUMENTS = 2_000
"""A word that more documents hold says little, and is left out."""
LOOKED_AT = 400
FEWEST_SHARED = 2


@dataclass(frozen=True, slots=True)
class Likeness:
    """Something like the ticket, whether it is of the same category, how many words they share."""

    found: Found
    same_category: bool
    shared: int


async def similar(uow: UnitOfWork, ticket: Ticket, reader: Staff | None, most: int = 5) -> list[Likeness]:
    """At most `most` entries and as many solved tickets, the same category first, then the most alike.

    An agent gets only tickets of their own (row A11); entries are for all of the staff.
    """
    hashes, indexed = await _own_hashes(uow, ticket)
    # A word that nothing else holds says nothing; an indexed ticket is among those that hold its words.
    scores, shared = await _candidates(uow, hashes, fewest=2 if indexed else 1)
    # Of few known words one may be enough; of many, one in common is chance.
    enough = min(FEWEST_SHARED, max(1, len(hashes) // 4))
    best = sorted(scores, key=lambda each: (-scores[each], -each))
    best = [number for number in best if shared[number] >= enough][:LOOKED_AT]
    known = await _known(uow, ticket, reader, best)
    found: list[Likeness] = []
    for kind in (KNOWLEDGE, TICKET):
        of_kind = [
            (known[number][1] is ticket.category, scores[number], number)
            for number in best
            if number in known and known[number][0].kind == kind
        ]
        of_kind.sort(key=lambda each: (not each[0], -each[1], -each[2]))
        found += [Likeness(known[number][0], same, shared[number]) for same, _, number in of_kind[:most]]
    return found


async def _own_hashes(uow: UnitOfWork, ticket: Ticket) -> tuple[Collection[int], bool]:
    """From the index, or, for a ticket that is too new for it, from its words."""
    packed = await uow.session.scalar(
        select(SearchDocument.tokens).where(SearchDocument.subject_id == ticket.id)
    )
    if packed is not None:
        return hashes_of(packed), True
    read = await documents.read(uow, TICKET, [ticket.id])
    texts = read[0].texts if read else None
    return set(uow.vault.word_hashes(tokens(texts or ()))), False


async def _candidates(
    uow: UnitOfWork, hashes: Collection[int], fewest: int
) -> tuple[Mapping[int, float], Mapping[int, int]]:
    """Documents by what the words they share weigh, and how many they share."""
    known = await kept(uow, hashes)
    total = max(1, known.total)
    limit = min(MOST_DOCUMENTS, max(3, total // 3))
    rare = sorted((many, token) for token, many in known.often.items() if fewest <= many <= limit)[:RAREST]
    weights = {token: math.log(1 + total / many) for many, token in rare}
    scores: dict[int, float] = defaultdict(float)
    shared: dict[int, int] = defaultdict(int)
    for token, lists in (await lists_of(uow, known, list(weights))).items():
        for block, listed in lists.items():
            for place in unpack(*listed):
                scores[block * BLOCK + place] += weights[token]
                shared[block * BLOCK + place] += 1
    return scores, shared


async def _known(
    uow: UnitOfWork, ticket: Ticket, reader: Staff | None, numbers: list[int]
) -> Mapping[int, tuple[Found, Category | None]]:
    document = SearchDocument
    solved = (
        select(document.number, document.subject_id, Ticket.category)
        .join(Ticket, Ticket.id == document.subject_id)
        .where(among(uow.session, document.number, numbers), document.kind == TICKET)
        .where(Ticket.resolved_at.is_not(None), Ticket.id != ticket.id)
        .where(Ticket.close_reason.is_(None) | (Ticket.close_reason != NOT_A_TICKET))
        .where(seen_by(reader) if reader is not None else true())
    )
    written = (
        select(document.number, document.subject_id, KnowledgeEntry.category)
        .join(KnowledgeEntry, KnowledgeEntry.id == document.subject_id)
        .where(among(uow.session, document.number, numbers), document.kind == KNOWLEDGE)
        .where(KnowledgeEntry.state == KnowledgeState.PUBLISHED)
    )
    found: dict[int, tuple[Found, Category | None]] = {}
    for kind, query in ((TICKET, solved), (KNOWLEDGE, written)):
        for number, ident, category in await uow.session.execute(query):
            found[number] = Found(kind, ident), category
    return found
