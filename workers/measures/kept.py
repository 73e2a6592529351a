"""Answers about very many requests are kept for some minutes, and say from when they are.

What is quick, or rests on few requests, is worked out anew each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from models.figures import KeptFigures
from models.people import Staff
from models.tickets import Ticket
from workers.measures.figure import Figures, GroupFigures
from workers.measures.keeping_warm import ROUND, fresh_for, see_to_next_round
from workers.measures.kept_answers import days_of, figures_of, groups_of, worked_out
from workers.measures.kept_asking import Asking
from workers.measures.narrowing import Group
from workers.measures.period import Period
from workers.unit_of_work import UnitOfWork, Workshop

MANY = 5_000
"""An answer is kept only where its period has so many requests: with fewer, each change is seen at once."""
SLOW = 0.15
"""Seconds: what took less is not kept either."""
NOTED = timedelta(minutes=10)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: `figures`, or `groups` where they were asked for. `as_of` (UTC) None: worked out now."""

    figures: Figures | None
    groups: list[GroupFigures]
    as_of: datetime | None


async def told(workshop: Workshop, asking: Asking) -> Told:
    """The answer as it is kept, unless it is too old or none is; else worked out, and kept if that took long.

    Raises InvalidInput as `figures` and `by_group` do.
    """
    async with workshop.read() as uow:
        now = uow.clock.now()
        row = await uow.session.get(KeptFigures, asking.key)
        if row is not None and _serves(row, asking, now):
            answer = await _told(uow, asking, row.answer, row.answered_at)
            change: dict[str, Any] = {"asked_at": now} if now - row.asked_at >= NOTED else {}
        else:
            found, took = await worked_out(uow, asking)
            answer = await _told(uow, asking, found, None)
            keep = took >= SLOW and await _are_many(uow, asking.days)
            change = {"answer": found, "answered_at": now, "asked_at": now, "took": took} if keep else {}
    if change:
        await _keep(workshop, asking, change)
    return answer


def _serves(row: KeptFigures, asking: Asking, now: datetime) -> bool:
    """Whether a kept answer is about the same days, and not too old; old ones serve until the errand has come
    round twice.
    """
    age = now - row.answered_at
    return bool(row.answer["days"] == days_of(asking)) and age < fresh_for(row.took) + 2 * ROUND


async def _told(uow: UnitOfWork, asking: Asking, found: Mapping[str, Any], as_of: datetime | None) -> Told:
    if asking.group is None:
        return Told(figures_of(found, asking.days, asking.narrowing), [], as_of)
    names: dict[str, str] = {}
    if asking.group is Group.STAFF:
        numbers = [each["key"] for each in found["groups"]]
        rows = await uow.session.execute(select(Staff.number, Staff.name).where(Staff.number.in_(numbers)))
        names = dict(rows.all())
    return Told(None, groups_of(found, names), as_of)


async def _are_many(uow: UnitOfWork, period: Period) -> bool:
    some = select(Ticket.id).where(Ticket.received_at >= period.first, Ticket.received_at < period.last)
    counted = select(func.count()).select_from(some.limit(MANY).subquery())
    return (await uow.session.scalar(counted) or 0) >= MANY


async def _keep(workshop: Workshop, asking: Asking, change: Mapping[str, Any]) -> None:
    """Write these columns of an answer, and see that it is worked out anew. Nobody's page fails where that
    cannot be written: a full disk is told elsewhere.
    """
    try:
        async with workshop.begin() as uow:
            this = update(KeptFigures).where(KeptFigures.key == asking.key).values(dict(change))
            result = await uow.session.execute(
                this.returning(KeptFigures.key).execution_options(synchronize_session=False)
            )
            if result.first() is None and "answer" in change:
                row = KeptFigures(key=asking.key, question=asking.as_json(), **change)
                await uow.insert_new(row)
            await see_to_next_round(uow)
    except SQLAlchemyError:
        log.warning("figures_not_kept", exc_info=True)
