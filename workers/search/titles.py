"""What found things are called: number and masked title."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import select

from models.bulk import among
from models.crypto import Erased, UnknownKey
from models.knowledge import KnowledgeEntry, KnowledgeText
from models.people import Customer
from models.tickets import Ticket
from workers.search.documents import KNOWLEDGE, TICKET
from workers.search.finding import Found
from workers.text import excerpt, mask_free_text, one_line
from workers.unit_of_work import UnitOfWork

LONGEST = 80


async def titles(uow: UnitOfWork, found: Collection[Found], locale: str) -> Mapping[UUID, tuple[str, str]]:
    """(number, title) of tickets and entries by their ids; an entry's in that language if it can be."""
    ids = {kind: [each.subject_id for each in found if each.kind == kind] for kind in (TICKET, KNOWLEDGE)}
    told: dict[UUID, tuple[str, str]] = {}
    tickets = select(
        Ticket.id,
        Ticket.number,
        Ticket.data_key_id,
        Ticket.subject_sealed,
        Customer.data_key_id.label("customer_key"),
        Customer.name_sealed,
    ).join(Customer, Customer.id == Ticket.customer_id)
    for row in await uow.session.execute(tickets.where(among(uow.session, Ticket.id, ids[TICKET]))):
        name = await _text(uow, row.customer_key, row.name_sealed, "customers.name")
        subject = await _text(uow, row.data_key_id, row.subject_sealed, "tickets.subject")
        told[row.id] = row.number, _title(mask_free_text(subject, names=(name,) if name else ()))
    wanted = "zh_CN" if locale.startswith("zh") else "en"
    entries = (
        select(
            KnowledgeEntry.id,
            KnowledgeEntry.number,
            KnowledgeEntry.data_key_id,
            KnowledgeText.locale,
            KnowledgeText.words_sealed,
        )
        .join(KnowledgeText, KnowledgeText.entry_id == KnowledgeEntry.id)
        .where(among(uow.session, KnowledgeEntry.id, ids[KNOWLEDGE]))
        .order_by(KnowledgeText.version)
    )
    latest: dict[UUID, dict[str, tuple[str, str]]] = {}
    for entry in await uow.session.execute(entries):
        try:
            sealer = await uow.vault.sealer(uow.session, entry.data_key_id)
        except (Erased, UnknownKey):
            continue
        words = sealer.json(entry.words_sealed, "knowledge_texts.words") or {}
        title = _title(mask_free_text(str(words.get("title", ""))))
        latest.setdefault(entry.id, {})[entry.locale] = entry.number, title
    for ident, texts in latest.items():
        told[ident] = texts.get(wanted) or next(iter(texts.values()))
    return told


async def _text(uow: UnitOfWork, key_id: UUID, sealed: bytes | None, place: str) -> str:
    try:
        return (await uow.vault.sealer(uow.session, key_id)).text(sealed, place)
    except (Erased, UnknownKey):
        return ""


def _title(text: str) -> str:
    return excerpt(one_line(text), LONGEST)
