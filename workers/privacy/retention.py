"""What else goes by age: the audit log and the addresses in it, old sign-ins, customers who ask no more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, or_, select, update
from sqlalchemy.exc import InterfaceError, OperationalError

from models.access import SignIn, StaffSession
from models.bulk import among
from models.communications import Communication
from models.people import Customer
from models.privacy import AuditEntry, AuditSeal
from models.tickets import Ticket
from models.vocabulary import CommunicationState, TicketState
from workers.errors import Conflict
from workers.privacy.erasing import erase
from workers.purge import BATCH, BREATH
from workers.unit_of_work import UnitOfWork, Workshop

log = structlog.get_logger(__name__)

SIGN_INS = timedelta(days=90)
"""So long it can be seen when somebody asked for a sign-in, and from which browser somebody was signed in."""


async def purge_more(workshop: Workshop, *, dry_run: bool = False) -> Mapping[str, int]:
    """Delete it in small transactions, oldest first; gives how much of each kind. `dry_run` only counts."""
    settings, now = workshop.settings, workshop.clock.now()
    addresses = (
        AuditEntry.at < now - timedelta(days=settings.keep_audit_details_days),
        AuditEntry.details_sealed.is_not(None),
    )
    counts = {
        "audit": await _audit(workshop, now - timedelta(days=settings.keep_audit_days), dry_run=dry_run),
        "audit_addresses": await _by_id(workshop, AuditEntry, addresses, dry_run=dry_run),
        "sign_ins": await _by_id(workshop, SignIn, (SignIn.expires_at < now - SIGN_INS,), dry_run=dry_run),
        "sessions": await _by_id(
            workshop, StaffSession, (StaffSession.expires_at < now - SIGN_INS,), dry_run=dry_run
        ),
        "customers": 0,
    }
    if settings.keep_customers_days is not None:
        before = now - timedelta(days=settings.keep_customers_days)
        counts["customers"] = await _customers(workshop, before, dry_run=dry_run)
    return counts


async def _audit(workshop: Workshop, before: datetime, *, dry_run: bool) -> int:
    """Entries go seal by seal: the seal stays in the chain, empty."""
    old = select(AuditSeal).where(AuditSeal.at < before, AuditSeal.leaves.is_not(None))
    if dry_run:
        async with workshop.read() as uow:
            return await _count(uow, select(func.coalesce(func.sum(old.subquery().c.rows), 0)))
    count = 0
    while True:
        async with workshop.begin() as uow:
            seal = await uow.session.scalar(old.order_by(AuditSeal.number).limit(1).with_for_update())
            if seal is None:
                return count
            number, rows = seal.number, seal.rows
            emptied = update(AuditSeal).where(AuditSeal.number == number).values(leaves=None)
            await uow.session.execute(emptied.execution_options(synchronize_session=False))
            gone = delete(AuditEntry).where(AuditEntry.seal == number)
            await uow.session.execute(gone.execution_options(synchronize_session=False))
        count += rows
        await asyncio.sleep(BREATH)


async def _by_id(
    workshop: Workshop, model: Any, which: tuple[ColumnElement[bool], ...], *, dry_run: bool
) -> int:
    """Rows of one table; of audit entries only what is personal in them."""
    if dry_run:
        async with workshop.read() as uow:
            return await _count(uow, select(func.count()).select_from(model).where(*which))
    count = 0
    while True:
        async with workshop.begin() as uow:
            ids = list(await uow.session.scalars(select(model.id).where(*which).limit(BATCH)))
            mine = among(uow.session, model.id, ids)
            change: Any = (
                update(model).where(mine).values(details_sealed=None)
                if model is AuditEntry
                else delete(model).where(mine)
            )
            if ids:
                await uow.session.execute(change.execution_options(synchronize_session=False))
        count += len(ids)
        if len(ids) < BATCH:
            return count
        await asyncio.sleep(BREATH)


def asks_no_more(before: datetime) -> ColumnElement[bool]:
    """The condition that nothing is open with a customer, nor was since `before`."""
    lately = or_(Ticket.state != TicketState.CLOSED, Ticket.closed_at.is_(None), Ticket.closed_at >= before)
    talked = or_(Communication.state == CommunicationState.OPEN, Communication.happened_at >= before)
    return and_(
        Customer.erased_at.is_(None),
        Customer.merged_into_id.is_(None),
        Customer.created_at < before,
        ~exists().where(Ticket.customer_id == Customer.id, lately),
        ~exists().where(Communication.customer_id == Customer.id, talked),
    )


async def _customers(workshop: Workshop, before: datetime, *, dry_run: bool) -> int:
    """Customers who ask no more are erased, each with a certificate: the first `BATCH` that can be.

    Whoever writes meanwhile stays: it is looked at again when nobody else can open a request for them.
    """
    idle = select(Customer.id, Customer.code).where(asks_no_more(before)).order_by(Customer.id)
    if dry_run:
        async with workshop.read() as uow:
            return await _count(uow, select(func.count()).select_from(idle.subquery()))
    count, after = 0, None
    while count < BATCH:
        further = idle.where(Customer.id > after) if after else idle
        async with workshop.read() as uow:
            rows = (await uow.session.execute(further.limit(BATCH - count))).all()
        if not rows:
            break
        for _, code in rows:
            count += await _erased(workshop, code, before)
            await asyncio.sleep(BREATH)
        after = rows[-1].id
    return count


async def _erased(workshop: Workshop, code: str, before: datetime) -> bool:
    """Whether the customer was erased. One who cannot be is told of in the log, and keeps no other one."""
    try:
        await erase(workshop, code, why="retention", only=asks_no_more(before))
    except Conflict:  # they have written, or somebody else has erased them
        return False
    except (OperationalError, InterfaceError):  # the database's trouble, not this customer's
        raise
    except Exception:
        log.exception("customer_not_erased", customer=code)
        return False
    return True


async def _count(uow: UnitOfWork, query: Select[int]) -> int:
    return await uow.session.scalar(query) or 0
