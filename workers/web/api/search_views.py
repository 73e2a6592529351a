"""What was found, made fit to show: masked, in the reader's language, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select

from models.base import Base
from models.bulk import among
from models.communications import Communication
from models.knowledge import KnowledgeEntry
from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import Category
from workers import communications, knowledge
from workers.search import COMMUNICATION, KNOWLEDGE, TICKET, Found
from workers.text import excerpt, mask_free_text, one_line
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import opened

LONGEST_TITLE = 120
Row = TypeVar("Row", bound=Base)


class FoundShown(BaseModel):
    """One thing that was found."""

    kind: str = Field(description="`ticket`, `communication` or `knowledge`", examples=["ticket"])
    number: str = Field(examples=["CS202405200001"])
    title: str = Field(description="Subject, summary or title; personal data masked")
    state: str = Field(examples=["closed"])
    category: Category | None
    customer: str | None = Field(description="Customer code; null for a knowledge entry")
    handler: str | None = Field(description="Staff number: handler, or author of a knowledge entry")
    at: datetime = Field(description="Received, took place, or was changed last")
    closed_at: datetime | None


async def shown(uow: UnitOfWork, found: Sequence[Found], locale: str) -> list[FoundShown]:
    """In the order in which it was found; a handful of queries, however much it is."""
    ids: dict[str, list[UUID]] = {kind: [] for kind in (TICKET, COMMUNICATION, KNOWLEDGE)}
    for each in found:
        ids[each.kind].append(each.subject_id)
    lines: dict[UUID, FoundShown] = {}
    tickets = await _rows(uow, Ticket, ids[TICKET])
    talks = await _rows(uow, Communication, ids[COMMUNICATION])
    entries = await _rows(uow, KnowledgeEntry, ids[KNOWLEDGE])
    customers = {
        row.id: row
        for row in await _rows(
            uow, Customer, [*(row.customer_id for row in tickets), *(row.customer_id for row in talks)]
        )
    }
    handlers = [*(row.handler_id for row in tickets), *(row.handler_id for row in talks)]
    people = [*handlers, *(row.author_id for row in entries)]
    staff = {row.id: row.number for row in await _rows(uow, Staff, [each for each in people if each])}
    keys = [*(row.data_key_id for row in tickets), *(row.data_key_id for row in talks)]
    await uow.vault.warm(uow.session, [*keys, *(row.data_key_id for row in entries)])
    for ticket in tickets:
        lines[ticket.id] = await _ticket(uow, ticket, customers[ticket.customer_id], staff)
    for talk in talks:
        lines[talk.id] = await _talk(uow, talk, customers[talk.customer_id], staff)
    texts = await knowledge.texts_of(uow, entries)
    for entry in entries:
        _, words = knowledge.in_language(texts[entry.id], locale)
        lines[entry.id] = FoundShown(
            kind=KNOWLEDGE,
            number=entry.number,
            title=_title(mask_free_text(words["title"])),
            state=entry.state.value,
            category=entry.category,
            customer=None,
            handler=staff.get(entry.author_id),
            at=entry.changed_at,
            closed_at=entry.retired_at,
        )
    return [lines[each.subject_id] for each in found if each.subject_id in lines]


async def _ticket(uow: UnitOfWork, row: Ticket, customer: Customer, staff: dict[UUID, str]) -> FoundShown:
    name = await opened(uow, customer.data_key_id, customer.name_sealed, "customers.name")
    subject = await opened(uow, row.data_key_id, row.subject_sealed, "tickets.subject")
    return FoundShown(
        kind=TICKET,
        number=row.number,
        title=_title(mask_free_text(subject, names=(name,) if name else ())),
        state=row.state.value,
        category=row.category,
        customer=customer.code,
        handler=staff.get(row.handler_id) if row.handler_id else None,
        at=row.received_at,
        closed_at=row.closed_at,
    )


async def _talk(
    uow: UnitOfWork, row: Communication, customer: Customer, staff: dict[UUID, str]
) -> FoundShown:
    words = await communications.masked_words(uow, row, customer)
    return FoundShown(
        kind=COMMUNICATION,
        number=row.number,
        title=_title(words["summary"] or words["description"]),
        state=row.state.value,
        category=None,
        customer=communications.masked_code(customer.code),
        handler=staff.get(row.handler_id),
        at=row.happened_at,
        closed_at=row.closed_at,
    )


def _title(text: str) -> str:
    return excerpt(one_line(text), LONGEST_TITLE)


async def _rows(uow: UnitOfWork, model: type[Row], ids: Sequence[UUID]) -> list[Row]:
    if not ids:
        return []
    column = model.__mapper__.attrs["id"].class_attribute
    return list(await uow.session.scalars(select(model).where(among(uow.session, column, list(set(ids))))))
