"""Reminders of a record: before and after its next action is due, and to share it within a day.

They are errands, since a record need not belong to a ticket: promised rows that the clockwork rings for. What
is due is looked at again at that moment; reminders of an earlier time (`next_round`) say nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from models.base import new_id
from models.communications import Communication
from models.deadlines import Errand
from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import CommunicationState, Lane
from workers.communications.words import masked_code, masked_words
from workers.directory import people_in_roles
from workers.locks import held
from workers.notifications import Notice, house_facts, notify, staff_recipient
from workers.promises import settle
from workers.unit_of_work import UnitOfWork

NEXT = "communication_next"
SHARE = "communication_share"
STEPS = ("before", "due", "overdue")
BEFORE = timedelta(hours=1)
TO_SUPERVISOR = timedelta(hours=4)
SHARE_WITHIN = timedelta(hours=24)
SHARE_REMINDER = timedelta(hours=20)


def _keys(row: Communication) -> list[str]:
    return [f"{NEXT}:{row.id.hex}:{row.next_round}:{step}" for step in STEPS]


async def arm(uow: UnitOfWork, row: Communication, *, past: bool = True) -> None:
    """Plan the reminders of `row.next_at`; those of an earlier time are withdrawn.

    With `past` a time that is over already is told of at once; without, only what is still to come.
    """
    await disarm(uow, row)
    row.next_round += 1
    if row.next_at is None:
        return
    now = uow.clock.now()
    span = row.next_at - now
    moments = (row.next_at - min(BEFORE, span / 4), row.next_at, row.next_at + TO_SUPERVISOR)
    for step, key, at in zip(STEPS, _keys(row), moments, strict=True):
        if at > now or (past and step != "before"):
            await _promise(uow, key, NEXT, row, at)


async def ask_to_share(uow: UnitOfWork, row: Communication) -> None:
    """Plan the reminder four hours before the day is over within which a record is shared (row C2)."""
    await _promise(uow, f"{SHARE}:{row.id.hex}", SHARE, row, row.recorded_at + SHARE_REMINDER)


async def disarm(uow: UnitOfWork, row: Communication) -> None:
    """Withdraw the reminders of the next action."""
    await _withdraw(uow, _keys(row))


async def shared(uow: UnitOfWork, row: Communication) -> None:
    """Withdraw the reminder to share."""
    await _withdraw(uow, [f"{SHARE}:{row.id.hex}"])


async def _promise(uow: UnitOfWork, key: str, kind: str, row: Communication, at: datetime) -> None:
    errand = Errand(id=new_id(), key=key, kind=kind, lane=Lane.NORMAL, subject_id=row.id, due_at=at)
    if await uow.insert_new(errand):
        uow.ring("errands", errand.lane, at)


async def _withdraw(uow: UnitOfWork, keys: list[str]) -> None:
    query = select(Errand).where(Errand.key.in_(keys), Errand.due_at.is_not(None)).order_by(Errand.id)
    for errand in await uow.session.scalars(held(query)):
        settle(errand)


async def remind_of_next(uow: UnitOfWork, errand: Errand) -> None:
    """The time of a next action comes, has come, or has passed: the handler hears, at last the supervisor."""
    row = await uow.session.get(Communication, errand.subject_id) if errand.subject_id else None
    _, _, turn, step = errand.key.split(":")
    if row is None or row.state is CommunicationState.CLOSED or int(turn) != row.next_round:
        return
    await _remind(uow, row, step, "supervisor" if step == "overdue" else "handler")


async def remind_to_share(uow: UnitOfWork, errand: Errand) -> None:
    """A record that nobody shared yet: its handler has four hours left."""
    row = await uow.session.get(Communication, errand.subject_id) if errand.subject_id else None
    if row is not None and row.shared_at is None:
        await _remind(uow, row, "share", "handler")


async def _remind(uow: UnitOfWork, row: Communication, step: str, role: str) -> None:
    handler = await uow.session.get_one(Staff, row.handler_id)
    people = await people_in_roles(uow, team_id=handler.team_id, handler_id=handler.id, roles=(role,))
    for person in people:
        facts = {**await record_facts(uow, row, person), "step": step}
        notice = Notice(
            kind="communication_reminder",
            fact=f"{row.id.hex}:{step}",
            ticket=None,
            generation=row.next_round,
            facts=facts,
            data_key_id=row.data_key_id,
        )
        await notify(uow, staff_recipient(uow, person), notice)


async def record_facts(uow: UnitOfWork, row: Communication, reader: Staff) -> dict[str, Any]:
    """What mails to staff are told of a record: masked, times in ISO 8601 (UTC)."""
    customer = await uow.session.get_one(Customer, row.customer_id)
    handler = await uow.session.get_one(Staff, row.handler_id)
    ticket = await uow.session.get(Ticket, row.ticket_id) if row.ticket_id else None
    words = await masked_words(uow, row, customer)
    return {
        **house_facts(uow, reader.locale or uow.settings.locale),
        "record": {
            **words,
            "number": row.number,
            "customer": masked_code(customer.code),
            "channel": row.channel.value,
            "happened_at": row.happened_at.isoformat(),
            "handler": handler.name,
            "ticket": ticket.number if ticket else "",
            "state": row.state.value,
            "next_at": row.next_at.isoformat() if row.next_at else "",
            "share_by": (row.recorded_at + SHARE_WITHIN).isoformat(),
        },
    }
