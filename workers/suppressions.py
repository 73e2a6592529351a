"""Who must not be written to, why, and until when: the only writer of the suppressions.

Staff are never on this list: an escalation that does not reach one of them goes to the next person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, func, or_, select

from models.base import new_id
from models.bulk import among
from models.notifications import Notification, Suppression
from models.people import Customer, Staff
from models.tickets import Ticket
from models.vocabulary import Medium, TicketState
from workers.errors import Conflict
from workers.history import record
from workers.locks import held
from workers.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

ALL, SURVEYS = "all", "surveys"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a reason holds back (`all` or `surveys`) and for how long; None: until it is lifted."""

    scope: str
    lasts: timedelta | None = None


RULES: Mapping[str, Rule] = {
    # A mailbox that does not exist today may be made tomorrow, or the domain come back.
    "hard_bounce": Rule(ALL, timedelta(days=90)),
    "complaint": Rule(ALL),
    "opted_out": Rule(SURVEYS),
    "stop": Rule(ALL),
    "blocked_by_staff": Rule(ALL),
}

HARD = frozenset({"unknown_recipient", "unreachable_domain", "mailbox_disabled"})
"""Refusals that speak of the address: content, policy, a full mailbox and all that is temporary do not."""

REFUSED_BY_CUSTOMER = frozenset({"opted_out"})
"""Refusals by which a provider says that the customer has stopped our messages there."""


def reason_for(refusal: str) -> str | None:
    """The reason to suppress an address for after this refusal; None for one that says nothing of it."""
    if refusal in HARD:
        return "hard_bounce"
    return "stop" if refusal in REFUSED_BY_CUSTOMER else None


async def suppress(
    uow: UnitOfWork,
    address_hash: bytes,
    channel: Medium,
    reason: str,
    *,
    by: Staff | None = None,
    message: Notification | None = None,
    ticket: Ticket | None = None,
) -> Suppression | None:
    """Hold back what goes to this address from now on; None when the same reason stood already (it lasts on).

    Logged on `ticket` (held by the caller), else on the customer's open tickets.
    """
    rule = RULES[reason]
    now = uow.clock.now()
    until = now + rule.lasts if rule.lasts else None
    about = [ticket] if ticket is not None else await _open_tickets(uow, address_hash)
    old = await _same(uow, address_hash, channel, reason)
    if old is not None and (old.until is None or old.until > now):
        old.until = until
        return None
    if old is not None:
        old.lifted_at, old.lift_reason = old.until, "expired"
    row = Suppression(
        id=new_id(),
        address_hash=address_hash,
        channel=channel,
        scope=rule.scope,
        reason=reason,
        created_at=now,
        until=until,
        made_by=by.id if by else None,
        notification_id=message.id if message else None,
    )
    if not await uow.insert_new(row):
        return None
    facts = {"channel": channel.value, "reason": reason, "scope": rule.scope}
    facts |= {"until": until.isoformat()} if until else {}
    await _note(uow, row, "suppressed", facts, about, by=by)
    return row


async def _same(uow: UnitOfWork, address_hash: bytes, channel: Medium, reason: str) -> Suppression | None:
    return await uow.session.scalar(
        select(Suppression)
        .where(Suppression.address_hash == address_hash, Suppression.channel == channel)
        .where(Suppression.reason == reason, Suppression.lifted_at.is_(None))
        .with_for_update()
    )


async def lift(uow: UnitOfWork, row: Suppression, why: str, *, by: Staff | None = None) -> None:
    """Let the address be written to again, as far as this reason goes; the row stays as history.

    Raises Conflict when it was lifted or is over already.
    """
    about = await _open_tickets(uow, row.address_hash)
    await uow.session.refresh(row, with_for_update=True)
    now = uow.clock.now()
    if row.lifted_at is not None or (row.until is not None and row.until <= now):
        raise Conflict("this suppression is over already")
    row.lifted_at, row.lift_reason = now, why
    row.lifted_by = by.id if by else None
    facts = {"channel": row.channel.value, "reason": row.reason, "why": why}
    await _note(uow, row, "suppression_lifted", facts, about, by=by)


async def started_again(uow: UnitOfWork, address_hash: bytes) -> bool:
    """The customer takes their STOP back; gives whether there was one. What else stands is left standing."""
    await _open_tickets(uow, address_hash)
    row = await _same(uow, address_hash, Medium.SMS, "stop")
    if row is None:
        return False
    await lift(uow, row, "start")
    return True


def standing(uow: UnitOfWork) -> tuple[ColumnElement[bool], ...]:
    """WHERE conditions for suppressions that hold now: neither lifted nor expired."""
    open_end = or_(Suppression.until.is_(None), Suppression.until > uow.clock.now())
    return (Suppression.lifted_at.is_(None), open_end)


async def unwanted(
    uow: UnitOfWork, rows: Collection[Notification], surveys: Collection[str]
) -> dict[UUID, str]:
    """Which of these messages to customers must not go out, with the reason (the widest, then the oldest).

    `surveys` are the kinds of messages that the scope `surveys` means.
    """
    hashes = {row.recipient_hash for row in rows if row.customer_id is not None}
    if not hashes:
        return {}
    found = await uow.session.execute(
        select(Suppression.address_hash, Suppression.channel, Suppression.scope, Suppression.reason)
        .where(among(uow.session, Suppression.address_hash, hashes), *standing(uow))
        .order_by(Suppression.scope, Suppression.id)
    )
    reasons: dict[tuple[bytes, Medium, str], str] = {}
    for address_hash, channel, scope, reason in found:
        reasons.setdefault((address_hash, channel, scope), reason)
    held: dict[UUID, str] = {}
    for row in rows:
        scopes = (ALL, SURVEYS) if row.kind in surveys else (ALL,)
        here = [reasons.get((row.recipient_hash, row.channel, scope)) for scope in scopes]
        why = next((one for one in here if one), None)
        if row.customer_id is not None and why is not None:
            held[row.id] = why
    return held


async def _note(
    uow: UnitOfWork,
    row: Suppression,
    kind: str,
    facts: dict[str, Any],
    about: Iterable[Ticket],
    *,
    by: Staff | None,
) -> None:
    """Say it in the program's log and in the log of each ticket it is about."""
    log.info(kind, suppression=str(row.id), by=by.number if by else None, **facts)
    for each in about:
        await record(uow, each, kind, by=by, facts=facts, notification_id=row.notification_id)


async def _open_tickets(uow: UnitOfWork, address_hash: bytes) -> list[Ticket]:
    """The tickets that are about this address's customer now, locked before what they are told of."""
    whose = select(func.coalesce(Customer.merged_into_id, Customer.id)).where(
        or_(Customer.email_hash == address_hash, Customer.phone_hash == address_hash)
    )
    query = select(Ticket).where(Ticket.customer_id.in_(whose), Ticket.state != TicketState.CLOSED)
    return list(await uow.session.scalars(held(query.order_by(Ticket.id))))
