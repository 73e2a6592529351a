"""What people keep asking for is worked out anew by an errand, so that nobody has to wait for it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Select, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from models.base import new_id
from models.deadlines import Errand
from models.figures import KeptFigures
from models.vocabulary import Lane
from workers.measures.kept_answers import days_of, worked_out
from workers.measures.kept_asking import asking_of
from workers.unit_of_work import UnitOfWork, Workshop

FIGURES = "figures"
TIMES = 300
"""An answer is new for so many times as long as it took: keeping it so takes a three-hundredth of a core."""
SHORTEST, LONGEST = timedelta(minutes=2), timedelta(minutes=10)
ROUND = timedelta(minutes=2)
"""So often the errand looks at what has grown old."""
ENOUGH = 60.0
"""Seconds after which a round ends, well within the errand's lease; what is left is the next one's."""
WARM = 100
"""So many answers, those that were asked for last, are kept new."""
FORGOTTEN = timedelta(days=7)

log = structlog.get_logger(__name__)
Step = Callable[[UnitOfWork, Errand], Awaitable[None]]
Anew = Sequence[tuple[bytes, dict[str, Any] | None]]
"""Keys of answers with the columns that change; None: it can be worked out no more."""


def fresh_for(took: float) -> timedelta:
    """How long an answer that took so many seconds is as good as new."""
    return min(max(timedelta(seconds=TIMES * took), SHORTEST), LONGEST)


async def see_to_next_round(uow: UnitOfWork) -> None:
    """See that the errand comes: while the desk is open in a round's time, else when it opens."""
    waiting = select(Errand.id).where(Errand.kind == FIGURES, Errand.due_at.is_not(None)).limit(1)
    if await uow.session.scalar(waiting) is None:
        await _arm(uow)


async def _arm(uow: UnitOfWork) -> None:
    due = uow.policy.calendar.next_opening(uow.clock.now() + ROUND)
    key = f"{FIGURES}:{int(due.timestamp() // ROUND.total_seconds())}"
    row = Errand(id=new_id(), key=key, kind=FIGURES, lane=Lane.BULK, due_at=due)
    if await uow.insert_new(row):
        uow.ring("errands", row.lane, due)


async def prepare_figures(workshop: Workshop, errand: Errand) -> Step:
    """Work out anew, outside of any writing transaction, what has grown old of what people ask for; gives the
    step that writes it and plans the next round, if there is anything to keep.
    """
    async with workshop.read() as uow:
        rows = list(await uow.session.scalars(_warm(uow.clock.now())))
    began, anew = time.monotonic(), []
    for row in rows:
        if time.monotonic() - began < ENOUGH and await _is_old(workshop, row):
            anew.append((row.key, await _answered(workshop, row)))

    async def write(uow: UnitOfWork, errand: Errand) -> None:
        await _write(uow, anew, errand)
        if rows:
            await _arm(uow)

    return write


def _warm(now: datetime) -> Select[KeptFigures]:
    """The answers that were asked for last, the oldest first."""
    asked_for = select(KeptFigures.key).where(KeptFigures.asked_at > now - FORGOTTEN)
    last = asked_for.order_by(KeptFigures.asked_at.desc(), KeptFigures.key).limit(WARM)
    return select(KeptFigures).where(KeptFigures.key.in_(last)).order_by(KeptFigures.answered_at)


async def _is_old(workshop: Workshop, row: KeptFigures) -> bool:
    """Whether it is no more as good as new in the coming round, or about the days of yesterday."""
    now = workshop.clock.now()
    if now - row.answered_at >= fresh_for(row.took):
        return True
    return bool(row.answer["days"] != days_of(asking_of(row.question, now)))


async def _answered(workshop: Workshop, row: KeptFigures) -> dict[str, Any] | None:
    async with workshop.read() as uow:
        now = uow.clock.now()
        try:
            found, took = await worked_out(uow, asking_of(row.question, now))
        except SQLAlchemyError:
            log.warning("figures_not_worked_out", exc_info=True)
            return None
    return {"answer": found, "took": took, "answered_at": now}


async def _write(uow: UnitOfWork, anew: Anew, errand: Errand) -> None:
    """What was worked out; what nobody has wanted for days goes, and so do the errands that are over."""
    for key, values in anew:
        this = KeptFigures.key == key
        await _change(
            uow, update(KeptFigures).where(this).values(values) if values else delete(KeptFigures).where(this)
        )
    await _change(uow, delete(KeptFigures).where(KeptFigures.asked_at <= uow.clock.now() - FORGOTTEN))
    over = (Errand.kind == FIGURES, Errand.due_at.is_(None), Errand.id != errand.id)
    await _change(uow, delete(Errand).where(*over))


async def _change(uow: UnitOfWork, statement: Any) -> None:
    await uow.session.execute(statement.execution_options(synchronize_session=False))
