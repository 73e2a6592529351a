"""Benchmark `search`: tickets with made-up words are indexed and looked for, on PostgreSQL and on SQLite."""

from __future__ import annotations

import argparse
import asyncio
import base64
import random
import resource
import tempfile
import time
from array import array
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text

from models.base import new_id
from models.bulk import insert_many
from models.crypto import Sealer, new_key
from models.keys import DataKey
from models.people import Customer, Staff
from models.search import SearchBucket, SearchDocument, SearchList
from models.session import make_engine, make_gate, migrate
from models.tickets import Ticket
from models.vocabulary import Category, Medium, Priority, Role, TicketState
from ops.bench.report import say, spread
from ops.bench.servers import postgres
from workers.clock import SystemClock
from workers.policy import load_policy
from workers.search import TICKET, Question, find, rebuild, similar
from workers.search.buckets import MOST_SHARED, Bucket, bucket_of
from workers.search.lists import pack, place_of
from workers.search.words import tokens
from workers.search.writing import table_of
from workers.settings import load_settings
from workers.unit_of_work import UnitOfWork, Vault, Workshop

CHUNK, SAMPLE = 2_000, 2_000
CUSTOMERS, AGENTS = 2_000, 20
VOCABULARY, CHARACTERS = 60_000, 3_000
WORDS, HAN = 45, 60
PAGE = 50
TABLES = ("search_documents", "search_buckets", "search_lists")


def options(parser: argparse.ArgumentParser) -> None:
    """The words that this benchmark understands."""
    parser.add_argument("--tickets", type=int, default=200_000, help="tickets (default 200000)")
    parser.add_argument("--queries", type=int, default=200, help="of each kind (default 200)")
    parser.add_argument("--only", choices=("postgresql", "sqlite"), action="append", help="this one alone")


def run(chosen: argparse.Namespace) -> dict[str, Any]:
    """Both databases, or the one that was chosen."""
    wanted = chosen.only or ("postgresql", "sqlite")
    found: dict[str, Any] = {"tickets": chosen.tickets}
    with tempfile.TemporaryDirectory(prefix="closeloop-bench-") as folder:
        if "postgresql" in wanted:
            with postgres() as server:
                server.server.create("search")
                found["postgresql"] = asyncio.run(_race(server.server.url("search"), chosen))
        if "sqlite" in wanted:
            path = Path(folder) / "search.db"
            path.touch()
            found["sqlite"] = asyncio.run(_race(f"sqlite+aiosqlite:///{path}", chosen))
    return found


async def _race(url: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Some tickets are indexed as by `closeloop index rebuild`; then the index of all is written at once."""
    migrate(url)
    makers = Makers()
    async with _workshop(url) as workshop:
        async with workshop.begin() as uow:
            people = await _people(uow)
        sample = min(SAMPLE, chosen.tickets)
        await _fill(workshop, range(sample), makers, people)
        before = _cpu()
        await rebuild(workshop, lambda now: None)
        built = round((_cpu() - before) * 1000 / sample, 3)
        async with workshop.begin() as uow:
            for table in (SearchBucket, SearchList, SearchDocument, Ticket):
                await uow.session.execute(delete(table).execution_options(synchronize_session=False))
        await _fill(workshop, range(chosen.tickets), makers, people, at_once=True)
        say(f"{url.partition(':')[0]}: {chosen.tickets} tickets")
        if not url.startswith("sqlite"):
            async with workshop.engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.execute(text(f"VACUUM ANALYZE {', '.join(TABLES)}, tickets"))
        return {
            "our_cpu_ms_per_ticket_indexed": built,
            "size": await _size(workshop, url),
            "queries_ms": await _queries(workshop, chosen.queries, makers),
        }


class Makers:
    """Words as often as in real languages: the n-th is 1/n as frequent as the first (Zipf)."""

    def __init__(self) -> None:
        self._dice = random.Random(20)
        letters = "etaoinshrdlcumwfgypbvk"
        self.words = [
            "".join(self._dice.choices(letters, k=3 + place % 7)) + str(place) for place in range(VOCABULARY)
        ]
        self.han = [chr(0x4E00 + place) for place in range(CHARACTERS)]
        self._weights = list(accumulate(1 / (place + 3) for place in range(VOCABULARY)))
        self._han_weights = list(accumulate(1 / (place + 10) for place in range(CHARACTERS)))

    def description(self, place: int) -> str:
        """English or Chinese in turn."""
        if place % 2:
            return "".join(self._dice.choices(self.han, cum_weights=self._han_weights, k=HAN))
        return " ".join(self._dice.choices(self.words, cum_weights=self._weights, k=WORDS))

    def asked(self, first: int, last: int, count: int) -> str:
        """So many words of these ranks."""
        return " ".join(self._dice.choice(self.words[first:last]) for _ in range(count))

    def pairs(self) -> str:
        """Three characters, as somebody types a Chinese word."""
        return "".join(self._dice.choices(self.han[:300], k=3))


@asynccontextmanager
async def _workshop(url: str) -> AsyncIterator[Workshop]:
    key = base64.b64encode(new_key()).decode()
    settings = load_settings({"CLOSELOOP_SECRET_KEYS": f"bench:{key}", "CLOSELOOP_DATABASE_URL": url})
    engine = make_engine(url)
    vault, policy = Vault(settings.secret_keys), load_policy(settings.policy)
    try:
        yield Workshop(engine, make_gate(url), SystemClock(), vault, settings, policy, lambda bells: None)
    finally:
        await engine.dispose()


async def _fill(
    workshop: Workshop, places: range, makers: Makers, people: People, *, at_once: bool = False
) -> None:
    """Make these tickets; with `at_once` their index, too, without reading them again."""
    lists: dict[tuple[int, int], array[int]] = defaultdict(lambda: array("H"))
    hashes: dict[str, int] = {}
    for start in range(places.start, places.stop, CHUNK):
        tickets, documents = [], []
        for place in range(start, min(places.stop, start + CHUNK)):
            words = makers.description(place)
            tickets.append(_ticket(workshop.policies.version_id, place, words, people))
            if at_once:
                spoken = tokens([tickets[-1]["number"], words])
                new = [word for word in spoken if word not in hashes]
                hashes.update(zip(new, workshop.vault.word_hashes(new), strict=True))
                found = sorted({hashes[word] for word in spoken})
                documents.append(_document(place, tickets[-1], found))
                block, offset = place_of(place)
                for token in found:
                    lists[token, block].append(offset)
        async with workshop.begin() as uow:
            connection = await uow.session.connection()
            await uow.session.execute(insert(Ticket), tickets)
            await insert_many(connection, table_of(SearchDocument), documents)
    await _write_lists(workshop, lists)


async def _write_lists(workshop: Workshop, lists: Mapping[tuple[int, int], array[int]]) -> None:
    long: list[dict[str, Any]] = []
    buckets: dict[int, Bucket] = defaultdict(Bucket)
    for (token, block), offsets in sorted(lists.items()):
        if len(offsets) <= MOST_SHARED:
            buckets[bucket_of(token, block)].put(token, offsets)
            continue
        many, packed = pack(offsets)
        long.append({"token": token, "block": block, "many": many, "documents": packed})
    short = [{"place": place, "entries": bucket.packed()} for place, bucket in sorted(buckets.items())]
    for model, rows in ((SearchList, long), (SearchBucket, short)):
        for start in range(0, len(rows), CHUNK):
            async with workshop.begin() as uow:
                connection = await uow.session.connection()
                await insert_many(connection, table_of(model), rows[start : start + CHUNK])


def _document(place: int, ticket: dict[str, Any], hashes: Sequence[int]) -> dict[str, Any]:
    return {
        "number": place,
        "kind": TICKET,
        "subject_id": ticket["id"],
        "version": 1,
        "at": ticket["received_at"],
        "tokens": array("i", hashes).tobytes(),
    }


@dataclass(frozen=True, slots=True)
class People:
    """Agents, customers with their data keys, and what seals for each key."""

    agents: Sequence[UUID]
    customers: Sequence[tuple[UUID, UUID]]
    sealers: dict[UUID, Sealer]


async def _people(uow: UnitOfWork) -> People:
    people = [new_id() for _ in range(AGENTS)]
    staff = [
        {
            "id": each,
            "number": f"CS{n:03}",
            "name": "A",
            "email": f"a{n}@bench.example.com",
            "role": Role.AGENT,
        }
        for n, each in enumerate(people)
    ]
    await uow.session.execute(insert(Staff), staff)
    keys: list[dict[str, Any]] = []
    sealers: dict[UUID, Sealer] = {}
    for _ in range(CUSTOMERS):
        values, sealer = uow.vault.make_key()
        keys.append(values)
        sealers[values["id"]] = sealer
    await uow.session.execute(insert(DataKey), keys)
    now = datetime.now(UTC)
    customers = [(new_id(), key["id"]) for key in keys]
    rows = [
        {"id": each, "code": f"C{n:06}", "data_key_id": key, "created_at": now}
        for n, (each, key) in enumerate(customers)
    ]
    await uow.session.execute(insert(Customer), rows)
    return People(people, customers, sealers)


def _ticket(version: UUID | None, place: int, words: str, people: People) -> dict[str, Any]:
    customer_id, key_id = people.customers[place % CUSTOMERS]
    sealer = people.sealers[key_id]
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=place)
    return {
        "id": new_id(),
        "number": f"CS{at:%Y%m%d}{place:06}",
        "state": TicketState.CLOSED if place % 10 else TicketState.IN_PROGRESS,
        "priority": Priority.MEDIUM,
        "category": list(Category)[place % len(Category)],
        "channel": Medium.EMAIL,
        "locale": "zh_CN" if place % 2 else "en",
        "version": 1,
        "opening": 1,
        "further_categories": [],
        "cooperating": [],
        "attention": False,
        "overdue_count": 0,
        "urged_count": 0,
        "waits": 0,
        "customer_id": customer_id,
        "data_key_id": key_id,
        "subject_sealed": sealer.seal(words[:30], "tickets.subject"),
        "description_sealed": sealer.seal(words, "tickets.description"),
        "policy_version_id": version,
        "handler_id": people.agents[place % AGENTS],
        "received_at": at,
        "opened_at": at,
        "resolved_at": at + timedelta(hours=4) if place % 10 else None,
    }


async def _size(workshop: Workshop, url: str) -> dict[str, Any]:
    async with workshop.read() as uow:
        lists = await uow.session.scalar(select(func.count()).select_from(SearchList))
        longest = await uow.session.scalar(select(func.max(func.length(SearchBucket.entries))))
        tokens = await uow.session.scalar(select(func.sum(func.length(SearchDocument.tokens)))) or 0
        documents = await uow.session.scalar(select(func.count()).select_from(SearchDocument)) or 1
        if url.startswith("sqlite"):
            pages = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE :name"
            queries = {each: (text(pages), {"name": f"%{each}%"}) for each in TABLES}
        else:
            whole = "SELECT pg_total_relation_size(CAST(:name AS regclass))"
            queries = {each: (text(whole), {"name": each}) for each in TABLES}
        megabytes = {}
        for each, (query, given) in queries.items():
            size = await uow.session.scalar(query, given)
            megabytes[f"{each}_mb"] = round(int(size or 0) / 2**20, 1)
    words = round(tokens / 4 / documents, 1)
    return {**megabytes, "lists": lists, "longest_bucket": longest, "words_per_ticket": words}


async def _queries(workshop: Workshop, count: int, makers: Makers) -> dict[str, Any]:
    async with workshop.read() as uow:
        agent = await uow.session.scalar(select(Staff).order_by(Staff.number).limit(1))
        some = list(await uow.session.scalars(select(Ticket).order_by(Ticket.id.desc()).limit(count)))

    def by_words(
        make: Callable[[], str], reader: Staff | None = None
    ) -> Callable[[UnitOfWork, int], Awaitable[Any]]:
        return lambda uow, _: find(uow, Question(words=make()), reader, limit=PAGE)

    kinds: dict[str, Callable[[UnitOfWork, int], Awaitable[Any]]] = {
        "one_rare_word": by_words(lambda: makers.asked(2_000, 20_000, 1)),
        "two_words": by_words(lambda: makers.asked(200, 5_000, 2)),
        "five_words_with_common_ones": by_words(
            lambda: makers.asked(0, 20, 3) + " " + makers.asked(500, 9_000, 2)
        ),
        "only_common_words": by_words(lambda: makers.asked(0, 6, 2)),
        "three_characters": by_words(makers.pairs),
        "two_words_of_an_agent": by_words(lambda: makers.asked(200, 5_000, 2), agent),
        "by_category_and_time": lambda uow, n: find(
            uow,
            Question(category=Category.COMPLAINT, until=datetime(2024, 3, 1, tzinfo=UTC)),
            None,
            limit=PAGE,
        ),
        "similar": lambda uow, n: similar(uow, some[n % len(some)], None),
    }
    found = {}
    for name, ask in kinds.items():
        times = []
        for n in range(count + 10):
            async with workshop.read() as uow:
                began = time.perf_counter()
                await ask(uow, n)
                if n >= 10:
                    times.append((time.perf_counter() - began) * 1000)
        found[name] = spread(times)
        say(f"{name}: {found[name]}")
    return found


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
