"""Tickets for the tables, a page at a time, with all that a row of any of them tells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import and_, or_, select

from models.base import Base
from models.bulk import among
from models.crypto import Erased, UnknownKey
from models.improving import Improvement
from models.people import Customer, Staff
from models.surveys import Followup, Survey, SurveyAnswer
from models.tickets import Ticket, TicketEntry
from models.vocabulary import Role
from workers.registers.port import Span
from workers.text import ERASED, mask_free_text
from workers.tickets import IMPORTED
from workers.unit_of_work import UnitOfWork, Workshop

PAGE = 200
Row = TypeVar("Row", bound=Base)


@dataclass
class Told:
    """One ticket with its customer, handler, log (and what was said in it, masked) and what followed."""

    ticket: Ticket
    customer: Customer
    description: str
    background: str
    handler: Staff | None
    names: tuple[str, ...]
    entries: Sequence[TicketEntry] = ()
    said: dict[UUID, dict[str, str]] = field(default_factory=dict)
    survey: Survey | None = None
    answer: SurveyAnswer | None = None
    followup: Followup | None = None
    improvement: Improvement | None = None
    measure: str = ""

    @property
    def brought(self) -> dict[str, str]:
        """What the table said that it came from, under its names; empty for a request of our own."""
        found: dict[str, str] = {}
        for entry in self.entries:
            if entry.kind == IMPORTED:
                found |= self.said.get(entry.id, {})
        return found


async def told_in_pages(
    workshop: Workshop,
    span: Span,
    reader: Staff | None,
    cells: Callable[[UnitOfWork, Told], Awaitable[list[str]]],
) -> AsyncIterator[list[list[str]]]:
    """The row of each ticket, by the time it was received; each page is a transaction of its own."""
    last: tuple[Any, UUID] | None = None
    while True:
        async with workshop.read() as uow:
            query = _matching(span, reader).order_by(Ticket.received_at, Ticket.id).limit(PAGE)
            if last is not None:
                at, ident = last
                query = query.where(
                    or_(Ticket.received_at > at, and_(Ticket.received_at == at, Ticket.id > ident))
                )
            found = list(await uow.session.scalars(query))
            page = [await cells(uow, each) for each in await told_of(uow, found, reader)]
            if found:
                last = (found[-1].received_at, found[-1].id)
        if page:
            yield page
        if len(found) < PAGE:
            return


def _matching(span: Span, reader: Staff | None) -> Any:
    query = select(Ticket)
    if span.since is not None:
        query = query.where(Ticket.received_at >= span.since)
    if span.until is not None:
        query = query.where(Ticket.received_at < span.until)
    if reader is not None and reader.role is Role.AGENT:
        query = query.where(Ticket.handler_id == reader.id)
    return query


async def told_of(uow: UnitOfWork, found: Sequence[Ticket], reader: Staff | None) -> list[Told]:
    """Everything about these tickets, in a handful of queries. Scores only for whoever may see them."""
    idents = [row.id for row in found]
    await uow.vault.warm(uow.session, {row.data_key_id for row in found})
    customers = await by_ids(uow, Customer, {row.customer_id for row in found})
    staff = await by_ids(uow, Staff, {row.handler_id for row in found if row.handler_id})
    entries = await _by_ticket(uow, TicketEntry, idents, TicketEntry.at, TicketEntry.id)
    surveys = {row.ticket_id: row for row in await _of(uow, Survey, idents, Survey.opening)}
    followups = {row.ticket_id: row for row in await _of(uow, Followup, idents, Followup.id)}
    improvements = {row.ticket_id: row for row in await _of(uow, Improvement, idents, Improvement.id)}
    measures = await _measures(uow, improvements.values())
    answers = await answers_of(uow, [row.id for row in surveys.values() if may_see(reader, row)])
    stories = []
    for row in found:
        customer = customers[row.customer_id]
        names = await _names(uow, customer)
        survey = surveys.get(row.id)
        told = Told(
            ticket=row,
            customer=customer,
            description=await _words(uow, row, "description", names),
            background=await _words(uow, row, "background", names),
            handler=staff.get(row.handler_id) if row.handler_id else None,
            names=names,
            entries=entries[row.id],
            survey=survey,
            answer=answers.get(survey.id) if survey else None,
            followup=followups.get(row.id),
            improvement=improvements.get(row.id),
        )
        if told.improvement is not None:
            told.measure = mask_free_text(measures.get(told.improvement.id, ""), names=names)
        for each in told.entries:
            told.said[each.id] = await _said(uow, row, each, names)
        stories.append(told)
    return stories


def may_see(reader: Staff | None, survey: Survey) -> bool:
    """Whoever was rated sees no scores of it, other agents none at all."""
    if reader is None or reader.role is Role.ADMINISTRATOR:
        return True
    return reader.role is not Role.AGENT and reader.id != survey.staff_id


async def by_ids(uow: UnitOfWork, model: type[Row], idents: set[UUID]) -> dict[UUID, Row]:
    """Rows of a table by their ids, in one query."""
    column: Any = model.__mapper__.c.id
    if not idents:
        return {}
    rows: Any = await uow.session.scalars(select(model).where(among(uow.session, column, list(idents))))
    return {row.id: row for row in rows}


async def _of(uow: UnitOfWork, model: Any, idents: Sequence[UUID], order: Any) -> list[Any]:
    query = select(model).where(among(uow.session, model.ticket_id, list(idents))).order_by(order)
    return list(await uow.session.scalars(query))


async def _by_ticket(
    uow: UnitOfWork, model: Any, idents: Sequence[UUID], *order: Any
) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    query = select(model).where(among(uow.session, model.ticket_id, list(idents))).order_by(*order)
    for row in await uow.session.scalars(query):
        found[row.ticket_id].append(row)
    return found


async def answers_of(uow: UnitOfWork, idents: Sequence[UUID]) -> dict[UUID, SurveyAnswer]:
    """The answer that counts of each survey: the last complete one."""
    query = (
        select(SurveyAnswer)
        .where(among(uow.session, SurveyAnswer.survey_id, list(idents)), SurveyAnswer.final)
        .order_by(SurveyAnswer.version)
    )
    return {row.survey_id: row for row in await uow.session.scalars(query) if row.survey_id}


async def _measures(uow: UnitOfWork, rows: Any) -> dict[UUID, str]:
    from workers.improvements import words_of

    return {ident: words.measure for ident, words in (await words_of(uow, list(rows))).items()}


async def _names(uow: UnitOfWork, customer: Customer) -> tuple[str, ...]:
    try:
        sealer = await uow.vault.sealer(uow.session, customer.data_key_id)
    except (Erased, UnknownKey):
        return ()
    name = sealer.text(customer.name_sealed, "customers.name")
    return (name,) if name else ()


async def _words(uow: UnitOfWork, row: Ticket, part: str, names: tuple[str, ...]) -> str:
    """A text of the ticket, without contacts, identity numbers and the customer's name (row A2)."""
    try:
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    except Erased:
        return ERASED
    except UnknownKey:
        return ""
    return mask_free_text(sealer.text(getattr(row, f"{part}_sealed"), f"tickets.{part}"), names=names)


async def _said(uow: UnitOfWork, row: Ticket, entry: TicketEntry, names: tuple[str, ...]) -> dict[str, str]:
    if entry.words_sealed is None:
        return {}
    try:
        sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    except (Erased, UnknownKey):
        return {}
    words = sealer.json(entry.words_sealed, "ticket_entries.words")
    return {name: mask_free_text(str(text), names=names) for name, text in words.items()}
