"""The one seam that each step gets: session, clock, keys, policy, and the bells that ring after commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from models.base import Base
from models.gate import WriteGate
from models.keys import PolicyChange
from models.many import fill_in
from models.search import SearchTask
from models.session import WRITE
from models.vocabulary import Lane
from workers.bells import EPOCH, SLOT, Bell, Ring, ring_after, slot_of
from workers.clock import Clock, ClockWatch
from workers.flights import Flights
from workers.in_force import Following, Pilot, take_up
from workers.metrics import Metrics
from workers.policy import Policy
from workers.right_of_way import RightOfWay
from workers.rows import Rows
from workers.series import Series
from workers.sessions import ReadOnly, Writing
from workers.settings import Settings
from workers.tracing import Tracer
from workers.vault import Vault

__all__ = ["SLOT", "Bell", "Ring", "UnitOfWork", "Vault", "Workshop", "slot_of"]

DRAWN_AHEAD = 25
"""Numbers drawn at once by a transaction for many mails, at most as many as are left: those of mails that
become no ticket stay unused."""

INDEXED_EVERY = timedelta(seconds=5)
"""What changes words within one such span is indexed together, at its end."""


class UnitOfWork(Rows):
    """One transaction with all that a step needs; made by `Workshop.begin` and `Workshop.read` only."""

    def __init__(
        self, workshop: Workshop, session: AsyncSession, policy: Policy, policy_version_id: UUID
    ) -> None:
        super().__init__(session)
        self.clock: Clock = workshop.clock
        self.vault = workshop.vault
        self.settings = workshop.settings
        self.metrics = workshop.metrics
        self.tracer = workshop.tracer
        self.way = workshop.way
        self.policy = policy
        self.policy_version_id = policy_version_id
        self.happened: list[tuple[Base, Base]] = []
        self._at_end: list[Callable[[UnitOfWork], Awaitable[None]]] = []
        self._workshop = workshop
        self._bells: set[Bell] = set()
        self._overdue: dict[tuple[str, Lane], datetime] = {}
        self._reworded: set[tuple[str, UUID]] = set()

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

    def words_changed(self, kind: str, subject_id: UUID) -> None:
        """A row's words have changed (or it goes): it is indexed anew soon, in a transaction of its own.

        `kind`: ticket, communication or knowledge. Costs one small row, however often it is said.
        """
        self._reworded.add((kind, subject_id))

    def _promise_index(self) -> None:
        if not self._reworded:
            return
        due = EPOCH + ((self.clock.now() - EPOCH) // INDEXED_EVERY + 1) * INDEXED_EVERY
        for kind, subject_id in self._reworded:
            row = SearchTask(lane=Lane.BULK, due_at=due, kind=kind, subject_id=subject_id)
            fill_in(row)
            self._held.append(row)
        self._reworded.clear()
        self.ring("index", Lane.BULK, due)

    def at_end(self, work: Callable[[UnitOfWork], Awaitable[None]]) -> None:
        """Have `work` done when all steps are over, in this transaction, before it is committed.

        It is given the unit of work and must not hold it: all that a batch has read would stay until the
        garbage collector comes by, which stops everybody for a fifth of a second.
        """
        self._at_end.append(work)

    async def end(self) -> None:
        """What was wanted for the end (`at_end`), in order; then all that was held back is written."""
        for work in self._at_end:
            await work(self)
        self._promise_index()
        await self.write_held()


class Workshop:
    """Makes units of work. One per event loop, since an engine belongs to one.

    `gate` is the process's write gate for an SQLite file (`models.session.make_gate`), None on PostgreSQL.
    The first use loads the vault and the policy in force; a database without tables fails there. `policy` is
    that of the settings at first, then the one in force, which a person may change at any time. `way` says
    who goes first on the loop. `flights`, of all loops of a process: what is being worked out just now.
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
        metrics: Metrics | None = None,
        tracer: Tracer | None = None,
        flights: Flights | None = None,
    ) -> None:
        self.flights = flights or Flights()
        self.tracer = tracer or Tracer()
        self.metrics = metrics or Metrics()
        self.metrics.pools.watch(engine.pool)
        self.engine = engine
        self.clock = clock
        self.vault = vault
        self.settings = settings
        self.policies = Following(policy, clock)
        self._gate = gate
        self._ring = ring
        self._write = engine.execution_options(**{WRITE: True})
        postgresql = engine.dialect.name == "postgresql"
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT") if postgresql else engine
        self.numbers = Series(engine, embedded=gate is not None)
        self.way = RightOfWay()

    @property
    def alone(self) -> bool:
        """Whether the database is a file, which no other machine works on."""
        return self._gate is not None

    async def compare_clocks(self, watch: ClockWatch) -> None:
        """Tell `watch` how far this machine's clock is from the database's, if it was not told for a while. A
        database in a file has no other clock.
        """
        if self.alone or not watch.to_be_compared:
            return
        async with self._reading.connect() as connection:
            theirs = select(func.extract("epoch", func.clock_timestamp()))
            await watch.compare(lambda: connection.scalar(theirs))

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
            await uow.end()
        ring_after(self._ring, uow.bells)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[UnitOfWork]:
        """Only reads, without waiting for writers; on SQLite in one transaction. A write raises RuntimeError.

        On PostgreSQL each statement sees what is committed when it begins, be it in a transaction or not:
        without one, two round trips are saved.
        """
        version = await self.prepare()
        async with AsyncSession(
            self._reading, sync_session_class=ReadOnly, expire_on_commit=False
        ) as session:
            yield UnitOfWork(self, session, self.policies.known(version), version)

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncConnection]:
        """Only reads, for the clockwork: what is due does not depend on the policy; needs no session."""
        async with self._reading.connect() as connection:
            yield connection

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
            storage = self.metrics.storage
            try:
                async with session.begin():
                    yield session
            except Exception as error:
                storage.failed(error)
                raise
            storage.stored()
