"""Targets are set, changed, reported on and ended; each step is a line of their log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from models.base import new_id
from models.improving import Target
from models.people import Staff
from models.vocabulary import Role, TargetState
from workers.aims import kept_scope, look, measure_named, note, window_before
from workers.errors import Conflict, Forbidden, InvalidInput
from workers.measures import Better, Measure, Unit
from workers.measures.period import midnight
from workers.targets import reminding
from workers.targets.finding import TITLE
from workers.unit_of_work import UnitOfWork

LEAST_DAYS, MOST_DAYS = 7, 1100
LONGEST_WINDOW = 366
LONGEST_TITLE, LONGEST_NOTE, LONGEST_NAME = 200, 20_000, 64
LIMITS = {Unit.SHARE: (0.0, 1.0), Unit.SCORE: (1.0, 5.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What is to be reached. `goal` (and `start`; None: as measured now) are in the measure's unit: seconds,
    a share 0–1, a score 1–5, a count. It runs from today to `last_day` (local, included). `scope` is named as
    people do. `window_days`: over how many days it is measured (None: half of its length, at most 30).
    With `promised_to` it is an agreement: `department` promises it to that one.
    """

    title: str
    measure: str
    goal: float
    last_day: date
    owner: Staff
    start: float | None = None
    scope: Mapping[str, str | None] = field(default_factory=dict)
    window_days: int | None = None
    department: str = ""
    promised_to: str = ""


async def set_target(uow: UnitOfWork, by: Staff, aim: Aim) -> Target:
    """Set it; its owner hears how it goes. Raises Forbidden for agents, InvalidInput, NotFound."""
    must_lead(by)
    measure = measure_named(aim.measure)
    _check_owner(measure, aim.owner)
    today = uow.policy.calendar.local_date(uow.clock.now())
    days = _days(today, aim.last_day)
    window = aim.window_days if aim.window_days is not None else min(30, max(LEAST_DAYS, days // 2))
    if not 1 <= window <= LONGEST_WINDOW:
        raise InvalidInput(f"a figure is taken over 1 to {LONGEST_WINDOW} days")
    scope = await kept_scope(uow, aim.scope)
    start, cases = await _start(uow, aim, scope, today, window)
    _check_way(measure, start, aim.goal)
    department, promised_to = _name(aim.department), _name(aim.promised_to)
    if promised_to and (not department or promised_to == department):
        raise InvalidInput("an agreement names two departments", hint="who promises, and to whom")
    zone = ZoneInfo(uow.policy.zone)
    row = Target(
        id=new_id(),
        number=await uow.draw_number("TG", 4),
        version=1,
        state=TargetState.RUNNING,
        measure=aim.measure,
        scope=scope,
        start_value=start,
        start_cases=cases,
        goal_value=aim.goal,
        window_days=window,
        starts_at=midnight(today, zone),
        ends_at=midnight(aim.last_day + timedelta(days=1), zone),
        owner_id=aim.owner.id,
        made_by_id=by.id,
        department=department or None,
        promised_to=promised_to or None,
        told_behind_at=None,
        ended_at=None,
        result_value=None,
        result_cases=None,
        data_key_id=await uow.vault.new_key(uow.session),
        words_sealed=None,
    )
    await _seal_title(uow, row, aim.title)
    await uow.add(row)
    await note(uow, row, "set", by=by, facts=_facts(row, aim.owner))
    await reminding.arm(uow, row)
    return row


async def change_target(
    uow: UnitOfWork,
    row: Target,
    by: Staff,
    *,
    title: str | None = None,
    goal: float | None = None,
    last_day: date | None = None,
    owner: Staff | None = None,
) -> None:
    """Change what is left to be reached; what it was stands in the log.

    Start, measure and scope stay: another one is another target. Raises Forbidden, Conflict, InvalidInput.
    """
    must_lead(by)
    _must_run(row)
    before = {"goal": row.goal_value, "ends_at": row.ends_at.isoformat()}
    moved = False
    if goal is not None:
        _check_way(measure_named(row.measure), row.start_value, goal)
        row.goal_value = goal
    if last_day is not None:
        zone = ZoneInfo(uow.policy.zone)
        _days(uow.policy.calendar.local_date(row.starts_at), last_day)
        ends_at = midnight(last_day + timedelta(days=1), zone)
        if ends_at <= uow.clock.now():
            raise InvalidInput("this day is over", hint="end it, or withdraw it")
        moved = ends_at != row.ends_at
        row.ends_at, row.told_behind_at = ends_at, None
    if owner is not None:
        _check_owner(measure_named(row.measure), owner)
        row.owner_id = owner.id
    if title is not None:
        await _seal_title(uow, row, title)
    row.version += 1
    if moved:
        await reminding.arm(uow, row)
    person = owner if owner is not None else await uow.session.get_one(Staff, row.owner_id)
    await note(uow, row, "changed", by=by, facts={**_facts(row, person), "before": before})


async def report_progress(uow: UnitOfWork, row: Target, by: Staff, words: str) -> None:
    """Its owner, or who leads, says what is done. Raises Forbidden, Conflict, InvalidInput."""
    if by.id != row.owner_id:
        must_lead(by)
    _must_run(row)
    if not words.strip() or len(words) > LONGEST_NOTE:
        raise InvalidInput(f"progress needs words, at most {LONGEST_NOTE} characters")
    row.version += 1
    await note(uow, row, "progress", by=by, words={"note": words})


async def end_target(uow: UnitOfWork, row: Target, by: Staff, reason: str) -> None:
    """Withdraw it before its end, with a reason. Raises Forbidden, Conflict, InvalidInput."""
    must_lead(by)
    _must_run(row)
    if not reason.strip() or len(reason) > LONGEST_NOTE:
        raise InvalidInput("a reason is needed")
    row.state, row.ended_at = TargetState.WITHDRAWN, uow.clock.now()
    row.version += 1
    await reminding.disarm(uow, row)
    await note(uow, row, "withdrawn", by=by, words={"reason": reason})


def must_lead(by: Staff) -> None:
    """Raises Forbidden for agents."""
    if by.role is Role.AGENT:
        raise Forbidden("targets are set by those who lead", hint="their owner reports progress")


def _check_owner(measure: Measure, owner: Staff) -> None:
    """Scores are not for agents, so nobody of them can answer for one."""
    if owner.role is Role.AGENT and not measure.for_agents:
        raise InvalidInput("agents see no scores", hint="name an owner who leads")


def _must_run(row: Target) -> None:
    if row.state is not TargetState.RUNNING:
        raise Conflict("this target is over", hint="set a new one")


async def _start(
    uow: UnitOfWork, aim: Aim, scope: Mapping[str, Any], today: date, window: int
) -> tuple[float, int | None]:
    if aim.start is not None:
        return aim.start, None
    found = await look(uow, aim.measure, scope, window_before(uow, today, window))
    if found.value is None or not found.enough:
        raise InvalidInput(
            "there are too few cases to start from", hint="give the start value, or measure over more days"
        )
    return found.value, found.cases


def _check_way(measure: Measure, start: float, goal: float) -> None:
    low, high = LIMITS.get(measure.unit, (0.0, 1e12))
    if not all(math.isfinite(each) and low <= each <= high for each in (start, goal)):
        raise InvalidInput("this value is not possible for the measure", hint=_UNIT_HINT[measure.unit])
    if start == goal:
        raise InvalidInput("the goal is the start value already")
    worse = Better.HIGHER if goal < start else Better.LOWER
    if measure.better is worse:
        raise InvalidInput("the goal is worse than the start value")


_UNIT_HINT = {
    Unit.SECONDS: "seconds, not below 0",
    Unit.COUNT: "a count, not below 0",
    Unit.SHARE: "a share between 0 and 1",
    Unit.SCORE: "a score between 1 and 5",
}


def _days(first_day: date, last_day: date) -> int:
    days = (last_day - first_day).days + 1
    if not LEAST_DAYS <= days <= MOST_DAYS:
        raise InvalidInput(f"a target runs for {LEAST_DAYS} to {MOST_DAYS} days")
    return days


async def _seal_title(uow: UnitOfWork, row: Target, title: str) -> None:
    kept = " ".join(title.split())
    if not kept or len(kept) > LONGEST_TITLE:
        raise InvalidInput(f"a target needs a title of at most {LONGEST_TITLE} characters")
    sealer = await uow.vault.sealer(uow.session, row.data_key_id)
    row.words_sealed = sealer.seal_json({"title": kept}, TITLE)


def _name(department: str) -> str:
    kept = " ".join(department.split())
    if len(kept) > LONGEST_NAME:
        raise InvalidInput(f"a department's name has at most {LONGEST_NAME} characters")
    return kept


def _facts(row: Target, owner: Staff) -> dict[str, Any]:
    return {
        "start": row.start_value,
        "goal": row.goal_value,
        "ends_at": row.ends_at.isoformat(),
        "owner": owner.number,
    }
