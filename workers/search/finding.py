"""Find tickets, communication records and knowledge entries: by words, and by what they are (rows B12, E8).

Who may see what is a condition of the queries themselves: what somebody may not see is neither shown nor
counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, true

from models.bulk import among
from models.communications import Communication
from models.knowledge import KnowledgeEntry
from models.people import Customer, Staff
from models.search import SearchDocument
from models.tickets import Ticket
from models.vocabulary import NOT_A_TICKET, Category, TicketState
from workers.access import entries_seen_by, seen_by, talks_seen_by
from workers.errors import InvalidInput
from workers.search import lookup
from workers.search.documents import COMMUNICATION, KINDS, KNOWLEDGE, TICKET
from workers.search.lookup import Hit
from workers.unit_of_work import UnitOfWork

CHUNKS = (300, 1_000, 4_000)
"""So many candidates are asked for at once, first, next, and from then on."""
MOST_LOOKED_AT = 40_000
"""Candidates that one page may cost; where they do not fill it, the next page goes on from there."""
LONGEST_QUESTION = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for. `since` inclusive, `until` exclusive (UTC), by when it was received or took place.

    A filter that something does not know (the state of a communication record) leaves it out.
    """

    words: str = ""
    kinds: tuple[str, ...] = KINDS
    number: str = ""
    customer: str = ""
    category: Category | None = None
    states: tuple[TicketState, ...] = ()
    team_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was found: its kind and id."""

    kind: str
    subject_id: UUID


@dataclass(frozen=True, slots=True)
class Page:
    """What was found, best first, and where the next page begins (None: this was all)."""

    found: tuple[Found, ...]
    cursor: str | None


async def find(
    uow: UnitOfWork, question: Question, reader: Staff | None, *, limit: int, cursor: str | None = None
) -> Page:
    """One page of what `reader` (None: an operator) may see. Raises InvalidInput for a cursor that is none.

    With words: best first. Without: tickets, the latest first.
    """
    words = question.words[:LONGEST_QUESTION]
    hashes = lookup.hashes_of(uow, words)
    if hashes:
        return await _by_words(uow, question, hashes, reader, limit, cursor)
    if words.strip():
        return Page((), None)
    return await _by_facts(uow, question, reader, limit, cursor)


async def _by_facts(
    uow: UnitOfWork, question: Question, reader: Staff | None, limit: int, cursor: str | None
) -> Page:
    if TICKET not in question.kinds:
        return Page((), None)
    query = select(Ticket.id).where(*_of_tickets(question, reader)).order_by(Ticket.id.desc())
    if cursor:
        query = query.where(Ticket.id < _last(cursor, UUID))
    ids = list(await uow.session.scalars(query.limit(limit + 1)))
    more = ids[limit - 1].hex if len(ids) > limit else None
    return Page(tuple(Found(TICKET, ident) for ident in ids[:limit]), more)


async def _by_words(
    uow: UnitOfWork,
    question: Question,
    hashes: Sequence[int],
    reader: Staff | None,
    limit: int,
    cursor: str | None,
) -> Page:
    hits = await lookup.look_up(uow, hashes)
    if cursor:
        score, number = _last(cursor, _score_and_number)
        hits = (hit for hit in hits if (hit.score, hit.number) < (score, number))
    found: list[tuple[Hit, Found]] = []
    looked_at = 0
    for chunk in _chunks(hits):
        seen = await _visible(uow, question, reader, [hit.number for hit in chunk])
        found += [(hit, seen[hit.number]) for hit in chunk if hit.number in seen]
        looked_at += len(chunk)
        if len(found) > limit:
            last = found[limit - 1][0]
            return Page(tuple(each for _, each in found[:limit]), f"{last.score}.{last.number}")
        if looked_at >= MOST_LOOKED_AT:
            return Page(tuple(each for _, each in found), f"{chunk[-1].score}.{chunk[-1].number}")
    return Page(tuple(each for _, each in found), None)


def _chunks(hits: Iterator[Hit]) -> Iterator[list[Hit]]:
    place = 0
    while chunk := list(islice(hits, CHUNKS[min(place, len(CHUNKS) - 1)])):
        place += 1
        yield chunk


async def _visible(
    uow: UnitOfWork, question: Question, reader: Staff | None, numbers: Sequence[int]
) -> Mapping[int, Found]:
    """Those of these documents that are wanted and may be seen."""
    found: dict[int, Found] = {}
    document = SearchDocument
    for kind in _kinds(question):
        table, conditions = _CONDITIONS[kind]
        query = (
            select(document.number, document.subject_id)
            .join(table, table.id == document.subject_id)
            .where(among(uow.session, document.number, numbers), document.kind == kind)
            .where(*conditions(question, reader))
        )
        found |= {number: Found(kind, ident) for number, ident in await uow.session.execute(query)}
    return found


def _kinds(question: Question) -> Iterable[str]:
    """Those that know what is filtered by."""
    known = {
        TICKET: True,
        COMMUNICATION: not (question.category or question.states or question.team_id),
        KNOWLEDGE: not (question.customer or question.states or question.team_id),
    }
    return [kind for kind in KINDS if kind in question.kinds and known[kind]]


def _of_tickets(question: Question, reader: Staff | None) -> list[ColumnElement[bool]]:
    row = Ticket
    return [
        seen_by(reader) if reader is not None else true(),
        row.close_reason.is_(None) | (row.close_reason != NOT_A_TICKET),
        row.number == question.number.strip().upper() if question.number else true(),
        row.customer_id == _customer(question.customer) if question.customer else true(),
        row.category == question.category if question.category else true(),
        row.state.in_(question.states) if question.states else true(),
        row.team_id == question.team_id if question.team_id else true(),
        *_within(row.received_at, question),
    ]


def _of_talks(question: Question, reader: Staff | None) -> list[ColumnElement[bool]]:
    row = Communication
    return [
        talks_seen_by(reader),
        row.number == question.number.strip().upper() if question.number else true(),
        row.customer_id == _customer(question.customer) if question.customer else true(),
        *_within(row.happened_at, question),
    ]


def _of_entries(question: Question, reader: Staff | None) -> list[ColumnElement[bool]]:
    row = KnowledgeEntry
    return [
        entries_seen_by(reader),
        row.number == question.number.strip().upper() if question.number else true(),
        row.category == question.category if question.category else true(),
        *_within(row.changed_at, question),
    ]


def _customer(code: str) -> Any:
    return select(Customer.id).where(Customer.code == code.strip()).scalar_subquery()


def _within(column: Any, question: Question) -> list[ColumnElement[bool]]:
    found = [column >= question.since] if question.since else []
    return [*found, column < question.until] if question.until else found


_Conditions = Callable[[Question, Staff | None], list[ColumnElement[bool]]]
_CONDITIONS: Mapping[str, tuple[Any, _Conditions]] = {
    TICKET: (Ticket, _of_tickets),
    COMMUNICATION: (Communication, _of_talks),
    KNOWLEDGE: (KnowledgeEntry, _of_entries),
}


def _last(cursor: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(cursor)
    except ValueError as error:
        raise InvalidInput("this is no cursor", hint="give next_cursor of the page before") from error


def _score_and_number(cursor: str) -> tuple[int, int]:
    score, _, number = cursor.partition(".")
    if len(cursor) > 20:
        raise ValueError
    return int(score), int(number)
