"""What people see first when they open a dashboard is there before they do, and of today."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import func, select, update

from models.figures import KeptFigures
from models.people import Staff
from models.vocabulary import Role
from tests.conftest import Backend
from tests.fakes import ManualClock
from tests.many_figures import NOW, ZONE, Workings, answer, go_round, live, many_and_slow, question, rounds
from workers.calendars import Calendar
from workers.measures import (
    ALL,
    EVERYTHING,
    Asking,
    Named,
    Narrowing,
    first_page,
    keeping_warm,
    kept_once,
    named_period,
    told,
)
from workers.measures.kept_rounds import BEFORE_OPENING, ROUND, next_round
from workers.measures.period import midnight
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def workshop(
    backend: Backend, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Workshop]:
    async with many_and_slow(backend, clock, monkeypatch) as made:
        yield made


@pytest.fixture
def workings(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workings:
    """What is worked out from now on."""
    watched = Workings()
    watched.watch(monkeypatch)
    return watched


async def team_of(workshop: Workshop, number: str) -> Narrowing:
    async with workshop.read() as uow:
        return Narrowing(
            team_id=await uow.session.scalar(select(Staff.team_id).where(Staff.number == number))
        )


async def openings(workshop: Workshop, clock: ManualClock) -> list[Asking]:
    """All that the first page asks, for each period that has a name: of all, and of the team that is led."""
    led = await team_of(workshop, "AM001")
    periods = [named_period(name, clock.now(), ZONE) for name in Named]
    return [
        each
        for period in periods
        for narrowing in (ALL, led)
        for each in first_page(EVERYTHING, period, narrowing)
        if await has_requests(workshop, each)
    ]


async def has_requests(workshop: Workshop, asking: Asking) -> bool:
    async with workshop.read() as uow:
        return await kept_once.are_many(uow, asking.days)


async def kept_number(workshop: Workshop) -> int:
    async with workshop.read() as uow:
        return await uow.session.scalar(select(func.count()).select_from(KeptFigures)) or 0


async def test_once_somebody_has_looked_what_all_see_first_is_there(
    workshop: Workshop, clock: ManualClock, workings: Workings
) -> None:
    await told(workshop, question(clock))
    await go_round(workshop, clock)
    workings.begun.clear()
    asked = await openings(workshop, clock)
    assert len(asked) > 40
    for asking in asked:
        found = await told(workshop, asking)
        assert found.as_of == clock.now()
        assert answer(found) == await live(workshop, asking)
    assert workings.begun == []


async def test_nothing_is_worked_out_where_nobody_looks_or_requests_are_few(
    workshop: Workshop, clock: ManualClock, workings: Workings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await rounds(workshop) == []
    monkeypatch.setattr(kept_once, "MANY", 61)
    await told(workshop, question(clock))
    assert await rounds(workshop) == []
    assert workings.begun == []


async def test_only_periods_of_many_requests_are_worked_out(
    workshop: Workshop, clock: ManualClock, workings: Workings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(workshop, question(clock))
    async with workshop.read() as uow:
        usual = question(clock).days
        monkeypatch.setattr(kept_once, "MANY", 10)
        many = {
            name for name in Named if await kept_once.are_many(uow, named_period(name, clock.now(), ZONE))
        }
        assert await kept_once.are_many(uow, usual)
    assert Named.WEEK not in many
    workings.begun.clear()
    await go_round(workshop, clock)
    begun = {each.period.name for each in workings.begun if not each.before}
    assert begun == many


class OneSecondEach:
    """A clock by which working out one answer takes a second."""

    def __init__(self, workings: Workings) -> None:
        self.workings = workings

    def monotonic(self) -> float:
        return float(len(self.workings.begun))


@pytest.mark.parametrize(("hour", "seconds"), [(10, keeping_warm.IN_ADVANCE), (7, keeping_warm.ENOUGH)])
async def test_a_round_takes_a_tenth_of_a_core_and_more_while_the_desk_is_closed(
    workshop: Workshop,
    clock: ManualClock,
    workings: Workings,
    monkeypatch: pytest.MonkeyPatch,
    hour: int,
    seconds: float,
) -> None:
    clock.set(datetime(2026, 5, 20, hour, tzinfo=ZONE).astimezone(UTC))
    monkeypatch.setattr(keeping_warm, "time", OneSecondEach(workings))
    asked = question(clock)
    await told(workshop, asked)
    opened = await openings(workshop, clock)
    workings.begun.clear()
    await go_round(workshop, clock)
    begun = [each for each in workings.begun if each != asked]
    assert begun == in_order(opened)[: int(seconds)]
    while len(begun) < len(opened):
        assert await rounds(workshop) == [clock.now() + ROUND]
        await go_round(workshop, clock)
        begun = [each for each in workings.begun if each != asked]
    assert begun == in_order(opened)


def in_order(askings: list[Asking]) -> list[Asking]:
    """The usual period first."""
    return sorted(askings, key=lambda each: each.period.name != Named.LAST_3_MONTHS)


async def test_what_nobody_has_asked_for_serves_an_hour_and_is_then_made_new_at_once(
    workshop: Workshop, clock: ManualClock, workings: Workings
) -> None:
    clock.set(datetime(2026, 5, 20, 10, tzinfo=ZONE).astimezone(UTC))
    first = first_page(EVERYTHING, question(clock).period, ALL)[0]
    await told(workshop, question(clock))
    await go_round(workshop, clock)
    made = clock.now()
    workings.begun.clear()
    clock.advance(timedelta(minutes=59))
    for _ in range(2):
        assert (await told(workshop, first)).as_of == made
    assert workings.begun == []
    await go_round(workshop, clock)
    assert first in workings.begun
    assert (await told(workshop, first)).as_of == clock.now()
    clock.advance(timedelta(minutes=61))
    assert (await told(workshop, first)).as_of is None


async def test_after_midnight_the_new_day_is_there_before_anybody_comes(
    workshop: Workshop, clock: ManualClock, workings: Workings
) -> None:
    evening = datetime(2026, 5, 20, 22, 0, tzinfo=ZONE)
    clock.set(evening.astimezone(UTC))
    await told(workshop, question(clock))
    await go_round(workshop, clock)
    assert clock.now() == midnight(evening.date() + timedelta(days=1), ZONE)
    workings.begun.clear()
    for asking in await openings(workshop, clock):
        assert asking.period.name != Named.LAST_3_MONTHS or asking.period.last_day.day == 21
        assert (await told(workshop, asking)).as_of == clock.now()
    assert workings.begun == []
    (before_work,) = await rounds(workshop)
    async with workshop.read() as uow:
        assert before_work == uow.policy.calendar.next_opening(clock.now()) - BEFORE_OPENING


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-05-20 10:00", "2026-05-20 10:02"),
        ("2026-05-20 08:20", "2026-05-20 08:30"),
        ("2026-05-20 08:30", "2026-05-20 08:32"),
        ("2026-05-20 18:10", "2026-05-21 00:00"),
        ("2026-05-21 00:00", "2026-05-21 08:30"),
        ("2026-05-22 19:00", "2026-05-23 00:00"),
    ],
)
def test_rounds_come_while_the_desk_is_open_before_that_and_as_a_day_begins(now: str, then: str) -> None:
    calendar = Calendar(ZONE, {day: ((time(9), time(18)),) for day in range(5)})
    due = next_round(calendar, ZONE, datetime.fromisoformat(now).replace(tzinfo=ZONE).astimezone(UTC))
    assert due == datetime.fromisoformat(then).replace(tzinfo=ZONE)


async def test_what_is_renewed_no_more_goes_after_a_day(
    workshop: Workshop, clock: ManualClock, workings: Workings
) -> None:
    await told(workshop, question(clock))
    await go_round(workshop, clock)
    before = await kept_number(workshop)
    async with workshop.begin() as uow:
        await uow.session.execute(update(Staff).where(Staff.number == "AM001").values(role=Role.QUALITY))
    clock.advance(timedelta(days=1))
    await go_round(workshop, clock)
    assert await kept_number(workshop) < before
    led = first_page(EVERYTHING, question(clock).period, await team_of(workshop, "AM001"))
    assert (await told(workshop, led[0])).as_of is None
