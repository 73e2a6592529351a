"""What the database knows of a mailbox: who fetches it, how far each folder is read, what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update

from models.base import new_id
from models.intake import IntakeEvent
from models.mailboxes import Mailbox, MailboxPosition
from workers.imap.faults import AUTHENTICATION, pause_after
from workers.intake.store import Event, store
from workers.settings.imap_url import MailboxUrl, Mode
from workers.unit_of_work import UnitOfWork, Workshop

LEASE = timedelta(seconds=30)
MOST_WAITING = 500
"""Events that wait for the intake desk before no more mail is fetched."""
SKEW = timedelta(minutes=10)
"""By how much a server's clock may be slow without a mail of the first minutes being left out."""


class LeaseLost(Exception):
    """Another process fetches this mailbox now."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a folder is read; see `models.mailboxes.MailboxPosition`."""

    id: UUID
    folder: str
    uidvalidity: int
    last_uid: int
    tidied_uid: int
    old_below: int | None
    not_before: datetime | None

    def is_before_first_look(self, last: int) -> bool:
        """Whether UIDs up to `last` all belong to mails that had been there before."""
        return self.not_before is not None and (self.old_below is None or last < self.old_below)

    def is_too_old(self, uid: int, arrived: datetime | None) -> bool:
        """Whether this mail had been there before anybody asked for it."""
        if self.not_before is None or arrived is None or not self.is_before_first_look(uid):
            return False
        return arrived < self.not_before


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail that was fetched. `poison`: why only a part of it is here, "" if it is whole."""

    event: Event
    arrived: datetime | None
    poison: str = ""


class Keeper:
    """All that is written about one mailbox, by whoever holds its lease; each call is one transaction."""

    def __init__(self, workshop: Workshop, box: MailboxUrl, lease: timedelta = LEASE) -> None:
        self._workshop = workshop
        self._box = box
        self._lease = lease
        self._token = new_id()
        self._id: UUID | None = None

    async def take(self) -> bool:
        """Become the one that fetches, if nobody is or their lease is over."""
        async with self._workshop.begin() as uow:
            self._id = await self._enter(uow)
            now = uow.clock.machine()
            free = or_(
                Mailbox.lease_token.is_(None), Mailbox.leased_until < now, Mailbox.lease_token == self._token
            )
            return await self._changed(uow, free, lease_token=self._token, leased_until=now + self._lease)

    async def renew(self) -> None:
        """Stay it. Raises LeaseLost."""
        async with self._workshop.begin() as uow:
            await self._hold(uow)

    async def release(self) -> None:
        """Let the next one begin at once."""
        async with self._workshop.begin() as uow:
            held = Mailbox.lease_token == self._token
            await self._changed(uow, held, lease_token=None, leased_until=None)

    async def rest(self) -> float:
        """Seconds for which nobody should log in; 0 after a change of the password."""
        async with self._workshop.read() as uow:
            row = await self._row(uow)
            if row.rests_until is None or row.login_hash != self._login_hash(uow):
                return 0.0
            return max(0.0, (row.rests_until - uow.clock.machine()).total_seconds())

    async def failed(self, reason: str) -> timedelta:
        """Write down what is wrong; gives for how long the mailbox is left alone. Raises LeaseLost."""
        async with self._workshop.begin() as uow:
            await self._hold(uow)
            row, now, login = await self._row(uow), uow.clock.machine(), self._login_hash(uow)
            again = row.fault == reason and row.login_hash == login
            row.failures = row.failures + 1 if again else 1
            row.fault_since = row.fault_since if again else now
            row.fault, row.login_hash = reason, login
            pause = pause_after(reason, row.failures)
            row.rests_until = now + pause if reason == AUTHENTICATION else None
            return pause

    async def looked(self, fault: str | None = None) -> None:
        """All folders have been read to their ends, but for those that `fault` tells of. Raises LeaseLost."""
        async with self._workshop.begin() as uow:
            row, now = await self._hold(uow), uow.clock.machine()
            row.looked_at, row.failures, row.rests_until = now, 0, None
            row.fault_since = None if fault is None else row.fault_since or now
            row.fault = fault

    async def position(self, folder: str, uidvalidity: int, uidnext: int | None) -> Position:
        """How far `folder` is read. A new one begins at its end, or as far back as `since` says; one whose
        UIDVALIDITY has changed is read anew (RFC 3501 §2.3.1.1). Raises LeaseLost.
        """
        async with self._workshop.begin() as uow:
            await self._hold(uow)
            where = (MailboxPosition.mailbox_id == self._id, MailboxPosition.folder == folder)
            row = await uow.session.scalar(select(MailboxPosition).where(*where))
            if row is None:
                row = self._new_position(uow, folder, uidvalidity, uidnext)
                await uow.add(row)
            elif row.uidvalidity != uidvalidity:
                row.uidvalidity, row.last_uid, row.tidied_uid = uidvalidity, 0, 0
                row.old_below = uidnext
            return _position(row)

    def _new_position(
        self, uow: UnitOfWork, folder: str, uidvalidity: int, uidnext: int | None
    ) -> MailboxPosition:
        since, now = self._box.since, uow.clock.machine()
        from_now = since == timedelta(0)
        last = uidnext - 1 if from_now and uidnext is not None else 0
        return MailboxPosition(
            mailbox_id=self._id,
            folder=folder,
            uidvalidity=uidvalidity,
            last_uid=last,
            tidied_uid=last,
            old_below=uidnext,
            not_before=None if since is None else now - (SKEW if from_now else since),
        )

    async def keep(
        self, position: Position, arrivals: Sequence[Arrival], last_uid: int
    ) -> tuple[Position, int]:
        """Store what was fetched and that the folder is read up to `last_uid`, both or neither.

        Gives the new position, and how many were new. Raises LeaseLost.
        """
        async with self._workshop.begin() as uow:
            row = await self._hold(uow)
            new = 0
            for each in arrivals:
                new += await store(uow, each.event, _received_at(uow, row, each), poison=each.poison)
            if arrivals and (arrived := arrivals[-1].arrived):
                row.lag_seconds = max(0.0, (uow.clock.machine() - arrived).total_seconds())
            row.taken += new
            # Where nothing is marked or moved, nothing is to be made up for if that is wanted one day.
            tidied = last_uid if self._box.mode is Mode.READ_ONLY else position.tidied_uid
            await self._move(uow, position, last_uid=last_uid, tidied_uid=tidied)
        return replace(position, last_uid=last_uid, tidied_uid=tidied), new

    async def tidied(self, position: Position, uid: int) -> Position:
        """Mails up to `uid` have been marked or moved. Raises LeaseLost."""
        async with self._workshop.begin() as uow:
            await self._hold(uow)
            await self._move(uow, position, tidied_uid=uid)
        return replace(position, tidied_uid=uid)

    async def crowded(self) -> bool:
        """Whether the intake desk has enough to do."""
        async with self._workshop.read() as uow:
            waiting = select(IntakeEvent.id).where(IntakeEvent.due_at <= uow.clock.now())
            return await uow.session.scalar(waiting.offset(MOST_WAITING).limit(1)) is not None

    # -- rows ----------------------------------------------------------------------------------------------

    async def _enter(self, uow: UnitOfWork) -> UUID:
        address = uow.vault.lookup("mailbox", f"{self._box.user}@{self._box.name}".lower())
        known = select(Mailbox.id).where(Mailbox.address_hash == address)
        ident = await uow.session.scalar(known)
        if ident is None:
            await uow.insert_new(Mailbox(address_hash=address, name=self._box.name))
            ident = await uow.session.scalar(known)
        assert ident is not None
        return ident

    def _login_hash(self, uow: UnitOfWork) -> bytes:
        box = self._box
        application = f"\0{box.oauth.client}\0{box.oauth.secret}" if box.oauth else ""
        return uow.vault.lookup("mailbox-login", f"{box.user}\0{box.password}{application}")

    async def _row(self, uow: UnitOfWork) -> Mailbox:
        return await uow.session.get_one(Mailbox, self._id)

    async def _hold(self, uow: UnitOfWork, **values: object) -> Mailbox:
        """The mailbox's row, locked, its lease renewed. Raises LeaseLost, which undoes the transaction."""
        until = uow.clock.machine() + self._lease
        if not await self._changed(uow, Mailbox.lease_token == self._token, leased_until=until, **values):
            raise LeaseLost
        return await self._row(uow)

    async def _changed(self, uow: UnitOfWork, condition: object, **values: object) -> bool:
        statement = (
            update(Mailbox)
            .where(Mailbox.id == self._id, condition)  # type: ignore[arg-type]  # any SQL condition
            .values(values)
            .returning(Mailbox.id)
            .execution_options(synchronize_session=False)
        )
        return await uow.session.scalar(statement) is not None

    async def _move(self, uow: UnitOfWork, position: Position, **values: int) -> None:
        await uow.session.execute(
            update(MailboxPosition)
            .where(MailboxPosition.id == position.id)
            .values(values)
            .execution_options(synchronize_session=False)
        )


def _position(row: MailboxPosition) -> Position:
    return Position(
        row.id, row.folder, row.uidvalidity, row.last_uid, row.tidied_uid, row.old_below, row.not_before
    )


def _received_at(uow: UnitOfWork, box: Mailbox, arrival: Arrival) -> datetime:
    """Since when the customer waits, as promise time: since the mailbox had the mail, if we were away.

    Not before our last look, when it was not there: a server's clock may be wrong. What lay there before the
    first look counts from now on: nobody had promised anything for it.
    """
    now, machine = uow.clock.now(), uow.clock.machine()
    if arrival.arrived is None or box.looked_at is None or uow.settings.clock_speed != 1:
        return now
    since = max(arrival.arrived, box.looked_at)
    return now - max(timedelta(0), machine - since)
