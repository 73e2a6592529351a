"""What waits in each lane of a table of promises, for people who look: metrics, health, doctor, attention."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import Promised
from models.vocabulary import Lane
from workers.clock import Clock

OFTEN = 3
"""Tries after which what is still due is shown to people."""


class Backlog(NamedTuple):
    """What is due in one lane: rows, how long the oldest has been due (seconds); how many of them a worker
    could take up now (neither leased nor pausing), and for how long it could have taken up the first; how
    many were tried often without an end.
    """

    due: int
    oldest: float
    waiting: int
    waited: float
    failing: int = 0


async def backlog(connection: AsyncConnection, model: type[Promised], clock: Clock) -> dict[Lane, Backlog]:
    """What is due in each lane that has anything due. Reads each row that is: for people who look, not for
    the clockwork.
    """
    now = clock.now()
    free = or_(model.free_at.is_(None), model.free_at <= clock.machine())
    since = case((model.free_at > model.due_at, model.free_at), else_=model.due_at)
    rows = await connection.execute(
        select(
            model.lane,
            func.count(),
            func.min(model.due_at),
            func.sum(case((free, 1), else_=0)),
            func.min(case((free, since))),
            func.sum(case((model.tries >= OFTEN, 1), else_=0)),
        )
        .where(model.due_at <= now)
        .group_by(model.lane)
    )
    return {
        lane: Backlog(count, _age(now, due_at), waiting, _age(now, first), failing)
        for lane, count, due_at, waiting, first, failing in rows
    }


def _age(now: datetime, moment: datetime | None) -> float:
    return max(0.0, (now - moment).total_seconds()) if moment is not None else 0.0
