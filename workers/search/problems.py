"""What many have written about in a week: words that keep coming together, and how often (row C4).

Counted on hashes alone; only of the few problems that are told of, some cases are opened to read the words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from models.bulk import among
from models.communications import Communication
from models.knowledge import KnowledgeEntry
from models.search import SearchDocument
from models.tickets import Ticket
from models.vocabulary import NOT_A_TICKET, Category, KnowledgeState
from workers.search import documents
from workers.search.common_words import common_words
from workers.search.documents import COMMUNICATION, KNOWLEDGE, TICKET
from workers.search.index import hashes_of
from workers.search.lists import BLOCK, unpack
from workers.search.reading import kept, lists_of
from workers.search.words import phrases, tokens
from workers.unit_of_work import UnitOfWork

WEEK = timedelta(days=7)
MOST_CASES = 20_000
MOST_PROBLEMS = 10
LOOKED_BACK = 12
"""Weeks."""
SAMPLES = 3
MOST_WORDS = 6
LONGEST_PHRASE = 16
TOGETHER = 0.6
"""Words that share so much of their cases belong to one problem."""
COMMON_PART = 0.5
COMMON_FROM = 20
"""Of more cases than these, a word that half of them hold is no problem but a habit."""
FEWEST_CUSTOMERS = 2
"""What one customer alone writes is their own affair, and may be their name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What many wrote about. `weeks`: in how many weeks in a row it came as often, this one included.

    `entries` are the numbers of published knowledge entries that hold its leading words.
    """

    words: tuple[str, ...]
    cases: int
    customers: int
    weeks: int
    category: Category | None
    samples: tuple[str, ...]
    entries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Week:
    """A week of cases: how many, by category with those of the week before, and what came up often."""

    since: datetime
    until: datetime
    cases: int
    categories: tuple[tuple[Category, int, int], ...]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Case:
    """A ticket with its records, or a record without a ticket."""

    number: str
    customer_id: UUID
    category: Category | None
    subjects: list[tuple[str, UUID]]
    hashes: set[int]


async def week_of(uow: UnitOfWork, until: datetime, fewest: int) -> Week:
    """The seven days before `until` (UTC); a problem needs `fewest` cases of at least two customers."""
    since = until - WEEK
    cases = await _cases(uow, since, until)
    groups = _groups(uow, cases, fewest)
    problems = [await _problem(uow, cases, group, until, fewest) for group in groups]
    return Week(
        since=since,
        until=until,
        cases=len(cases),
        categories=await _categories(uow, cases, since),
        problems=tuple(each for each in problems if each is not None),
    )


async def _cases(uow: UnitOfWork, since: datetime, until: datetime) -> list[_Case]:
    document = SearchDocument
    rows = (
        await uow.session.execute(
            select(document.kind, document.subject_id, document.tokens)
            .where(document.at >= since, document.at < until, document.kind.in_((TICKET, COMMUNICATION)))
            .order_by(document.number.desc())
            .limit(MOST_CASES)
        )
    ).all()
    ids = {kind: [row.subject_id for row in rows if row.kind == kind] for kind in (TICKET, COMMUNICATION)}
    about = await _about(uow, ids)
    found: dict[UUID, _Case] = {}
    for row in rows:
        if row.subject_id not in about:
            continue
        belongs_to, number, customer_id, category = about[row.subject_id]
        case = found.setdefault(belongs_to, _Case(number, customer_id, category, [], set()))
        case.subjects.append((row.kind, row.subject_id))
        case.hashes |= hashes_of(row.tokens)
        if row.kind == TICKET:
            case.number = number
    return list(found.values())


_About = tuple[UUID, str, UUID, Category | None]


async def _about(uow: UnitOfWork, ids: Mapping[str, list[UUID]]) -> Mapping[UUID, _About]:
    """(the case it belongs to, number, customer, category) of each ticket and record."""
    found: dict[UUID, _About] = {}
    of_tickets = select(Ticket.id, Ticket.number, Ticket.customer_id, Ticket.category).where(
        among(uow.session, Ticket.id, ids[TICKET]),
        Ticket.close_reason.is_(None) | (Ticket.close_reason != NOT_A_TICKET),
    )
    for row in await uow.session.execute(of_tickets):
        found[row.id] = row.id, row.number, row.customer_id, row.category
    of_talks = (
        select(
            Communication.id,
            Communication.number,
            Communication.customer_id,
            Communication.ticket_id,
            Ticket.category,
        )
        .outerjoin(Ticket, Ticket.id == Communication.ticket_id)
        .where(among(uow.session, Communication.id, ids[COMMUNICATION]))
    )
    for each in await uow.session.execute(of_talks):
        found[each.id] = each.ticket_id or each.id, each.number, each.customer_id, each.category
    return found


def _groups(uow: UnitOfWork, cases: Sequence[_Case], fewest: int) -> list[tuple[list[int], set[int]]]:
    """Hashes that come together, and the cases (by place) that hold the leading one; the most first."""
    holders: dict[int, set[int]] = defaultdict(set)
    for place, case in enumerate(cases):
        for token in case.hashes:
            holders[token].add(place)
    nothing = set(uow.vault.word_hashes(common_words()))
    most = len(cases) * COMMON_PART if len(cases) > COMMON_FROM else len(cases)
    pool = {
        token: places
        for token, places in holders.items()
        if fewest <= len(places) <= most
        and token not in nothing
        and len({cases[place].customer_id for place in places}) >= FEWEST_CUSTOMERS
    }
    groups: list[tuple[list[int], set[int]]] = []
    left = sorted(pool, key=lambda token: (-len(pool[token]), token))
    while left and len(groups) < MOST_PROBLEMS:
        lead = left[0]
        places = pool[lead]
        together = [token for token in left if len(pool[token] & places) >= TOGETHER * len(pool[token])]
        groups.append((together, places))
        taken = set(together)
        left = [token for token in left if token not in taken]
    return groups


async def _problem(
    uow: UnitOfWork,
    cases: Sequence[_Case],
    group: tuple[list[int], set[int]],
    until: datetime,
    fewest: int,
) -> Problem | None:
    hashes, places = group
    held = [cases[place] for place in sorted(places)]
    words = await _words(uow, held[:SAMPLES], hashes)
    if not words:
        return None
    lead = hashes[0]
    numbers = await _numbers(uow, lead)
    categories = Counter(case.category for case in held if case.category is not None)
    return Problem(
        words=words,
        cases=len(held),
        customers=len({case.customer_id for case in held}),
        weeks=await _weeks(uow, numbers, until, fewest),
        category=categories.most_common(1)[0][0] if categories else None,
        samples=tuple(case.number for case in held[-SAMPLES:]),
        entries=await _entries(uow, numbers),
    )


async def _words(uow: UnitOfWork, held: Sequence[_Case], hashes: Sequence[int]) -> tuple[str, ...]:
    """The words behind the hashes, those of the most cases first; numbers are none."""
    rank = {token: place for place, token in enumerate(hashes)}
    found: dict[str, int] = {}
    for case in held:
        texts: list[str] = []
        for kind in (TICKET, COMMUNICATION):
            ids = [ident for each, ident in case.subjects if each == kind]
            for document in await documents.read(uow, kind, ids):
                texts += document.texts or ()
        spoken = tokens(texts)
        ranks = dict(zip(spoken, (rank.get(each) for each in uow.vault.word_hashes(spoken)), strict=True))
        wanted = {word: place for word, place in ranks.items() if place is not None}
        for phrase, parts in phrases(texts, wanted.keys()):
            if len(phrase) <= LONGEST_PHRASE and not phrase.isdigit():
                found.setdefault(phrase, min(wanted[part] for part in parts))
    words = sorted(found, key=lambda word: (found[word], -len(word)))
    whole = [word for word in words if not any(word != other and word in other for other in words)]
    return tuple(whole[:MOST_WORDS])


async def _numbers(uow: UnitOfWork, token: int) -> list[int]:
    """All documents that hold a word."""
    lists = await lists_of(uow, await kept(uow, [token]), [token])
    return [
        block * BLOCK + place
        for block, listed in sorted(lists[token].items())
        for place in sorted(unpack(*listed))
    ]


async def _weeks(uow: UnitOfWork, numbers: Collection[int], until: datetime, fewest: int) -> int:
    document = SearchDocument
    moments = await uow.session.scalars(
        select(document.at).where(
            among(uow.session, document.number, numbers),
            document.at >= until - LOOKED_BACK * WEEK,
            document.at < until,
            document.kind != KNOWLEDGE,
        )
    )
    often = Counter((until - at - timedelta(microseconds=1)) // WEEK for at in moments)
    weeks = 1
    while weeks < LOOKED_BACK and often[weeks] >= fewest:
        weeks += 1
    return weeks


async def _entries(uow: UnitOfWork, numbers: Collection[int]) -> tuple[str, ...]:
    found = await uow.session.scalars(
        select(KnowledgeEntry.number)
        .join(SearchDocument, SearchDocument.subject_id == KnowledgeEntry.id)
        .where(among(uow.session, SearchDocument.number, numbers), SearchDocument.kind == KNOWLEDGE)
        .where(KnowledgeEntry.state == KnowledgeState.PUBLISHED)
        .order_by(KnowledgeEntry.number)
        .limit(SAMPLES)
    )
    return tuple(found)


async def _categories(
    uow: UnitOfWork, cases: Sequence[_Case], since: datetime
) -> tuple[tuple[Category, int, int], ...]:
    now = Counter(case.category for case in cases if case.category is not None)
    rows = await _cases(uow, since - WEEK, since)
    before = Counter(case.category for case in rows if case.category is not None)
    return tuple((each, many, before[each]) for each, many in now.most_common())
