"""Who is away from when to when, and who is on duty 值班: entered, cancelled, looked through for gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from models.base import new_id
from models.deadlines import Errand
from models.people import Absence, Duty, Staff, Team
from models.vocabulary import Lane
from workers.calendars import Calendar
from workers.directory import staff_by_number
from workers.directory.presence import absences_from, duties_from
from workers.errors import InvalidInput, NotFound
from workers.people import team_exactly
from workers.unit_of_work import UnitOfWork

ABSENCE_BEGINS = "absence_begins"
LONGEST = timedelta(days=400)
HORIZON = timedelta(days=36_500)
BREAK = timedelta(hours=3)
"""A closure as short as a lunch break is no gap: people are about."""

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Gap:
    """Outside opening hours nobody is on duty for a team from `starts_at` to `ends_at` (UTC)."""

    team: str
    starts_at: datetime
    ends_at: datetime


async def enter_absence(
    uow: UnitOfWork, number: str, starts_at: datetime, ends_at: datetime, substitute: str | None = None
) -> Absence:
    """Somebody is away; when it begins what they have not accepted goes to others (`workers.errands`).

    Raises InvalidInput for times in the wrong order, in the past or too far apart, or a substitute who is the
    person; NotFound for a number.
    """
    _check(uow, starts_at, ends_at)
    person = await staff_by_number(uow, number)
    other = await staff_by_number(uow, substitute) if substitute else None
    if other is not None and other.id == person.id:
        raise InvalidInput("nobody is their own substitute", hint="name a colleague, or nobody")
    row = Absence(
        id=new_id(),
        staff_id=person.id,
        substitute_id=other.id if other else None,
        starts_at=starts_at,
        ends_at=ends_at,
        made_at=uow.clock.now(),
    )
    await uow.add(row)
    begins = Errand(
        id=new_id(),
        key=f"{ABSENCE_BEGINS}:{row.id.hex}",
        kind=ABSENCE_BEGINS,
        subject_id=row.id,
        lane=Lane.NORMAL,
        due_at=max(starts_at, uow.clock.now()),
    )
    await uow.add(begins)
    uow.ring("errands", begins.lane, begins.due_at or starts_at)
    return row


async def absences_of(uow: UnitOfWork, number: str | None = None) -> list[tuple[Absence, str, str | None]]:
    """Absences of now and later (of one person), each with the numbers of the person and the substitute."""
    now = uow.clock.now()
    rows = await absences_from(uow, now, now + HORIZON)
    names = await _numbers(uow, {each for row in rows for each in (row.staff_id, row.substitute_id) if each})
    shown = [(row, names[row.staff_id], names.get(row.substitute_id or row.id)) for row in rows]
    return [each for each in shown if number in (None, each[1])]


async def cancel_absence(uow: UnitOfWork, number: str, ident: UUID) -> None:
    """The person is there after all, from now on. Raises NotFound."""
    person = await staff_by_number(uow, number)
    row = await uow.session.get(Absence, ident)
    if row is None or row.staff_id != person.id or row.cancelled_at is not None:
        raise NotFound(f"there is no such absence of {number[:24]}")
    row.cancelled_at = uow.clock.now()


async def enter_duty(
    uow: UnitOfWork, number: str, starts_at: datetime, ends_at: datetime, team: str | None = None
) -> Duty:
    """Somebody is on duty for a team, or for all teams. Raises as `enter_absence`."""
    _check(uow, starts_at, ends_at)
    person = await staff_by_number(uow, number)
    row = Duty(
        id=new_id(),
        staff_id=person.id,
        team_id=(await team_exactly(uow, team)).id if team else None,
        starts_at=starts_at,
        ends_at=ends_at,
        made_at=uow.clock.now(),
    )
    await uow.add(row)
    return row


async def duties_of(uow: UnitOfWork) -> list[tuple[Duty, str, str | None]]:
    """Duties of now and later, each with the person's number and the team's name (None: all teams)."""
    now = uow.clock.now()
    rows = await duties_from(uow, now, now + HORIZON)
    names = await _numbers(uow, {row.staff_id for row in rows})
    teams = {team.id: team.name for team in await uow.session.scalars(select(Team))}
    return [(row, names[row.staff_id], teams.get(row.team_id) if row.team_id else None) for row in rows]


async def cancel_duty(uow: UnitOfWork, ident: UUID) -> None:
    """Take a duty off the roster. Raises NotFound."""
    row = await uow.session.get(Duty, ident)
    if row is None or row.cancelled_at is not None:
        raise NotFound("there is no such duty on the roster")
    row.cancelled_at = uow.clock.now()


async def duty_gaps(uow: UnitOfWork, first: datetime, last: datetime) -> list[Gap]:
    """Where nobody is on duty between two moments, outside a team's opening hours, if it keeps a roster.

    A team keeps one when somebody was, is or will be on duty for it within the four weeks around. Those who
    are absent without a present substitute are not counted as being there.
    """
    around = timedelta(days=28)
    rows = await duties_from(uow, first - around, last + around)
    teams = {team.id: team.name for team in await uow.session.scalars(select(Team).order_by(Team.id))}
    away = await absences_from(uow, first, last)
    found = []
    for ident, name in teams.items():
        own = [row for row in rows if row.team_id in (None, ident)]
        if own:
            covered = [span for row in own for span in _there(row, away)]
            closed = _closed(uow.policy.for_team(name).calendar, first, last)
            found += [Gap(name, *gap) for span in closed for gap in _without(span, covered)]
    return sorted(found, key=lambda gap: (gap.starts_at, gap.team))


def _there(duty: Duty, away: Sequence[Absence]) -> list[Span]:
    """The duty without the times in which its person is away and nobody stands in."""
    spans = [(duty.starts_at, duty.ends_at)]
    lost = [
        (row.starts_at, row.ends_at)
        for row in away
        if row.staff_id == duty.staff_id and row.substitute_id is None
    ]
    return [part for span in spans for part in _without(span, lost)]


def _closed(calendar: Calendar, first: datetime, last: datetime) -> Iterable[Span]:
    at = first
    while at < last:
        if calendar.is_open(at):
            at = calendar.next_closing(at)
            continue
        opening = min(calendar.next_opening(at), last)
        if opening - at > BREAK:
            yield at, opening
        at = opening


def _without(span: Span, taken: Iterable[Span]) -> list[Span]:
    """What is left of a span."""
    left = [span]
    for start, end in taken:
        parts = [part for a, b in left for part in ((a, min(b, start)), (max(a, end), b))]
        left = [(a, b) for a, b in parts if a < b]
    return left


async def _numbers(uow: UnitOfWork, idents: Iterable[UUID]) -> dict[UUID, str]:
    rows = await uow.session.execute(select(Staff.id, Staff.number).where(Staff.id.in_(list(idents))))
    return {ident: number for ident, number in rows}  # noqa: C416 - rows are no plain tuples to the type checker


def _check(uow: UnitOfWork, starts_at: datetime, ends_at: datetime) -> None:
    if not starts_at < ends_at:
        raise InvalidInput("it ends before it begins", hint="give --from and --to in their order")
    if ends_at <= uow.clock.now():
        raise InvalidInput("it is over already", hint="give a time that is still to come")
    if ends_at - starts_at > LONGEST:
        raise InvalidInput(f"it lasts longer than {LONGEST.days} days", hint="split it, or is a year wrong?")
