"""Answers about very many requests are kept for some minutes, and say from when they are.

What is quick, or rests on few requests, is worked out anew each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from models.figures import KeptFigures
from models.people import Staff
from workers.measures import kept_once
from workers.measures.figure import Figures, GroupFigures
from workers.measures.kept_answers import days_of, figures_of, groups_of, worked_out
from workers.measures.kept_asking import Asking
from workers.measures.kept_once import Once, are_many
from workers.measures.kept_rounds import ROUND, fresh_for, see_to_next_round
from workers.measures.narrowing import Group
from workers.unit_of_work import UnitOfWork, Workshop

NOTED = timedelta(minutes=10)
IN_ADVANCE = timedelta(hours=1)
"""So long serves what a worker has worked out and nobody has asked for since."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: `figures`, or `groups` where they were asked for. `as_of` (UTC) None: worked out now."""

    figures: Figures | None
    groups: list[GroupFigures]
    as_of: datetime | None


async def told(workshop: Workshop, asking: Asking) -> Told:
    """The answer as it is kept, unless it is too old or none is; else worked out, by one for all who ask at
    the same time, and kept if that took long.

    Raises InvalidInput as `figures` and `by_group` do.
    """
    async with workshop.read() as uow:
        now = uow.clock.now()
        row = await uow.session.get(KeptFigures, asking.key)
        if row is not None and _serves(row, asking, now):
            answer = await _told(uow, asking, row.answer, row.answered_at)
        elif await are_many(uow, asking.days):
            row, answer = None, None
        else:
            found, _ = await worked_out(uow, asking)
            return await _told(uow, asking, found, None)
    if answer is None:
        return await _told_once(workshop, asking)
    if row is not None and now - row.asked_at >= NOTED:
        await _note(workshop, row, now)
    return answer


async def _told_once(workshop: Workshop, asking: Asking) -> Told:
    once = Once(workshop, asking, lambda row: _serves(row, asking, workshop.clock.now()), wanted=True)
    found, mine = await once.answer()
    async with workshop.read() as uow:
        return await _told(uow, asking, found.answer, None if mine else found.answered_at)


def _serves(row: KeptFigures, asking: Asking, now: datetime) -> bool:
    """Whether a kept answer is about the same days, and not too old.

    Old ones serve until the errand has come round twice; what it has worked out in advance serves for longer
    to whoever asks first, and until the errand has come round for them.
    """
    if row.answer["days"] != days_of(asking) or row.took < kept_once.SLOW:
        return False
    age = now - row.answered_at
    first = row.asked_at < row.answered_at or now - row.asked_at < 2 * ROUND
    return age < fresh_for(row.took) + 2 * ROUND or (first and age < IN_ADVANCE)


async def _told(uow: UnitOfWork, asking: Asking, found: Mapping[str, Any], as_of: datetime | None) -> Told:
    if asking.group is None:
        return Told(figures_of(found, asking.days, asking.narrowing), [], as_of)
    names: dict[str, str] = {}
    if asking.group is Group.STAFF:
        numbers = [each["key"] for each in found["groups"]]
        rows = await uow.session.execute(select(Staff.number, Staff.name).where(Staff.number.in_(numbers)))
        names = dict(rows.all())
    return Told(None, groups_of(found, names), as_of)


async def _note(workshop: Workshop, row: KeptFigures, now: datetime) -> None:
    """Somebody asked for it: it is kept new from now on. Nobody's page fails where that cannot be written."""
    old = now - row.answered_at >= fresh_for(row.took)
    try:
        async with workshop.begin() as uow:
            this = update(KeptFigures).where(KeptFigures.key == row.key).values(asked_at=now)
            await uow.session.execute(this.execution_options(synchronize_session=False))
            await see_to_next_round(uow, soon=old)
    except SQLAlchemyError:
        log.warning("figures_not_kept", exc_info=True)
