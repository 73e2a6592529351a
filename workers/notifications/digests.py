"""One mail instead of many: what is told of breaches at opening time, or in a storm, is gathered in a digest.

The members stay rows of their own (`merged`, with the digest's id); which of them are still worth a line is
seen when the digest is rendered (`workers.delivery.digests`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import case, select, update

from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import Lane, NotificationState, Priority
from workers.delivery.digests import DIGEST
from workers.locks import held, hold
from workers.notifications.facts import house_facts
from workers.notifications.notice import Notice, notify
from workers.notifications.recipients import Recipient
from workers.unit_of_work import UnitOfWork

BREACH = "breach"
STORM = timedelta(seconds=60)
ENOUGH = 20
"""A ticket has fewer breaches than that within a minute: so many rows times `storm_from` tell of a storm."""


async def notify_gathered(
    uow: UnitOfWork, to: Recipient, notice: Notice, *, storm_from: int, apart: Collection[Priority] = ()
) -> Notification | None:
    """As `notify`, for a breach that may be a line of a digest; gives the notice's own row.

    One that is due later (what the night has left for opening time) always is. One that is due now is, when
    within a minute the person hears of `storm_from` tickets or more (0: never); those of that minute that
    have not left yet join it. Tickets of the priorities in `apart` are neither merged nor counted.
    """
    ticket, now = notice.ticket, uow.clock.now()
    alone = notice.kind != BREACH or notice.merged or ticket is None or ticket.priority in apart
    if alone or to.staff_id is None:
        return await notify(uow, to, notice)
    if notice.due_at is not None and notice.due_at > now:
        return await notify(uow, to, notice, digest=await _open_digest(uow, to, notice.due_at))
    if not storm_from:
        return await notify(uow, to, notice)
    recent = await _of_this_minute(uow, to.staff_id, apart, storm_from)
    digest = None
    if len({row.ticket_id for row in recent} | {_id(ticket)}) >= storm_from:
        digest = await _open_digest(uow, to, _end_of_minute(now))
        if digest is not None:
            await _join(uow, digest, recent)
    made = await notify(uow, to, notice, digest=digest)
    if made is not None and uow.ahead is not None:
        recent.append(made)
    return made


def _id(ticket: Ticket | None) -> UUID | None:
    return ticket.id if ticket else None


def _end_of_minute(now: datetime) -> datetime:
    """Batches and workers that hear of the same storm write into the same digest."""
    return now.replace(second=0, microsecond=0) + STORM


async def _of_this_minute(
    uow: UnitOfWork, staff_id: UUID, apart: Collection[Priority], storm_from: int
) -> list[Notification]:
    """What the person was told of breaches just now; a transaction for many asks once and adds its own.

    In a storm no more than tell that it is one, but all that have not left yet.
    """
    if uow.ahead is not None and staff_id in uow.ahead.breaches:
        return uow.ahead.breaches[staff_id]
    waits_first = case((Notification.state == NotificationState.QUEUED, 0), else_=1)
    query = (
        select(Notification)
        .join(Ticket, Ticket.id == Notification.ticket_id)
        .where(Notification.kind == BREACH, Notification.staff_id == staff_id)
        .where(Notification.created_at > uow.clock.now() - STORM, Ticket.priority.not_in(apart))
        .order_by(waits_first, Notification.created_at.desc())
        .limit(storm_from * ENOUGH)
    )
    if uow.ahead is None:
        return list(await uow.session.scalars(query))
    with uow.session.no_autoflush:  # what this transaction has made itself is added below
        found = list(await uow.session.scalars(query))
    uow.ahead.breaches[staff_id] = found
    return found


async def _open_digest(uow: UnitOfWork, to: Recipient, due_at: datetime) -> Notification | None:
    """The digest that leaves at `due_at`, held until the transaction ends; None when it leaves already."""
    fact = f"{due_at:%Y%m%d%H%M%S}"
    key = f"{DIGEST}:{fact}:1:0:{to.staff_id}:{to.channel.value}"
    if uow.ahead is not None:
        await _hold_all(uow, due_at, fact)
        if key in uow.ahead.digests:
            return uow.ahead.digests[key]
    notice = Notice(
        kind=DIGEST,
        fact=fact,
        ticket=None,
        facts=house_facts(uow, to.locale),
        lane=Lane.URGENT,
        due_at=due_at,
        data_key_id=uow.vault.system_key_id,
    )
    if uow.ahead is not None:
        digest = await notify(uow, to, notice)
    else:
        digest = await _held(uow, key) or await notify(uow, to, notice) or await _held(uow, key)
    if digest is None or digest.state is not NotificationState.QUEUED or digest.lease_token is not None:
        return None
    if uow.ahead is not None:
        uow.ahead.digests[key] = digest
    return digest


async def _hold_all(uow: UnitOfWork, due_at: datetime, fact: str) -> None:
    """A transaction for many: lock all digests that leave at `due_at`, and wait for others that do so.

    Each would take its people's digests in its own order, and two of them wait for each other.
    """
    assert uow.ahead is not None
    if fact in uow.ahead.digests_of:
        return
    uow.ahead.digests_of.add(fact)
    with uow.session.no_autoflush:
        await hold(uow, [f"{DIGEST}:{fact}"])
        found = await uow.session.scalars(
            held(
                select(Notification).where(
                    Notification.lane == Lane.URGENT,
                    Notification.due_at == due_at,
                    Notification.kind == DIGEST,
                )
            )
            .order_by(Notification.id)
            .execution_options(populate_existing=True)
        )
        for row in found:
            if row.state is NotificationState.QUEUED and row.lease_token is None:
                uow.ahead.digests[row.key] = row


async def _held(uow: UnitOfWork, key: str) -> Notification | None:
    return await uow.session.scalar(
        select(Notification)
        .where(Notification.key == key)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


async def _join(uow: UnitOfWork, digest: Notification, rows: Collection[Notification]) -> None:
    """What waits to be sent by itself becomes a line, too; what has left already is not told again."""
    waiting = [row for row in rows if row.state is NotificationState.QUEUED]
    if not waiting:
        return
    joined = await uow.session.scalars(
        update(Notification)
        .where(
            Notification.id.in_([row.id for row in waiting]),
            Notification.state == NotificationState.QUEUED,
            Notification.lease_token.is_(None),
        )
        .values(
            state=NotificationState.MERGED,
            reason=DIGEST,
            digest_id=digest.id,
            due_at=None,
            free_at=None,
        )
        .returning(Notification)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    joined.all()
