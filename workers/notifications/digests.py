"""One mail instead of many: what is told of breaches at opening time, or in a storm, is gathered in a digest.

The members stay rows of their own (`merged`, with the digest's id); which of them are still worth a line is
seen when the digest is rendered (`workers.delivery.digests`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import cast
from uuid import UUID

from sqlalchemy import Table, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from models.bulk import among, update_many
from models.notifications import Notification
from models.tickets import Ticket
from models.vocabulary import Lane, NotificationState, Priority
from workers.ahead import Heard
from workers.delivery.digests import DIGEST
from workers.locks import hold, shared
from workers.notifications.facts import house_facts
from workers.notifications.notice import Notice, notify
from workers.notifications.recipients import Recipient
from workers.unit_of_work import UnitOfWork

BREACH = "breach"
STORM = timedelta(seconds=60)
PLACES = 12
"""Parts of a minute that people's digests are spread over."""
ENOUGH = 20
"""A ticket has fewer breaches than that within a minute: so many rows times `storm_from` tell of a storm."""

_sharing = (
    shared(select(Notification))
    .options(
        load_only(
            Notification.key,
            Notification.kind,
            Notification.staff_id,
            Notification.state,
            Notification.lease_token,
            raiseload=True,
        )
    )
    .execution_options(populate_existing=True)
)
"""Of a digest no more is asked than whether it still takes lines: a batch looks at a hundred of them."""


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
        return await notify(uow, to, notice, digest=await _digest(uow, to, notice.due_at))
    if not storm_from:
        return await notify(uow, to, notice)
    digest = await _digest(uow, to, make=False)
    if digest is not None:
        return await notify(uow, to, notice, digest=digest)
    heard = await _heard_this_minute(uow, to.staff_id, apart, storm_from)
    if len({each.ticket_id for each in heard} | {ticket.id if ticket else None}) >= storm_from:
        digest = await _digest(uow, to)
        if digest is not None:
            await _join(uow, digest, heard)
    made = await notify(uow, to, notice, digest=digest)
    if made is not None and uow.ahead is not None:
        heard.append(Heard(made.id, made.ticket_id, waits=digest is None))
    return made


def end_of_minute(now: datetime, staff_id: UUID) -> datetime:
    """Batches and workers that hear of the same storm write into the same digest.

    A minute of one person begins some seconds after that of the next: a hundred digests that all left at
    once would keep everything else waiting.
    """
    place = timedelta(seconds=staff_id.int % PLACES * STORM.total_seconds() / PLACES)
    return (now - place).replace(second=0, microsecond=0) + place + STORM


async def _heard_this_minute(
    uow: UnitOfWork, staff_id: UUID, apart: Collection[Priority], storm_from: int
) -> list[Heard]:
    """What the person was told of breaches just now, at most as much as tells a storm from calm.

    A transaction for many asks once for all whom it may tell and who have no digest yet, and adds what it
    tells itself.
    """
    if uow.ahead is not None and staff_id in uow.ahead.breaches:
        return uow.ahead.breaches[staff_id]
    people = {staff_id}
    if uow.ahead is not None:
        gathered = {digest.staff_id for digest in uow.ahead.digests.values() if digest is not None}
        people |= uow.ahead.audience - gathered
    waits = Notification.state == NotificationState.QUEUED
    place = func.row_number().over(
        partition_by=Notification.staff_id,
        order_by=(case((waits, 0), else_=1), Notification.created_at.desc()),
    )
    recent = (
        select(Notification.staff_id, Notification.id, Notification.ticket_id, waits.label("waits"))
        .add_columns(place.label("place"))
        .join(Ticket, Ticket.id == Notification.ticket_id)
        .where(Notification.kind == BREACH, among(uow.session, Notification.staff_id, people))
        .where(Notification.created_at > uow.clock.now() - STORM, Ticket.priority.not_in(apart))
        .subquery()
    )
    with uow.session.no_autoflush:  # what this transaction has made itself is added by whoever makes it
        rows = await uow.session.execute(select(recent).where(recent.c.place <= storm_from * ENOUGH))
    heard: dict[UUID, list[Heard]] = {person: [] for person in people}
    for row in rows:
        heard[row.staff_id].append(Heard(row.id, row.ticket_id, row.waits))
    if uow.ahead is not None:
        uow.ahead.breaches.update(heard)
    return heard[staff_id]


async def _digest(
    uow: UnitOfWork, to: Recipient, due_at: datetime | None = None, *, make: bool = True
) -> Notification | None:
    """The person's digest that leaves at `due_at` (None: at the end of their minute), kept from leaving until
    the transaction ends; with `make` begun if there is none. None when there is none, or it leaves already.

    Who adds a line only shares the row, so that many may at once; who begins a digest does so alone, since
    two that begin several in different order would wait for each other.
    """
    assert to.staff_id is not None
    key = _key(uow, to, to.staff_id, due_at)
    digest = await _shared(uow, to, due_at, key)
    if digest is None and make:
        digest = await _shared_alone(uow, to, due_at, key)
        leaves = due_at or end_of_minute(uow.clock.now(), to.staff_id)
        digest = digest or await notify(uow, to, _notice(uow, to, leaves))
        if digest is not None and uow.ahead is not None:
            uow.ahead.digests[key] = digest
    if digest is None or digest.state is not NotificationState.QUEUED or digest.lease_token is not None:
        return None
    return digest


def _key(uow: UnitOfWork, to: Recipient, staff_id: UUID, due_at: datetime | None) -> str:
    leaves = due_at or end_of_minute(uow.clock.now(), staff_id)
    return f"{DIGEST}:{_fact(leaves)}:1:0:{staff_id}:{to.channel.value}"


@lru_cache(maxsize=64)
def _fact(due_at: datetime) -> str:
    return f"{due_at:%Y%m%d%H%M%S}"


def _notice(uow: UnitOfWork, to: Recipient, due_at: datetime) -> Notice:
    return Notice(
        kind=DIGEST,
        fact=_fact(due_at),
        ticket=None,
        facts=house_facts(uow, to.locale),
        lane=Lane.URGENT,
        due_at=due_at,
        data_key_id=uow.vault.system_key_id,
    )


async def _shared(uow: UnitOfWork, to: Recipient, due_at: datetime | None, key: str) -> Notification | None:
    """The digest with this key, if there is one. Whoever claims it leaves it alone while it is shared.

    A transaction for many asks once for all whom it may tell.
    """
    if uow.ahead is None:
        return await uow.session.scalar(_sharing.where(Notification.key == key))
    if key not in uow.ahead.digests:
        people = uow.ahead.audience | ({to.staff_id} if to.staff_id else set())
        await _share(uow, [_key(uow, to, person, due_at) for person in people])
    return uow.ahead.digests[key]


async def _shared_alone(
    uow: UnitOfWork, to: Recipient, due_at: datetime | None, key: str
) -> Notification | None:
    """The same once nobody else may begin digests; a transaction for many sees to that once, and looks again
    for those that it has not begun itself.
    """
    if uow.ahead is None:
        await hold(uow, [DIGEST])
        return await _shared(uow, to, due_at, key)
    if not uow.ahead.alone:
        with uow.session.no_autoflush:
            await hold(uow, [DIGEST])
        await _share(uow, [each for each, known in uow.ahead.digests.items() if known is None])
        uow.ahead.alone = True
    return uow.ahead.digests[key]


async def _share(uow: UnitOfWork, keys: Collection[str]) -> None:
    """Look which of these digests there are, in one order for all who do."""
    assert uow.ahead is not None
    with uow.session.no_autoflush:
        found = await uow.session.scalars(
            _sharing.where(among(uow.session, Notification.key, sorted(keys))).order_by(Notification.key)
        )
    uow.ahead.digests.update(dict.fromkeys(keys))
    uow.ahead.digests.update((row.key, row) for row in found)


async def _join(uow: UnitOfWork, digest: Notification, heard: Collection[Heard]) -> None:
    """What waits to be sent by itself becomes a line, too; what has left already is not told again.

    A transaction for many does so at its end, for all its digests together.
    """
    waiting = [each.ident for each in heard if each.waits]
    if not waiting:
        return
    if uow.ahead is None:
        await _merge(uow.session, dict.fromkeys(waiting, digest.id))
        return
    if not uow.ahead.joining:
        uow.when_written(partial(_merge, uow.session, uow.ahead.joining))
    for ident in waiting:
        made = uow.ahead.made(ident)
        if isinstance(made, Notification):
            made.state, made.reason, made.digest_id = NotificationState.MERGED, DIGEST, digest.id
            made.due_at = None
        else:
            uow.ahead.joining[ident] = digest.id


async def _merge(session: AsyncSession, lines: Mapping[UUID, UUID]) -> None:
    """Each of `lines` becomes a line of its digest (its id). What another transaction has in hand just now is
    left to it.
    """
    free = select(Notification.id).where(
        among(session, Notification.id, lines),
        Notification.state == NotificationState.QUEUED,
        Notification.lease_token.is_(None),
    )
    idents = await session.scalars(free.with_for_update(skip_locked=True, key_share=True))
    chosen = idents.all()
    merged = {"state": NotificationState.MERGED, "reason": DIGEST, "due_at": None, "free_at": None}
    await update_many(
        await session.connection(),
        cast(Table, Notification.__table__),  # as the model's class says it, it could be any selectable
        [{"id": ident} for ident in chosen],
        [{**merged, "digest_id": lines[ident]} for ident in chosen],
    )
