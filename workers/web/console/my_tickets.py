"""The tickets that somebody has in hand, each with the limit that comes next."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from models.bulk import among
from models.deadlines import Deadline
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import DeadlineKind, DeadlineState, TicketState
from workers.directory import known_names
from workers.text import mask_free_text
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import opened

MOST = 100
IN_HAND = (TicketState.TO_ASSIGN, TicketState.IN_PROGRESS, TicketState.AWAITING_FEEDBACK)
CLOCKS = (
    DeadlineKind.FIRST_RESPONSE,
    DeadlineKind.ACCEPTANCE,
    DeadlineKind.PLAN,
    DeadlineKind.RESOLUTION,
    DeadlineKind.PROGRESS,
)
_OPEN = (DeadlineState.RUNNING, DeadlineState.PAUSED, DeadlineState.BREACHED)


async def my_tickets(uow: UnitOfWork, person: Staff) -> list[dict[str, Any]]:
    """At most `MOST` tickets that this person handles, the next limit first; three queries, however many."""
    rows = await uow.session.scalars(
        select(Ticket)
        .where(Ticket.handler_id == person.id, Ticket.state.in_(IN_HAND))
        .order_by(Ticket.id)
        .limit(MOST)
    )
    tickets = rows.all()
    await uow.vault.warm(uow.session, [ticket.data_key_id for ticket in tickets])
    clocks = await _next_limits(uow, tickets)
    shown = [
        {
            "number": ticket.number,
            "subject": mask_free_text(
                await opened(uow, ticket.data_key_id, ticket.subject_sealed, "tickets.subject"),
                names=await known_names(uow, ticket.customer_id),
            ),
            "priority": ticket.priority.value if ticket.priority else None,
            "state": ticket.state.value,
            "clock": clock_view(uow, clocks.get(ticket.id)),
        }
        for ticket in tickets
    ]
    return sorted(shown, key=lambda each: each["clock"]["at"] if each["clock"] else "9999")


async def _next_limits(uow: UnitOfWork, tickets: Any) -> dict[Any, Deadline]:
    """The open limit of each ticket that comes (or came) first; one that stands still comes last."""
    rows = await uow.session.scalars(
        select(Deadline)
        .where(among(uow.session, Deadline.ticket_id, [ticket.id for ticket in tickets]))
        .where(Deadline.kind.in_(CLOCKS), Deadline.state.in_(_OPEN), Deadline.met_at.is_(None))
        .where(Deadline.limit_at.is_not(None))
    )
    first: dict[Any, Deadline] = {}
    for row in sorted(rows, key=lambda row: (row.paused_at is not None, row.limit_at)):
        first.setdefault(row.ticket_id, row)
    return first


def clock_view(uow: UnitOfWork, row: Deadline | None) -> dict[str, Any] | None:
    """A limit as pages show it: which, when, how much is left or by how much it is overdue."""
    if row is None or row.limit_at is None:
        return None
    left = (row.limit_at - uow.clock.now()).total_seconds()
    look = "paused" if row.paused_at is not None else "overdue" if left <= 0 else "left"
    return {"kind": row.kind.value, "at": row.limit_at.isoformat(), "look": look, "seconds": abs(int(left))}
