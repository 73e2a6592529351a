"""The record as a row of a table: its own columns in their order, in Chinese or English (row C4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from models.communications import Communication
from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import CommunicationState, Medium
from workers.communications.finding import Wanted, matching
from workers.communications.words import masked_code, masked_words
from workers.unit_of_work import UnitOfWork, Workshop

PAGE = 500
Row = TypeVar("Row", Customer, Staff, Ticket)

TITLES: Mapping[str, tuple[str, str]] = {
    "number": ("记录编号", "Record ID"),
    "happened_at": ("沟通时间", "Date and time"),
    "customer": ("客户ID", "Customer ID"),
    "channel": ("沟通渠道", "Channel"),
    "description": ("沟通内容", "Description"),
    "summary": ("摘要", "Summary"),
    "handler": ("处理人", "Handler"),
    "solution": ("解决方案", "Solution"),
    "next_action": ("下一步行动", "Next action"),
    "next_at": ("下一步时间", "Next action time"),
    "state": ("状态", "State"),
    "late_entry": ("补录", "Late entry"),
    "ticket": ("工单编号", "Ticket"),
}
CHANNEL_WORDS: Mapping[Medium, tuple[str, str]] = {
    Medium.PHONE: ("电话", "Phone"),
    Medium.EMAIL: ("邮件", "E-mail"),
    Medium.CHAT: ("在线聊天", "Online chat"),
    Medium.SMS: ("短信", "SMS"),
}
STATE_WORDS: Mapping[CommunicationState, tuple[str, str]] = {
    CommunicationState.OPEN: ("开放", "Open"),
    CommunicationState.CLOSED: ("关闭", "Closed"),
}


@dataclass(frozen=True, slots=True)
class Wording:
    """In which language and time zone (IANA) a table is written."""

    locale: str
    zone: str

    @property
    def place(self) -> int:
        """Which of two words is this language's."""
        return 0 if self.locale.startswith("zh") else 1

    def titles(self) -> list[str]:
        """The first row."""
        return [words[self.place] for words in TITLES.values()]

    def moment(self, at: datetime | None) -> str:
        """A moment in the team's zone, to the second."""
        return at.astimezone(ZoneInfo(self.zone)).strftime("%Y-%m-%d %H:%M:%S") if at else ""


async def rows(
    workshop: Workshop, wanted: Wanted, reader: Staff | None, wording: Wording
) -> AsyncIterator[list[list[str]]]:
    """All rows that are wanted and `reader` may see, oldest record first, some hundreds at a time.

    Each page is a transaction of its own: an export of any length keeps neither memory nor the database busy.
    """
    last: UUID | None = None
    while True:
        async with workshop.read() as uow:
            query = matching(wanted, reader, uow.clock.now()).order_by(Communication.id).limit(PAGE)
            if last is not None:
                query = query.where(Communication.id > last)
            found = list(await uow.session.scalars(query))
            cells = await _cells(uow, found, wording)
        if cells:
            yield cells
        if len(found) < PAGE:
            return
        last = found[-1].id


async def _cells(uow: UnitOfWork, found: Sequence[Communication], wording: Wording) -> list[list[str]]:
    await uow.vault.warm(uow.session, {row.data_key_id for row in found})
    customers = await by_ids(uow, Customer, {row.customer_id for row in found})
    staff = await by_ids(uow, Staff, {row.handler_id for row in found})
    tickets = await by_ids(uow, Ticket, {row.ticket_id for row in found if row.ticket_id})
    lines = []
    for row in found:
        customer = customers[row.customer_id]
        cells: dict[str, Any] = {
            **await masked_words(uow, row, customer),
            "number": row.number,
            "happened_at": wording.moment(row.happened_at),
            "customer": masked_code(customer.code),
            "channel": CHANNEL_WORDS[row.channel][wording.place],
            "handler": staff[row.handler_id].number,
            "next_at": wording.moment(row.next_at),
            "state": STATE_WORDS[row.state][wording.place],
            "late_entry": (("补录", "late")[wording.place]) if row.late_entry else "",
            "ticket": tickets[row.ticket_id].number if row.ticket_id else "",
        }
        lines.append([cells[name] for name in TITLES])
    return lines


async def by_ids(uow: UnitOfWork, model: type[Row], idents: set[UUID]) -> dict[UUID, Row]:
    """Rows of a table by their ids, in one query."""
    if not idents:
        return {}
    found = await uow.session.scalars(select(model).where(model.id.in_(idents)))
    return {row.id: row for row in found}
