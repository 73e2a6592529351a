"""A console's past: tickets, their messages, lines of their logs, and communication records.

Tickets and people go in as in `deadlines_seed`; the rest is made of them by SQL, with sealed texts of the
same customers, so that every page can open what it shows.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from models.people import Customer
from ops.bench.arena import Arena
from ops.bench.deadlines_seed import QUICKLY, add_pending, seed_desk
from ops.bench.intake_ours import bare_workshop
from ops.bench.report import say
from workers.settings import Settings
from workers.unit_of_work import UnitOfWork

OPEN_EVERY = 30
"""One ticket in so many is in progress."""
LETTERS = ("data_key_id", "recipient", "hash", "facts", "words")
Letter = tuple[UUID, bytes, bytes, bytes, bytes]

_LETTERS = """
    CREATE TABLE bench_letters
        (data_key_id uuid PRIMARY KEY, recipient bytea, hash bytea, facts bytea, words bytea)
"""
_QUICKLY = "SET session_replication_role = replica; SET synchronous_commit = off;"
_NOTIFICATIONS = """
    INSERT INTO notifications (
        id, lane, tries, key, kind, channel, state, reason, created_at, sent_at, ticket_id, customer_id,
        data_key_id, recipient_sealed, recipient_hash, locale, facts_sealed, links)
    SELECT gen_random_uuid(), 'normal', 1, 'receipt:' || t.id || ':1:' || g || ':bench:email', 'receipt',
           'email',
           CASE WHEN right(t.number, 2) = '07' THEN 'failed' ELSE 'sent' END,
           CASE WHEN right(t.number, 2) = '07' THEN 'unknown_recipient' END,
           t.received_at + g * interval '1 hour',
           t.received_at + g * interval '1 hour' + interval '2 seconds',
           t.id, t.customer_id, t.data_key_id, l.recipient, l.hash, t.locale, l.facts, '{{}}'
    FROM tickets t JOIN bench_letters l USING (data_key_id), generate_series(1, {each}) AS g
"""
_ENTRIES = """
    INSERT INTO ticket_entries (id, ticket_id, at, kind, actor, facts)
    SELECT gen_random_uuid(), id, received_at + g * interval '10 minutes',
           (ARRAY['received', 'assigned', 'accepted'])[g], 'system', '{}'
    FROM tickets, generate_series(1, 3) AS g
"""
_TALKS = """
    INSERT INTO communications (
        id, number, version, state, channel, happened_at, recorded_at, late_entry, customer_id,
        data_key_id,
        ticket_id, handler_id, words_sealed, next_round, closed_at)
    SELECT gen_random_uuid(), 'CR' || lpad(row_number() OVER (ORDER BY t.id)::text, 7, '0'), 1, 'closed',
           'phone', t.received_at, t.received_at, false, t.customer_id, t.data_key_id, t.id, t.handler_id,
           l.words, 0, t.received_at
    FROM (SELECT * FROM tickets ORDER BY id LIMIT {talks}) t JOIN bench_letters l USING (data_key_id)
"""
_WORDS = {
    "description": "The customer called about an order that has not arrived.",
    "summary": "Order late",
    "solution": "Sent anew",
    "next_action": "",
}


def fill(arena: Arena, settings: Settings, database: str, tickets: int, each: int, talks: int) -> None:
    """Fill `database`: so many tickets with `each` messages each, and so many communication records."""
    postgres = arena.postgres
    idents = seed_desk(postgres, settings, database, tickets, open_every=OPEN_EVERY)
    working = idents[::OPEN_EVERY]
    say(f"{tickets} tickets, {len(working)} of them open")
    add_pending(postgres, database, working, 0, 2 * len(working))
    postgres.run(database, _LETTERS)
    postgres.copy_in(database, "bench_letters", list(LETTERS), asyncio.run(_letters(settings)), QUICKLY)
    for words, statement in (
        (f"{tickets * each} messages", _NOTIFICATIONS.format(each=each)),
        (f"{tickets * 3} lines of logs", _ENTRIES),
        (f"{talks} communication records", _TALKS.format(talks=talks)),
    ):
        postgres.run(database, _QUICKLY + statement)
        say(words)
    arena.make_lasting(database)


async def _letters(settings: Settings) -> Sequence[Letter]:
    """For each customer what their messages and records hold, sealed under their key."""
    async with bare_workshop(settings) as workshop, workshop.read() as uow:
        keys = (await uow.session.scalars(select(Customer.data_key_id))).all()
        await uow.vault.warm(uow.session, keys)
        return [await _letter(uow, key) for key in keys]


async def _letter(uow: UnitOfWork, key: UUID) -> Letter:
    sealer = await uow.vault.sealer(uow.session, key)
    address = f"{key.hex}@customer.example.com"
    return (
        key,
        sealer.seal(address, "notifications.recipient"),
        hashlib.sha256(address.encode()).digest(),
        sealer.seal_json({}, "notifications.facts"),
        sealer.seal_json(_WORDS, "communications.words"),
    )
