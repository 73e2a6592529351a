"""The one seam that each step gets: session, clock, keys, policy, and the bells that ring after commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Mapper, make_transient_to_detached

from models.base import Base
from models.gate import WriteGate
from models.keys import PolicyChange
from models.many import fill_in, insert_rows, new_values
from models.session import WRITE
from models.vocabulary import Lane
from workers.ahead import Ahead
from workers.bells import SLOT, Bell, Ring, slot_of
from workers.clock import Clock
from workers.in_force import Following, Pilot, take_up
from workers.policy import Policy
from workers.series import Series
from workers.sessions import HELD, ReadOnly, Writing
from workers.settings import Settings
from workers.vault import Vault

__all__ = ["SLOT", "Bell", "Ring", "UnitOfWork", "Vault", "Workshop", "slot_of"]

DRAWN_AHEAD = 25
"""Numbers drawn at once by a transaction for many mails, at most as many as are left: those of mails that
become no ticket stay unused."""

Row = TypeVar("Row", bound=Base)


class UnitOfWork:
    """One transaction with all that a step needs; made by `Workshop.begin` and `Workshop.read` only."""

    def __init__(
        self, workshop: Workshop, session: AsyncSession, policy: Policy, policy_version_id: UUID
    ) -> None:
        self.session = session
        self.clock: Clock = workshop.clock
        self.vault = workshop.vault
        self.settings = workshop.settings
        self.policy = policy
        self.policy_version_id = policy_version_id
        self.ahead: Ahead | None = None
        self._held: list[Base] = session.sync_session.info.setdefault(HELD, [])
        self._workshop = workshop
        self._bells: set[Bell] = set()
        self._overdue: dict[tuple[str, Lane], datetime] = {}

    @property
    def bells(self) -> frozenset[Bell]:
        """What is going to be rung when the transaction has been committed."""
        overdue = (Bell(desk, lane, slot) for (desk, lane), slot in self._overdue.items())
        return frozenset((*self._bells, *overdue))

    def ring(self, desk: str, lane: Lane, due: datetime) -> None:
        """After commit, tell `desk` that something in `lane` is due at `due` (promise time)."""
        now = self.clock.now()
        if due > now:
            self._bells.add(Bell(desk, lane, slot_of(due)))
            return
        # What is due already rings without delay (its slot is one that has ended), and once for all of it.
        overdue = min(slot_of(due), slot_of(now) - SLOT)
        self._overdue[desk, lane] = min(overdue, self._overdue.get((desk, lane), overdue))

    @property
    def pilots(self) -> tuple[Pilot, ...]:
        """The policy versions that teams try just now, as this process knows them."""
        now = self.clock.now()
        return tuple(pilot for pilot in self._workshop.policies.pilots if pilot.ends_at > now)

    async def policy_of(self, version_id: UUID) -> Policy:
        """The policy that a row was judged by when it was made. Raises NotFound."""
        return await self._workshop.policies.version(self.session, version_id)

    async def draw_number(self, series: str, width: int, prefix: str = "") -> str:
        """The next number of `series`: `prefix` (the series' own name if empty) and at least `width` digits.

        draw_number("CS20240520", 4) → "CS202405200001", unique under concurrency. On PostgreSQL drawn in
        a transaction of its own, so that nobody waits for this one's end: a number may stay unused.
        """
        if self.ahead is None:
            number = await self._workshop.numbers.draw(self.session, series)
        else:
            waiting = self.ahead.numbers[series]
            if not waiting:
                count = max(1, min(self.ahead.left, DRAWN_AHEAD))
                last = await self._workshop.numbers.draw(self.session, series, count)
                waiting.extend(range(last - count + 1, last + 1))
            number = waiting.popleft()
        return f"{prefix or series}{number:0{width}d}"

    async def draw_turn(self, series: str) -> int:
        """Whose turn it is in `series`, counted from 1: the next one for whoever draws, in any process.

        With `ahead` the first is drawn and the rest counted on from it, so that a transaction for many asks
        once. As with numbers, one that is drawn by a transaction that fails stays unused.
        """
        if self.ahead is None:
            return await self._workshop.numbers.draw(self.session, series)
        turns = self.ahead.turns
        if series in turns:
            turns[series] += 1
        else:
            with self.session.no_autoflush:
                turns[series] = await self._workshop.numbers.draw(self.session, series)
        return turns[series]

    async def insert_new(self, row: Base) -> bool:
        """Insert `row` unless one of its unique keys is taken: INSERT … ON CONFLICT DO NOTHING.

        True: `row` is new and belongs to the session. False: it was there already, `row` stays outside.
        Waits for a competing transaction that has inserted the same key and not ended yet.

        With `ahead` what belongs to a new ticket is taken for new, and written later: a key that is taken
        ends the transaction by an IntegrityError.
        """
        if self.ahead is not None and self.ahead.knows(row):
            return False
        if self.ahead is not None and self.ahead.fits(row):
            self._add_unwritten(row)
            return True
        await self.session.flush()
        mapper: Mapper[Any] = row.__mapper__
        dialect = postgresql if self.session.get_bind().dialect.name == "postgresql" else sqlite
        values = new_values(row)
        insert = dialect.insert(mapper.local_table).values(values).on_conflict_do_nothing()
        made = await self.session.execute(insert.returning(*mapper.primary_key))
        if made.first() is None:
            return False
        make_transient_to_detached(row)
        self.session.add(row)
        return True

    async def add(self, row: Base) -> None:
        """Insert `row` at once; with `ahead` as `add_later`."""
        self.add_later(row)
        if self.ahead is None:
            await self.session.flush()

    def add_later(self, row: Base) -> None:
        """Insert `row` at the next query or at commit."""
        if self.ahead is not None:
            self._add_unwritten(row)
        else:
            self.session.add(row)

    async def write_held(self) -> None:
        """Write what `ahead` has held back, table by table; nothing may be asked any more after that."""
        held, self._held[:] = list(self._held), []
        if held:
            await insert_rows(await self.session.connection(), held)

    def _add_unwritten(self, row: Base) -> None:
        assert self.ahead is not None
        fill_in(row)
        self._held.append(row)
        self.ahead.note(row)

    async def the(self, model: type[Row], ident: UUID) -> Row:
        """The row with this id, be it written already or not. Raises NoResultFound."""
        known = self.ahead.known(ident) if self.ahead is not None else None
        return known if isinstance(known, model) else await self.session.get_one(model, ident)

    def lacks(self, table: str, keys: Iterable[bytes]) -> bool:
        """Whether it was asked before, and none of these keyed hashes is in `table`. False: ask."""
        return self.ahead is not None and self.ahead.lacks(table, keys)


class Workshop:
    """Makes units of work. One per event loop, since an engine belongs to one.

    `gate` is the process's write gate for an SQLite file (`models.session.make_gate`), None on PostgreSQL.
    The first use loads the vault and the policy in force; a database without tables fails there. `policy` is
    that of the settings at first, then the one in force, which a person may change at any time.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        gate: WriteGate | None,
        clock: Clock,
        vault: Vault,
        settings: Settings,
        policy: Policy,
        ring: Ring,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.vault = vault
        self.settings = settings
        self.policies = Following(policy, clock)
        self._gate = gate
        self._ring = ring
        self._write = engine.execution_options(**{WRITE: True})
        self.numbers = Series(engine, embedded=gate is not None)
        self._log = structlog.get_logger(__name__)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[UnitOfWork]:
        """A write transaction: committed at the end, rolled back on any exception, then the bells ring.

        Keep network calls out of it: on SQLite nobody else in the process writes meanwhile. Must not be
        begun inside another one of the same task (RuntimeError on SQLite).
        """
        version = await self.prepare()
        async with self._writing() as session:
            uow = UnitOfWork(self, session, self.policies.known(version), version)
            yield uow
            await uow.write_held()
        self._ring_all(uow.bells)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[UnitOfWork]:
        """A transaction that only reads, without waiting for writers. A write raises RuntimeError."""
        version = await self.prepare()
        async with AsyncSession(self.engine, sync_session_class=ReadOnly, expire_on_commit=False) as session:
            yield UnitOfWork(self, session, self.policies.known(version), version)

    @property
    def policy(self) -> Policy:
        """The policy this process goes by: that of the settings until it has looked which one is in force."""
        return self.policies.policy

    async def prepare(self) -> UUID:
        """Load the vault once, the policy in force now and then; its version's id. First use calls it."""
        if self.policies.version_id is None:
            async with self._writing() as session:
                await self.vault.load(session)
                await self.policies.follow(session)
        elif self.policies.is_old():
            async with AsyncSession(self.engine) as session:
                await self.policies.follow(session)
        assert self.policies.version_id is not None
        return self.policies.version_id

    async def take_up_policy(self) -> PolicyChange:
        """A process starts: make the policy of its settings the one in force, unless a person applied one.

        Gives the change that is in force.
        """
        await self.prepare()
        async with self._writing() as session:
            change = await take_up(session, self.policies.own, self.clock)
            await self.policies.follow(session)
        return change

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncSession]:
        async with AsyncExitStack() as stack:
            if self._gate is not None:
                await stack.enter_async_context(self._gate)
            session = await stack.enter_async_context(
                AsyncSession(self._write, sync_session_class=Writing, expire_on_commit=False)
            )
            await stack.enter_async_context(session.begin())
            yield session

    def _ring_all(self, bells: frozenset[Bell]) -> None:
        if not bells:
            return
        try:
            self._ring(bells)
        except Exception:
            # The facts are committed: a bell that fails must not turn success into an error.
            self._log.exception("ring_failed", bells=len(bells))
