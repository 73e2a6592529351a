"""Figures of very many requests are kept for some minutes, say so, and are worked out anew by an errand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, update

from models.deadlines import Errand
from models.figures import KeptFigures
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Category, Lane, Medium, Priority
from tests.conftest import Backend
from tests.factories import make_workshop
from tests.fakes import ManualClock
from tests.measured import BEGIN, make_past
from workers import errands
from workers.measures import (
    ALL,
    CATALOGUE,
    EVERYTHING,
    FIGURES,
    Asking,
    Figures,
    Group,
    GroupFigures,
    Named,
    Narrowing,
    Special,
    Told,
    Viewer,
    by_group,
    days_between,
    figures,
    kept,
    named_period,
    told,
)
from workers.measures.keeping_warm import FORGOTTEN, ROUND
from workers.measures.kept_asking import asking_of
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio

ZONE = ZoneInfo("Asia/Shanghai")
NOW = BEGIN + timedelta(days=100)
EVERY = tuple(CATALOGUE)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def workshop(
    backend: Backend, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Workshop]:
    """Everything counts as many and slow."""
    monkeypatch.setattr(kept, "MANY", 1)
    monkeypatch.setattr(kept, "SLOW", 0.0)
    async with make_workshop(backend, clock) as made:
        await make_past(made, seed=3, tickets=60)
        yield made


def question(clock: ManualClock, **more: object) -> Asking:
    plain = Asking(EVERYTHING, named_period(Named.LAST_3_MONTHS, clock.now(), ZONE), ALL, EVERY)
    return replace(plain, **more)  # type: ignore[arg-type]  # fields by name


async def live(workshop: Workshop, asking: Asking) -> Figures | list[GroupFigures]:
    async with workshop.read() as uow:
        if asking.group is None:
            return await figures(uow, asking.viewer, asking.days, asking.narrowing, asking.measures)
        of = (asking.days, asking.narrowing, asking.measures, asking.group)
        return await by_group(uow, asking.viewer, *of)


def answer(found: Told) -> Figures | list[GroupFigures]:
    return found.groups if found.figures is None else found.figures


async def a_new_request(workshop: Workshop, clock: ManualClock) -> None:
    """One of those that were dismissed counts after all."""
    async with workshop.begin() as uow:
        found = select(Ticket.id).where(
            Ticket.close_reason == "not_a_ticket", Ticket.special_period.is_(None)
        )
        days = question(clock).days
        asked = found.where(Ticket.received_at >= days.first, Ticket.received_at < days.last)
        ident = await uow.session.scalar(asked.order_by(Ticket.received_at.desc()).limit(1))
        assert ident is not None
        await uow.session.execute(update(Ticket).where(Ticket.id == ident).values(close_reason=None))


async def rounds(workshop: Workshop) -> list[datetime]:
    async with workshop.read() as uow:
        due = select(Errand.due_at).where(Errand.kind == FIGURES, Errand.due_at.is_not(None))
        return [each for each in await uow.session.scalars(due) if each]


async def test_a_kept_answer_is_what_was_worked_out_to_the_last_digit(
    workshop: Workshop, clock: ManualClock
) -> None:
    async with workshop.read() as uow:
        person = (await uow.session.scalars(select(Staff.id).where(Staff.number == "CS001"))).one()
    for asking in (
        question(clock),
        question(clock, before=True),
        question(clock, viewer=Viewer(person)),
        question(clock, narrowing=Narrowing(category=Category.COMPLAINT, special=Special.WITH)),
        *(question(clock, group=group) for group in Group if group is not Group.DAY),
    ):
        first = await told(workshop, asking)
        assert first.as_of is None
        again = await told(workshop, asking)
        assert again.as_of == clock.now()
        assert answer(again) == answer(first) == await live(workshop, asking)


async def test_nobody_gets_the_answer_to_another_question(workshop: Workshop, clock: ManualClock) -> None:
    async with workshop.read() as uow:
        people = list(await uow.session.scalars(select(Staff.id).order_by(Staff.number)))
    other = named_period(Named.LAST_MONTH, clock.now(), ZONE)
    typed = days_between(question(clock).period.first_day, question(clock).period.last_day, ZONE)
    askings = [
        question(clock),
        question(clock, before=True),
        question(clock, period=other),
        question(clock, period=typed),
        question(clock, measures=EVERY[:3]),
        question(clock, group=Group.STAFF),
        question(clock, group=Group.TEAM),
        *(question(clock, viewer=Viewer(each)) for each in people[:2]),
        *(
            question(clock, narrowing=narrowing)
            for narrowing in (
                Narrowing(team_id=people[0]),
                Narrowing(staff_id=people[0]),
                Narrowing(category=Category.OTHER),
                Narrowing(priority=Priority.LOW),
                Narrowing(channel=Medium.SMS),
                Narrowing(customer_group="old"),
                Narrowing(policy_version_id=people[0]),
                Narrowing(special=Special.ONLY),
            )
        ),
    ]
    assert len({asking.key for asking in askings}) == len(askings)
    assert [asking_of(asking.as_json(), clock.now()) for asking in askings] == askings
    for asking in askings:
        assert (await told(workshop, asking)).as_of is None


async def test_few_requests_are_never_kept(
    workshop: Workshop, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MANY", 61)
    await told(workshop, question(clock))
    assert (await told(workshop, question(clock))).as_of is None
    assert await rounds(workshop) == []
    monkeypatch.setattr(kept, "MANY", 1)
    monkeypatch.setattr(kept, "SLOW", 3600.0)
    await told(workshop, question(clock))
    assert (await told(workshop, question(clock))).as_of is None


async def test_an_old_answer_serves_no_more(workshop: Workshop, clock: ManualClock) -> None:
    before = await told(workshop, question(clock))
    await a_new_request(workshop, clock)
    at = clock.now()
    clock.advance(ROUND)
    kept_one = await told(workshop, question(clock))
    assert (kept_one.as_of, kept_one.figures) == (at, before.figures)
    clock.advance(timedelta(minutes=30))
    found = await told(workshop, question(clock))
    assert found.as_of is None
    assert answer(found) == await live(workshop, question(clock))
    assert found.figures is not None
    assert before.figures is not None
    assert found.figures["requests"].value == (before.figures["requests"].value or 0) + 1


async def test_at_midnight_a_named_period_is_asked_anew(workshop: Workshop, clock: ManualClock) -> None:
    night = datetime(2026, 5, 20, 15, 59, tzinfo=NOW.tzinfo)
    clock.set(night)
    await told(workshop, question(clock))
    clock.advance(timedelta(minutes=2))
    found = await told(workshop, question(clock))
    assert found.as_of is None
    assert answer(found) == await live(workshop, question(clock))
    async with workshop.read() as uow:
        assert await uow.session.scalar(select(func.count()).select_from(KeptFigures)) == 1


async def test_the_errand_keeps_new_what_people_ask_for(workshop: Workshop, clock: ManualClock) -> None:
    await told(workshop, question(clock))
    await told(workshop, question(clock, group=Group.CATEGORY))
    await a_new_request(workshop, clock)
    (due,) = await rounds(workshop)
    clock.set(due)
    assert await errands.fire(workshop, Lane.BULK) == 1
    for asking in (question(clock), question(clock, group=Group.CATEGORY)):
        found = await told(workshop, asking)
        assert found.as_of == clock.now()
        assert answer(found) == await live(workshop, asking)
    (following,) = await rounds(workshop)
    assert following > due
    clock.set(following)
    await errands.fire(workshop, Lane.BULK)
    async with workshop.read() as uow:
        kinds = select(func.count()).select_from(Errand).where(Errand.kind == FIGURES)
        assert await uow.session.scalar(kinds) == 2  # this one and the next


async def test_the_errand_rests_with_the_desk_and_forgets_what_nobody_asks_for(
    workshop: Workshop, clock: ManualClock
) -> None:
    await told(workshop, question(clock))
    (due,) = await rounds(workshop)
    async with workshop.read() as uow:
        assert uow.policy.calendar.is_open(due)
    clock.set(due + FORGOTTEN + timedelta(hours=1))
    await errands.fire(workshop, Lane.BULK)
    async with workshop.read() as uow:
        assert await uow.session.scalar(select(func.count()).select_from(KeptFigures)) == 0
    assert await rounds(workshop) == []


async def test_a_colleague_has_the_name_of_today(workshop: Workshop, clock: ManualClock) -> None:
    asking = question(clock, group=Group.STAFF)
    await told(workshop, asking)
    async with workshop.begin() as uow:
        await uow.session.execute(update(Staff).where(Staff.number == "CS001").values(name="Renamed"))
    names = {each.key: each.name for each in (await told(workshop, asking)).groups}
    assert names["CS001"] == "Renamed"
    async with workshop.read() as uow:
        rows = await uow.session.scalars(select(KeptFigures.answer))
        assert all("Renamed" not in str(row) and "Agent" not in str(row) for row in rows)
