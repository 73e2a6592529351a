"""Customers, as code and mask."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import func, select

from models.people import Customer
from models.tickets import Ticket
from models.vocabulary import TicketState
from workers.errors import NotFound
from workers.web.api.ticket_models import CustomerShown
from workers.web.api.ticket_views import customer_view
from workers.web.parts import Parts

router = APIRouter(prefix="/customers", tags=["customers"])

LATEST = 20


class CustomerDetail(CustomerShown):
    """A customer and what they have asked."""

    created_at: datetime
    locale: str | None
    tickets: int = Field(description="All requests so far")
    open_tickets: int
    latest_tickets: list[str] = Field(description="Numbers, newest first, at most 20")


@router.get("/{code}", summary="Look at a customer")
async def get_customer(code: str, parts: Parts) -> CustomerDetail:
    """Masked; the full contact never leaves by this API (row A2)."""
    async with parts.workshop.read() as uow:
        row = await uow.session.scalar(select(Customer).where(Customer.code == code.strip().upper()))
        if row is None:
            raise NotFound(f"there is no customer {code[:24]}", hint="codes look like C202405001")
        states = await uow.session.execute(
            select(Ticket.state, func.count()).where(Ticket.customer_id == row.id).group_by(Ticket.state)
        )
        counts: dict[TicketState, int] = dict(states.all())
        latest = await uow.session.scalars(
            select(Ticket.number).where(Ticket.customer_id == row.id).order_by(Ticket.id.desc()).limit(LATEST)
        )
        return CustomerDetail(
            **customer_view(row).model_dump(),
            created_at=row.created_at,
            locale=row.locale,
            tickets=sum(counts.values()),
            open_tickets=sum(count for state, count in counts.items() if state is not TicketState.CLOSED),
            latest_tickets=list(latest),
        )
