"""What is indexed of each thing: its words as staff may read them, masked, and the numbers it is known by.

Addresses, phone numbers, identity numbers and the customer's name are masked away before that (row A2): the
index holds nothing of them, and nobody can ask it whether somebody has written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.bulk import among
from models.communications import Communication
from models.crypto import Erased, Sealer, Tampered, UnknownKey
from models.knowledge import KnowledgeEntry, KnowledgeText
from models.people import Customer
from models.tickets import Ticket, TicketEntry
from models.vocabulary import NOT_A_TICKET
from workers.search.words import LONGEST_TEXT
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork

TICKET, COMMUNICATION, KNOWLEDGE = "ticket", "communication", "knowledge"
KINDS = (TICKET, COMMUNICATION, KNOWLEDGE)
ABOUT_RATINGS = ("rating_unclear",)
"""Lines of a ticket's log that its handler does not see, besides those of follow-ups (row D9)."""
_GONE = (Erased, UnknownKey, Tampered)


@dataclass(frozen=True, slots=True)
class Document:
    """Something that can be found. `texts` are masked; None: it was erased, or is nothing to find."""

    kind: str
    subject_id: UUID
    version: int
    at: datetime
    texts: tuple[str, ...] | None


async def read(uow: UnitOfWork, kind: str, ids: Collection[UUID]) -> list[Document]:
    """The things of one kind that are there, by a handful of queries however many they are."""
    return await _READERS[kind](uow, ids) if ids else []


async def _tickets(uow: UnitOfWork, ids: Collection[UUID]) -> list[Document]:
    ticket = Ticket
    rows = (
        await uow.session.execute(
            select(
                ticket.id,
                ticket.version,
                ticket.number,
                ticket.order_number,
                ticket.received_at,
                ticket.close_reason,
                ticket.data_key_id,
                ticket.subject_sealed,
                ticket.description_sealed,
                ticket.background_sealed,
                Customer.code,
                Customer.data_key_id.label("customer_key"),
                Customer.name_sealed,
            )
            .join(Customer, Customer.id == ticket.customer_id)
            .where(among(uow.session, ticket.id, ids))
        )
    ).all()
    await uow.vault.warm(uow.session, {key for row in rows for key in (row.data_key_id, row.customer_key)})
    lines = await _lines(uow, ids)
    return [await _ticket(uow, row, lines[row.id]) for row in rows]


async def _lines(uow: UnitOfWork, ids: Collection[UUID]) -> Mapping[UUID, list[bytes]]:
    found: dict[UUID, list[bytes]] = defaultdict(list)
    rows = await uow.session.execute(
        select(TicketEntry.ticket_id, TicketEntry.words_sealed)
        .where(among(uow.session, TicketEntry.ticket_id, ids))
        .where(TicketEntry.words_sealed.is_not(None), TicketEntry.followup_id.is_(None))
        .where(TicketEntry.kind.not_in(ABOUT_RATINGS))
        .order_by(TicketEntry.at, TicketEntry.id)
    )
    for ticket_id, sealed in rows:
        if sealed is not None:
            found[ticket_id].append(sealed)
    return found


async def _ticket(uow: UnitOfWork, row: Any, lines: Sequence[bytes]) -> Document:
    texts: tuple[str, ...] | None = None
    sealer = await _sealer(uow, row.data_key_id) if row.close_reason != NOT_A_TICKET else None
    if sealer is not None:
        try:
            written = [
                sealer.text(getattr(row, f"{part}_sealed"), f"tickets.{part}")
                for part in ("subject", "description", "background")
            ]
            for line in lines:
                words: Mapping[str, Any] = sealer.json(line, "ticket_entries.words") or {}
                written += [str(each) for each in words.values()]
        except Tampered:
            written = []
        names = await _name(uow, row.customer_key, row.name_sealed)
        texts = (row.number, row.order_number or "", row.code, *_masked(written, names))
    return Document(TICKET, row.id, row.version, row.received_at, texts)


async def _communications(uow: UnitOfWork, ids: Collection[UUID]) -> list[Document]:
    record = Communication
    rows = (
        await uow.session.execute(
            select(
                record.id,
                record.version,
                record.number,
                record.happened_at,
                record.data_key_id,
                record.words_sealed,
                Customer.code,
                Customer.data_key_id.label("customer_key"),
                Customer.name_sealed,
            )
            .join(Customer, Customer.id == record.customer_id)
            .where(among(uow.session, record.id, ids))
        )
    ).all()
    await uow.vault.warm(uow.session, {key for row in rows for key in (row.data_key_id, row.customer_key)})
    found = []
    for row in rows:
        words = await _words(uow, row.data_key_id, row.words_sealed, "communications.words")
        texts: tuple[str, ...] | None = None
        if words is not None:
            names = await _name(uow, row.customer_key, row.name_sealed)
            texts = (row.number, row.code, *_masked([str(each) for each in words.values()], names))
        found.append(Document(COMMUNICATION, row.id, row.version, row.happened_at, texts))
    return found


async def _knowledge(uow: UnitOfWork, ids: Collection[UUID]) -> list[Document]:
    entries = list(
        await uow.session.scalars(select(KnowledgeEntry).where(among(uow.session, KnowledgeEntry.id, ids)))
    )
    rows = await uow.session.scalars(
        select(KnowledgeText)
        .where(among(uow.session, KnowledgeText.entry_id, ids))
        .order_by(KnowledgeText.version)
    )
    latest: dict[UUID, dict[str, bytes]] = defaultdict(dict)
    for text in rows:
        latest[text.entry_id][text.locale] = text.words_sealed
    found = []
    for entry in entries:
        written = [entry.number, entry.product or ""]
        for sealed in latest[entry.id].values():
            words = await _words(uow, entry.data_key_id, sealed, "knowledge_texts.words")
            written += [str(each) for each in (words or {}).values()]
        found.append(Document(KNOWLEDGE, entry.id, entry.version, entry.changed_at, _masked(written, ())))
    return found


async def _words(uow: UnitOfWork, key_id: UUID, sealed: bytes, place: str) -> Mapping[str, Any] | None:
    sealer = await _sealer(uow, key_id)
    if sealer is None:
        return None
    try:
        return sealer.json(sealed, place) or {}
    except Tampered:
        return {}


async def _sealer(uow: UnitOfWork, key_id: UUID) -> Sealer | None:
    try:
        return await uow.vault.sealer(uow.session, key_id)
    except _GONE:
        return None


async def _name(uow: UnitOfWork, key_id: UUID, sealed: bytes | None) -> tuple[str, ...]:
    sealer = await _sealer(uow, key_id) if sealed is not None else None
    name = sealer.text(sealed, "customers.name") if sealer is not None else ""
    return (name,) if name else ()


def _masked(texts: Sequence[str], names: tuple[str, ...]) -> tuple[str, ...]:
    """Cut before they are masked: what is too long to be indexed need not be read."""
    return tuple(mask_free_text(text[:LONGEST_TEXT], names=names) for text in texts if text)


_READERS: Mapping[str, Callable[[UnitOfWork, Collection[UUID]], Any]] = {
    TICKET: _tickets,
    COMMUNICATION: _communications,
    KNOWLEDGE: _knowledge,
}
