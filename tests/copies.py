"""Tickets that went as a story wants, made by copying one: figures need many, and mails take their time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from models.base import new_id
from models.tickets import Ticket
from models.vocabulary import TicketState
from workers.unit_of_work import Workshop


async def copies(
    workshop: Workshop, of: str, received: Iterable[datetime], response: timedelta, **changes: Any
) -> list[str]:
    """Closed copies of a ticket, received at these moments and answered `response` later; their numbers."""
    numbers = []
    async with workshop.begin() as uow:
        known = (await uow.session.scalars(select(Ticket).where(Ticket.number == of))).one()
        kept = {column.key: getattr(known, column.key) for column in Ticket.__mapper__.columns}
        for at in received:
            ident = new_id()
            numbers.append(f"CP{ident.hex[-12:]}")
            kept |= {
                "id": ident,
                "number": numbers[-1],
                "received_at": at,
                "opened_at": at,
                "first_response_at": at + response,
                "state": TicketState.CLOSED,
                "closed_at": at + response,
                "waiting_since": None,
            }
            uow.add_later(Ticket(**{**kept, **changes}))
    return numbers
