"""When the errand comes that works out kept answers anew, and how long they are as good as new."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from models.base import new_id
from models.deadlines import Errand
from models.vocabulary import Lane
from workers.calendars import Calendar
from workers.measures.period import DAY, midnight
from workers.unit_of_work import UnitOfWork

FIGURES = "figures"
TIMES = 300
"""An answer is new for so many times as long as it took: keeping it so takes a three-hundredth of a core."""
SHORTEST, LONGEST = timedelta(minutes=2), timedelta(minutes=10)
ROUND = timedelta(minutes=2)
"""So often the errand looks at what has grown old."""
BEFORE_OPENING = timedelta(minutes=30)


def fresh_for(took: float) -> timedelta:
    """How long an answer that took so many seconds is as good as new."""
    return min(max(timedelta(seconds=TIMES * took), SHORTEST), LONGEST)


def next_round(calendar: Calendar, zone: ZoneInfo, now: datetime) -> datetime:
    """In a round's time while the desk is open or about to; else before it opens, or as a day begins."""
    soon = now + ROUND
    opening = calendar.next_opening(soon) - BEFORE_OPENING
    if opening <= soon:
        return soon
    return min(opening, midnight(now.astimezone(zone).date() + DAY, zone))


async def see_to_next_round(uow: UnitOfWork, *, soon: bool = False) -> None:
    """See that the errand comes: in its time, or `soon`, also while the desk is closed."""
    now = uow.clock.now()
    due = now + ROUND if soon else _due(uow)
    waiting = select(Errand.id).where(Errand.kind == FIGURES, Errand.due_at <= due).limit(1)
    if await uow.session.scalar(waiting) is None:
        await _arm(uow, due)


async def arm_next_round(uow: UnitOfWork, *, soon: bool = False) -> None:
    """A round is over: plan the next one."""
    await _arm(uow, uow.clock.now() + ROUND if soon else _due(uow))


def _due(uow: UnitOfWork) -> datetime:
    return next_round(uow.policy.calendar, ZoneInfo(uow.settings.timezone), uow.clock.now())


async def _arm(uow: UnitOfWork, due: datetime) -> None:
    key = f"{FIGURES}:{int(due.timestamp() // ROUND.total_seconds())}"
    row = Errand(id=new_id(), key=key, kind=FIGURES, lane=Lane.BULK, due_at=due)
    if await uow.insert_new(row):
        uow.ring("errands", row.lane, due)
