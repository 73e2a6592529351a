"""What is no request: junk and blocked senders. Nothing of it is lost: staff can have it taken in."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from models.intake import IntakeBody, IntakeEvent
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import EventState, TicketState
from workers import senders
from workers.errors import Conflict
from workers.intake.filed import Filed
from workers.intake.providers.sms.registry import PROVIDERS as SMS_PROVIDERS
from workers.intake.store import WANTED, load
from workers.unit_of_work import UnitOfWork

TURNED_AWAY = frozenset({"junk", "blocked", "list"})
"""Kinds of rejected events that staff may have taken in after all."""
SAME_MESSAGE = timedelta(hours=1)


async def blocked_words(uow: UnitOfWork, who: tuple[str, ...], ticket: Ticket | None) -> Filed | None:
    """How words from these addresses or numbers are filed when one is blocked; None when none is.

    Blocked are new requests and what would open a closed ticket again: who has an open one is not shut out.
    """
    if ticket is not None and ticket.state is not TicketState.CLOSED:
        return None
    found = await senders.blocked(uow, [each for each in who if each])
    if found is None:
        return None
    return Filed(
        EventState.REJECTED,
        kind="blocked",
        reason=f"blocked_{found.scope}: {found.reason}",
        ticket_id=ticket.id if ticket else None,
    )


async def take_in(uow: UnitOfWork, row: IntakeEvent) -> None:
    """This is no junk: read the event again, as a request received when it came (all parts of a long SMS).

    Deadlines run from then on, so they may have been missed already: junk that was none is answered late.
    The caller holds `row`. Raises Conflict for what was not turned away, NotFound when its bytes are purged.
    """
    if row.state is not EventState.REJECTED or row.kind not in TURNED_AWAY:
        raise Conflict("this event was not turned away as junk or blocked", hint="closeloop intake list")
    for each in [row, *await _other_parts(uow, row)]:
        await _read_again(uow, each)


async def _other_parts(uow: UnitOfWork, row: IntakeEvent) -> list[IntakeEvent]:
    if row.group_hash is None:
        return []
    query = select(IntakeEvent).where(
        IntakeEvent.group_hash == row.group_hash,
        IntakeEvent.id != row.id,
        IntakeEvent.state == EventState.REJECTED,
        IntakeEvent.kind == row.kind,
        IntakeEvent.received_at.between(row.received_at - SAME_MESSAGE, row.received_at + SAME_MESSAGE),
    )
    return list(await uow.session.scalars(query.order_by(IntakeEvent.id).with_for_update()))


async def _read_again(uow: UnitOfWork, row: IntakeEvent) -> None:
    event = await load(uow, row)
    body = await uow.session.get_one(IntakeBody, row.id)
    sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    body.envelope_sealed = sealer.seal_json({**event.envelope, WANTED: True}, "intake_bodies.envelope")
    row.kind = "sms" if row.source in SMS_PROVIDERS else "mail"
    row.state, row.reason, row.tries = EventState.RECEIVED, None, 0
    row.due_at, row.free_at, row.lease_token = uow.clock.now(), None, None
    uow.ring("intake", row.lane, row.due_at)


async def run_again(uow: UnitOfWork, row: IntakeEvent) -> None:
    """Read a poisoned event again: it is kept as it came. The caller holds `row`. Raises Conflict."""
    _must_be_poison(row)
    row.state, row.reason, row.tries = EventState.RECEIVED, None, 0
    row.due_at, row.free_at, row.lease_token = uow.clock.now(), None, None
    uow.ring("intake", row.lane, row.due_at)


async def discard(uow: UnitOfWork, row: IntakeEvent, by: Staff) -> None:
    """A poisoned event is of no use: it stays as it came until it is purged. The caller holds `row`.

    Raises Conflict for one that is not poison.
    """
    _must_be_poison(row)
    row.state, row.reason = EventState.REJECTED, f"discarded_by {by.number}"
    row.due_at = row.free_at = row.lease_token = None


def _must_be_poison(row: IntakeEvent) -> None:
    if row.state is not EventState.POISON:
        raise Conflict("this event can be read, or was dealt with already", hint="look at it again")
