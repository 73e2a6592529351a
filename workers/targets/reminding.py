"""A target's owner hears of it: half-way, when it falls behind, a week before its end, and how it ended.

Each is an errand. That of a time which was changed meanwhile says nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from models.base import new_id
from models.deadlines import Errand
from models.improving import Target
from models.people import Staff
from models.vocabulary import Lane, TargetState
from workers.aims import (
    measure_name,
    note,
    owner_or_stand_in,
    shown_scope,
    team_supervisor,
    tell,
    value_words,
)
from workers.locks import held
from workers.promises import settle
from workers.targets.finding import title_of
from workers.targets.standing import Stand, Standing, last_day_of, measured
from workers.unit_of_work import UnitOfWork

TARGET = "target"
HALF, WEEK, END, CHECK = "half", "week", "end", "check"
WEEK_BEFORE = timedelta(days=7)
SHORT = timedelta(days=15)
"""What runs for less has its middle a week before its end, or later: one reminder says both."""
SAY_AGAIN = timedelta(days=14)
"""A target that lags is said to do so again after that."""
_ENDS = {Stand.REACHED: TargetState.REACHED, Stand.MISSED: TargetState.MISSED}


async def arm(uow: UnitOfWork, row: Target) -> None:
    """Plan what is to be said of it, from now on; what was planned for another end is withdrawn."""
    await disarm(uow, row)
    now, opening = uow.clock.now(), uow.policy.calendar.next_opening
    await _promise(uow, row, END, opening(row.ends_at))
    middle = row.starts_at + (row.ends_at - row.starts_at) / 2
    moments = {HALF: opening(middle)}
    if row.ends_at - row.starts_at > SHORT:
        moments[WEEK] = opening(row.ends_at - WEEK_BEFORE)
    for step, at in moments.items():
        if now < at < row.ends_at:
            await _promise(uow, row, step, at)
    await _next_check(uow, row)


async def disarm(uow: UnitOfWork, row: Target) -> None:
    """Nothing is said of it any more. What a worker has in hand is left to it: it looks at the row anew."""
    query = select(Errand).where(
        Errand.kind == TARGET, Errand.subject_id == row.id, Errand.due_at.is_not(None)
    )
    for errand in await uow.session.scalars(
        query.order_by(Errand.id).with_for_update(skip_locked=True, key_share=True)
    ):
        settle(errand)


async def _next_check(uow: UnitOfWork, row: Target) -> None:
    """At the next working day's opening it is looked at again."""
    at = uow.policy.calendar.opening_of_working_day(uow.clock.now(), 1)
    if at < row.ends_at:
        await _promise(uow, row, f"{CHECK}-{at:%Y%m%d}", at)


async def _promise(uow: UnitOfWork, row: Target, step: str, at: datetime) -> None:
    key = f"{TARGET}:{row.id.hex}:{row.version}:{step}"
    errand = Errand(id=new_id(), key=key, kind=TARGET, lane=Lane.NORMAL, subject_id=row.id, due_at=at)
    if await uow.insert_new(errand):
        uow.ring("errands", errand.lane, at)


async def remind_of_target(uow: UnitOfWork, errand: Errand) -> None:
    """The moment has come: look where it stands and say so; at its end, settle it."""
    query = select(Target).where(Target.id == errand.subject_id)
    row = await uow.session.scalar(held(query))
    step = errand.key.rpartition(":")[2].partition("-")[0]
    if row is None or row.state is not TargetState.RUNNING:
        return
    if step == END and uow.clock.now() < row.ends_at:
        return
    found = await measured(uow, row)
    if step == CHECK:
        await _next_check(uow, row)
        await _check(uow, found)
    elif step == END:
        await _end(uow, found)
    else:
        await _tell(uow, found, step)


async def _check(uow: UnitOfWork, found: Standing) -> None:
    row, now = found.target, uow.clock.now()
    if found.stand in (Stand.ON_TRACK, Stand.REACHED):
        row.told_behind_at = None
    elif found.stand is Stand.BEHIND and (
        row.told_behind_at is None or row.told_behind_at + SAY_AGAIN <= now
    ):
        row.told_behind_at = now
        await note(uow, row, "behind", facts=_measured_facts(found))
        await _tell(uow, found, "behind", others=True)


async def _end(uow: UnitOfWork, found: Standing) -> None:
    row = found.target
    row.state = _ENDS.get(found.stand, TargetState.TOO_FEW)
    row.ended_at, row.result_value, row.result_cases = uow.clock.now(), found.current, found.cases
    row.version += 1
    await disarm(uow, row)
    await note(uow, row, "ended", facts={"result": row.state.value, **_measured_facts(found)})
    await _tell(uow, found, END, others=True)


def _measured_facts(found: Standing) -> dict[str, Any]:
    return {"value": found.current, "cases": found.cases, "expected": found.expected}


async def _tell(uow: UnitOfWork, found: Standing, step: str, *, others: bool = False) -> None:
    """Its owner hears; with `others` whoever set it, and of an agreement who leads the other department."""
    row = found.target
    people = await owner_or_stand_in(uow, row)
    if others:
        maker = await uow.session.get_one(Staff, row.made_by_id)
        people += [maker] if maker.active else []
        people += await team_supervisor(uow, row.promised_to)
    locales = {person.locale or uow.settings.locale for person in people}
    facts_for = {locale: await target_facts(uow, found, step, locale) for locale in locales}
    fact = f"{row.id.hex}:{row.ends_at:%Y%m%d}:{step}"
    if step == "behind":
        fact += f":{uow.clock.now():%Y%m%d}"
    await tell(uow, row, "target_standing", fact, people, facts_for, f"/console/targets/{row.number}")


async def target_facts(uow: UnitOfWork, found: Standing, step: str, locale: str) -> dict[str, Any]:
    """What a mail is told of a target, with values in words of the reader's language."""
    row = found.target
    owner = await uow.session.get_one(Staff, row.owner_id)

    def words(value: float | None) -> str:
        return value_words(row.measure, value, locale)

    return {
        "step": step,
        "target": {
            "number": row.number,
            "title": await title_of(uow, row),
            "measure": measure_name(row.measure, locale),
            "scope": await shown_scope(uow, row.scope),
            "owner": owner.name,
            "department": row.department or "",
            "promised_to": row.promised_to or "",
            "start": words(row.start_value),
            "goal": words(row.goal_value),
            "last_day": last_day_of(uow, row).isoformat(),
            "stand": found.stand.value,
            "current": words(found.current),
            "cases": found.cases,
            "expected": words(found.expected),
            "window_days": row.window_days,
        },
    }
