"""Communication records as callers see them: words masked, staff by number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from models.communications import Communication, CommunicationEntry
from models.people import Customer, Staff
from workers import communications
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import opened_words, picked
from workers.web.api.communication_models import RecordEntry, RecordShown
from workers.web.api.notifications import ticket_numbers
from workers.web.api.ticket_views import customers_by_ids, staff_by_ids

COPIED = "number version state channel happened_at recorded_at late_entry next_at shared_at closed_at"


async def shown_records(uow: UnitOfWork, rows: list[Communication]) -> list[RecordShown]:
    """Records as lists show them, masked; a query for each table they touch."""
    customers = await customers_by_ids(uow, [row.customer_id for row in rows])
    staff = await staff_by_ids(uow, [row.handler_id for row in rows])
    numbers = await ticket_numbers(uow, [row.ticket_id for row in rows])
    now = uow.clock.now()
    return [
        RecordShown(
            **picked(row, COPIED),
            **await communications.masked_words(uow, row, customers[row.customer_id]),
            customer=communications.masked_code(customers[row.customer_id].code),
            ticket=numbers.get(row.ticket_id) if row.ticket_id else None,
            handler=staff[row.handler_id].number,
            overdue=row.next_at is not None and row.next_at < now,
        )
        for row in rows
    ]


async def history_of(uow: UnitOfWork, row: Communication) -> list[RecordEntry]:
    """The history of a record, oldest line first, masked."""
    query = select(CommunicationEntry).where(CommunicationEntry.communication_id == row.id)
    entries = list(await uow.session.scalars(query.order_by(CommunicationEntry.id)))
    customer = await uow.session.get_one(Customer, row.customer_id)
    name = await communications.name_of(uow, customer)
    idents: list[UUID | None] = [each.staff_id for each in entries]
    idents += [each.shared_staff_id for each in entries]
    idents += [UUID(each) for entry in entries for each in _handlers(entry.facts)]
    staff = await staff_by_ids(uow, idents)
    return [await _entry(uow, row, each, staff, (name,) if name else ()) for each in entries]


async def _entry(
    uow: UnitOfWork,
    row: Communication,
    each: CommunicationEntry,
    staff: dict[UUID, Staff],
    names: tuple[str, ...],
) -> RecordEntry:
    facts = _named(each.facts, staff)
    if each.shared_staff_id:
        facts["shared_with"] = staff[each.shared_staff_id].number
    return RecordEntry(
        at=each.at,
        kind=each.kind,
        staff=staff[each.staff_id].number if each.staff_id else None,
        facts=facts,
        words=await opened_words(uow, row.data_key_id, each.words_sealed, communications.ENTRY_PLACE, names),
    )


def _handlers(facts: Mapping[str, Any]) -> list[str]:
    """The ids of the handlers whom a line names, as it is and as it was before."""
    return [str(each["handler"]) for each in (facts, facts.get("before") or {}) if "handler" in each]


def _named(facts: Mapping[str, Any], staff: Mapping[UUID, Staff]) -> dict[str, Any]:
    """The facts with numbers of staff in the place of ids."""
    shown = dict(facts)
    if "handler" in shown:
        shown["handler"] = staff[UUID(shown["handler"])].number
    if shown.get("before"):
        shown["before"] = _named(shown["before"], staff)
    return shown
