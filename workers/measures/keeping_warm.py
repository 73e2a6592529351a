"""An errand works out what people ask for, so that nobody has to wait: anew what they keep asking for, and in
advance what they see first when they open a dashboard.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Delete, Select, and_, delete, or_, select
from sqlalchemy.exc import SQLAlchemyError

from models.deadlines import Errand
from models.figures import KeptFigures
from workers.measures.kept_answers import days_of
from workers.measures.kept_asking import Asking, asking_of
from workers.measures.kept_once import Once
from workers.measures.kept_rounds import FIGURES, arm_next_round, fresh_for
from workers.measures.opening import opened_first
from workers.measures.period import DAY
from workers.unit_of_work import UnitOfWork, Workshop

ENOUGH = 60.0
"""Seconds after which a round ends, well within the errand's lease; what is left is the next one's."""
IN_ADVANCE = 12.0
"""Seconds of a round for what nobody has asked for yet, while the desk is open: a tenth of a core."""
RENEWED = timedelta(minutes=30)
"""So old may an answer grow that nobody has asked for."""
WARM = 100
"""So many answers, those that were asked for last, are kept new."""
FORGOTTEN = timedelta(days=7)

log = structlog.get_logger(__name__)
Step = Callable[[UnitOfWork, Errand], Awaitable[None]]


async def prepare_figures(workshop: Workshop, errand: Errand) -> Step:
    """Work out, outside of any writing transaction, what has grown old of what people ask for, then what they
    will see first; gives the step that plans the next round, if anybody looks at figures at all.
    """
    begin = time.monotonic()
    async with workshop.read() as uow:
        now = uow.clock.now()
        warm = list(await uow.session.scalars(_warm(now)))
        first = await opened_first(uow) if warm else []
        enough = IN_ADVANCE if uow.policy.calendar.is_open(now) else ENOUGH
    lost = [row.key for row in warm if not await _kept_new(workshop, row, begin + ENOUGH)]
    all_done = await _worked_out_in_advance(workshop, first, min(time.monotonic() + enough, begin + ENOUGH))

    async def write(uow: UnitOfWork, errand: Errand) -> None:
        await _clear_away(uow, lost, errand, looked=bool(warm))
        if warm:
            await arm_next_round(uow, soon=not all_done)

    return write


def _warm(now: datetime) -> Select[KeptFigures]:
    """The answers that were asked for last, the oldest first."""
    asked_for = select(KeptFigures.key).where(KeptFigures.asked_at > now - FORGOTTEN)
    last = asked_for.order_by(KeptFigures.asked_at.desc(), KeptFigures.key).limit(WARM)
    return select(KeptFigures).where(KeptFigures.key.in_(last)).order_by(KeptFigures.answered_at)


async def _kept_new(workshop: Workshop, row: KeptFigures, until: float) -> bool:
    """Work an answer out anew that is no more as good as new, or about the days of yesterday, if there is
    time; False if that can be done no more.
    """
    now = workshop.clock.now()
    asking = asking_of(row.question, now)

    def is_new(row: KeptFigures) -> bool:
        return now - row.answered_at < fresh_for(row.took) and row.answer["days"] == days_of(asking)

    return is_new(row) or time.monotonic() >= until or await _done(Once(workshop, asking, is_new))


async def _worked_out_in_advance(workshop: Workshop, askings: Sequence[Asking], until: float) -> bool:
    """Work out, in this order, what is not there; False if the time was over before that was all."""
    now = workshop.clock.now()
    async with workshop.read() as uow:
        keys = [each.key for each in askings]
        rows = await uow.session.scalars(select(KeptFigures).where(KeptFigures.key.in_(keys)))
        there = {row.key: row for row in rows}
    for asking in askings:

        def serves(row: KeptFigures, asking: Asking = asking) -> bool:
            return now - row.answered_at < RENEWED and row.answer["days"] == days_of(asking)

        if asking.key in there and serves(there[asking.key]):
            continue
        if time.monotonic() >= until:
            return False
        await _done(Once(workshop, asking, serves))
    return True


async def _done(once: Once) -> bool:
    try:
        await once.answer()
    except SQLAlchemyError:
        log.warning("figures_not_worked_out", exc_info=True)
        return False
    return True


async def _clear_away(uow: UnitOfWork, lost: Sequence[bytes], errand: Errand, *, looked: bool) -> None:
    """What could not be worked out any more goes, what nobody has wanted for days or is renewed no more, and
    the errands that are over.
    """
    now = uow.clock.now()
    unwanted = KeptFigures.asked_at <= now - FORGOTTEN
    if looked:
        unwanted = and_(unwanted, KeptFigures.answered_at <= now - DAY)
    await _delete(uow, delete(KeptFigures).where(or_(KeptFigures.key.in_(lost), unwanted)))
    over = (Errand.kind == FIGURES, Errand.due_at.is_(None), Errand.id != errand.id)
    await _delete(uow, delete(Errand).where(*over))


async def _delete(uow: UnitOfWork, statement: Delete) -> None:
    await uow.session.execute(statement.execution_options(synchronize_session=False))
