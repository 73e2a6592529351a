"""The same Idempotency-Key opens one ticket: the key is an intake event in the ticket's own transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sqlalchemy import select

from models.base import new_id
from models.intake import IntakeBody, IntakeEvent
from models.tickets import Ticket
from models.vocabulary import EventState, Lane
from workers.errors import Conflict, InvalidInput
from workers.tickets import Request, open_ticket
from workers.unit_of_work import UnitOfWork
from workers.web.api.common import opened
from workers.web.parts import WebParts

SOURCE = "api"


async def open_once(
    parts: WebParts, key: str | None, body: bytes, request: Callable[[UnitOfWork], Request]
) -> tuple[str, bool]:
    """Open the ticket; gives its number, and whether it is new.

    With a `key` the event is written first: a second caller with the same one waits for the first's
    transaction and then gets its ticket. Raises InvalidInput when the key came with another body before.
    """
    async with parts.workshop.begin() as uow:
        event = None
        if key is not None:
            event, new = await _claim_key(uow, key, body)
            if not new:
                return await _known(uow, event), False
        ticket = await open_ticket(uow, request(uow))
        if event is not None:
            event.ticket_id = ticket.id
        return ticket.number, True


async def _claim_key(uow: UnitOfWork, key: str, body: bytes) -> tuple[IntakeEvent, bool]:
    external_id = hashlib.sha256(key.encode()).hexdigest()
    key_id = await uow.vault.new_key(uow.session)
    row = IntakeEvent(
        id=new_id(),
        source=SOURCE,
        external_id=external_id,
        kind="ticket",
        received_at=uow.clock.now(),
        state=EventState.DONE,
        data_key_id=key_id,
        lane=Lane.NORMAL,
    )
    if await uow.insert_new(row):
        sealer = await uow.vault.sealer(uow.session, key_id)
        sealed = sealer.seal_json({}, "intake_bodies.envelope")
        raw = sealer.seal(body, "intake_bodies.raw")
        uow.session.add(IntakeBody(event_id=row.id, envelope_sealed=sealed, raw_sealed=raw))
        return row, True
    known = await uow.session.scalar(
        select(IntakeEvent).where(IntakeEvent.source == SOURCE, IntakeEvent.external_id == external_id)
    )
    if known is None:
        raise Conflict("another request with this key is under way", hint="try again")
    before = await uow.session.get(IntakeBody, known.id)
    if before is not None:
        said = await opened(uow, known.data_key_id, before.raw_sealed, "intake_bodies.raw")
        if said and said.encode() != body:
            raise InvalidInput("this Idempotency-Key came with another request before", hint="use a new key")
    return known, False


async def _known(uow: UnitOfWork, event: IntakeEvent) -> str:
    number = await uow.session.scalar(select(Ticket.number).where(Ticket.id == event.ticket_id))
    if number is None:
        raise Conflict("the request with this key opened no ticket", hint="use a new key")
    return number
