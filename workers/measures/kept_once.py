"""An answer about very many requests is worked out by one at a time, in whichever process, and kept.

Who asks the same meanwhile gets the same answer. On PostgreSQL this goes by a lock that lasts as long as the
transaction; a holder that is idle or dead is ended by the server. An SQLite file has one process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from models.figures import KeptFigures
from models.tickets import Ticket
from workers.locks import hold_within
from workers.measures.kept_answers import worked_out
from workers.measures.kept_asking import Asking
from workers.measures.kept_rounds import see_to_next_round
from workers.measures.period import Period
from workers.unit_of_work import UnitOfWork, Workshop

MANY = 5_000
"""An answer is kept only where its period has so many requests: with fewer, each change is seen at once."""
SLOW = 0.15
"""Seconds: what took less is not shown as it was kept either."""
PATIENCE = 25.0
"""Seconds that a process waits for another one: a statement may take 30."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When an answer was asked for that nobody has wanted yet."""

log = structlog.get_logger(__name__)
Serves = Callable[[KeptFigures], bool]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it is kept, from when it is, and the seconds that it took."""

    answer: dict[str, Any]
    answered_at: datetime
    took: float


@dataclass(frozen=True, slots=True)
class Once:
    """How an answer comes to be. `serves`: a row that another one has kept meanwhile will do. `wanted`:
    somebody asks for it just now, else it is kept however quick it was, so that it is known to be.
    """

    workshop: Workshop
    asking: Asking
    serves: Serves
    wanted: bool = False

    async def answer(self) -> tuple[Kept, bool]:
        """The answer, and whether it was worked out for this caller. Raises InvalidInput as `figures`."""
        mine = False

        async def work() -> Kept:
            nonlocal mine
            found, mine = await (self._in_file() if self.workshop.alone else self._among_processes())
            return found

        found = await self.workshop.flights.one((self.asking.key, self.asking.days), work)
        return found, mine

    async def _in_file(self) -> tuple[Kept, bool]:
        async with self.workshop.read() as uow:
            there = await self._there(uow)
            found = there or await self._worked_out(uow)
        if there is None:
            try:
                async with self.workshop.begin() as uow:
                    await self._keep(uow, found)
            except SQLAlchemyError:
                log.warning("figures_not_kept", exc_info=True)
        return found, there is None

    async def _among_processes(self) -> tuple[Kept, bool]:
        found: Kept | None = None
        try:
            async with self.workshop.begin() as uow:
                await hold_within(uow, f"figures:{self.asking.key.hex()}", PATIENCE)
                there = await self._there(uow)
                if there is not None:
                    return there, False
                found = await self._worked_out(uow)
                await self._keep(uow, found)
        except SQLAlchemyError:
            if found is None:
                raise
            log.warning("figures_not_kept", exc_info=True)
        return found, True

    async def _there(self, uow: UnitOfWork) -> Kept | None:
        row = await uow.session.get(KeptFigures, self.asking.key)
        return Kept(row.answer, row.answered_at, row.took) if row is not None and self.serves(row) else None

    async def _worked_out(self, uow: UnitOfWork) -> Kept:
        now = uow.clock.now()
        answer, took = await worked_out(uow, self.asking)
        return Kept(answer, now, took)

    async def _keep(self, uow: UnitOfWork, found: Kept) -> None:
        """Nobody's page fails where that cannot be written: a full disk is told elsewhere."""
        if self.wanted and found.took < SLOW:
            return
        now = uow.clock.now()
        change: dict[str, Any] = {
            "answer": found.answer,
            "answered_at": found.answered_at,
            "took": found.took,
            **({"asked_at": now} if self.wanted else {}),
        }
        this = update(KeptFigures).where(KeptFigures.key == self.asking.key).values(change)
        changed = this.returning(KeptFigures.key).execution_options(synchronize_session=False)
        if (await uow.session.execute(changed)).first() is None:
            new = {"asked_at": NEVER, **change}
            await uow.insert_new(KeptFigures(key=self.asking.key, question=self.asking.as_json(), **new))
        if self.wanted:
            await see_to_next_round(uow)


async def are_many(uow: UnitOfWork, period: Period) -> bool:
    """Whether so many requests came in that answers about this period are kept."""
    some = select(Ticket.id).where(Ticket.received_at >= period.first, Ticket.received_at < period.last)
    return await uow.session.scalar(some.offset(MANY - 1).limit(1)) is not None
