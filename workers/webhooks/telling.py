"""From a line of a ticket's log to promised rows: in the transaction of the fact, once it is complete.

Whoever logs a line calls `note`. At the end of the transaction, when the ticket is as it is going to be,
the endpoints are asked for, once, and each that hears such events gets a delivery.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import inspect, select

from models.base import new_id
from models.people import Customer, Staff, Team
from models.tickets import Ticket, TicketEntry
from models.vocabulary import Lane
from models.webhooks import WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookState
from workers.text import mask_customer_id
from workers.unit_of_work import UnitOfWork
from workers.webhooks.catalogue import BODY_VERSION, BY_LINE

DESK = "webhooks"


class _Listener(NamedTuple):
    """An endpoint, as far as it matters for who hears what."""

    id: UUID
    events: list[str]
    team_id: UUID | None
    active: bool
    resting_until: datetime | None


def note(uow: UnitOfWork, ticket: Ticket, entry: TicketEntry) -> None:
    """A line was logged: whoever wants to hear of such a thing will, if the transaction is committed."""
    kind = BY_LINE.get(entry.kind)
    if kind is None or (kind.when and not entry.facts.get(kind.when)):
        return
    if not uow.happened:
        uow.at_end(_tell_all)
    uow.happened.append((ticket, entry))


async def _tell_all(uow: UnitOfWork) -> None:
    with uow.session.no_autoflush:  # what is to be written is written once, after this
        listeners = await _listeners(uow)
        if not listeners:
            return
        for ticket, entry in uow.happened:
            assert isinstance(ticket, Ticket)
            assert isinstance(entry, TicketEntry)
            if uow.keeps(entry):
                await _tell(uow, listeners, ticket, entry)


async def _listeners(uow: UnitOfWork) -> Sequence[_Listener]:
    """Endpoints that are switched off count too: what happens meanwhile can be replayed to them."""
    columns = (
        WebhookEndpoint.id,
        WebhookEndpoint.events,
        WebhookEndpoint.team_id,
        WebhookEndpoint.active,
        WebhookEndpoint.resting_until,
    )
    found = await uow.session.execute(select(*columns).where(WebhookEndpoint.deleted_at.is_(None)))
    return [_Listener(*row) for row in found]


async def _tell(uow: UnitOfWork, listeners: Sequence[_Listener], ticket: Ticket, entry: TicketEntry) -> None:
    kind = BY_LINE[entry.kind]
    if forgotten := inspect(ticket).expired_attributes:  # by a savepoint that was rolled back
        await uow.session.refresh(ticket, list(forgotten))
    hear = [each for each in listeners if kind.name in each.events and each.team_id in (None, ticket.team_id)]
    if not hear:
        return
    event = make_event(
        uow, kind.name, entry.at, {"ticket": await _shown(uow, ticket), **_facts(entry)}, ticket
    )
    for each in hear:
        if each.active:
            promise(uow, event, each.id, each.resting_until)


def make_event(
    uow: UnitOfWork, name: str, at: datetime, data: Mapping[str, Any], ticket: Ticket | None = None
) -> WebhookEvent:
    """An event with its body, added to the transaction."""
    body = {"type": name, "version": BODY_VERSION, "timestamp": moment(at), "data": data}
    event = WebhookEvent(
        id=new_id(),
        type=name,
        at=at,
        made_at=uow.clock.now(),
        ticket_id=ticket.id if ticket else None,
        team_id=ticket.team_id if ticket else None,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    )
    uow.add_later(event)
    return event


def promise(
    uow: UnitOfWork, event: WebhookEvent, endpoint_id: UUID, rests: datetime | None = None
) -> WebhookDelivery:
    """The promise that this endpoint hears of it, due now; not before an endpoint that `rests` is back."""
    now = uow.clock.now()
    row = WebhookDelivery(
        id=new_id(),
        event_id=event.id,
        endpoint_id=endpoint_id,
        state=WebhookState.QUEUED,
        made_at=now,
        replays=0,
        lane=Lane.NORMAL,
        due_at=now,
        free_at=rests,
        tries=0,
    )
    uow.add_later(row)
    uow.ring(DESK, Lane.NORMAL, now)
    return row


def moment(at: datetime) -> str:
    """A moment as events show it: ISO 8601 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _shown(uow: UnitOfWork, ticket: Ticket) -> dict[str, Any]:
    """The ticket as it is when the transaction ends: codes and numbers, the customer's code masked."""
    team = await uow.the(Team, ticket.team_id) if ticket.team_id else None
    handler = await uow.the(Staff, ticket.handler_id) if ticket.handler_id else None
    customer = await uow.the(Customer, ticket.customer_id)
    return {
        "number": ticket.number,
        "version": ticket.version,
        "opening": ticket.opening,
        "state": ticket.state.value,
        "priority": ticket.priority.value,
        "category": ticket.category.value,
        "team": team.name if team else None,
        "handler": handler.number if handler else None,
        "customer": mask_customer_id(customer.code),
    }


def _facts(entry: TicketEntry) -> dict[str, Any]:
    """What of the line is told. Of a fully anonymous rating nothing by which it could be found."""
    told = {name: value for name, value in entry.facts.items() if name in BY_LINE[entry.kind].facts}
    if told.get("anonymous"):
        told.pop("survey", None)
    if entry.followup_id is not None and "followup" in BY_LINE[entry.kind].facts:
        told["followup"] = str(entry.followup_id)
    return told
