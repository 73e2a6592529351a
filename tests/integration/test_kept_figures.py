"""Figures of very many requests are kept for some minutes, say so, and are worked out anew by an errand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from models.deadlines import Errand
from models.figures import KeptFigures
from models.people import Staff
from models.tickets import Ticket
from models.vocabulary import Category, Lane, Medium, Priority
from tests.conftest import Backend
from tests.fakes import ManualClock
from tests.many_figures import EVERY, NOW, ZONE, answer, live, many_and_slow, question, rounds
from workers import errands
from workers.measures import (
    FIGURES,
    Group,
    Named,
    Narrowing,
    Special,
    Viewer,
    days_between,
    kept_once,
    named_period,
    told,
)
from workers.measures.keeping_warm import FORGOTTEN
from workers.measures.kept_asking import asking_of
from workers.measures.kept_rounds import ROUND
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
    monkeypatch.setattr(kept_once, "MANY", 61)
    await told(workshop, question(clock))
    assert (await told(workshop, question(clock))).as_of is None
    assert await rounds(workshop) == []
    monkeypatch.setattr(kept_once, "MANY", 1)
    monkeypatch.setattr(kept_once, "SLOW", 3600.0)
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


async def test_the_errand_ends_and_forgets_what_nobody_asks_for(
    workshop: Workshop, clock: ManualClock
) -> None:
    await told(workshop, question(clock))
    (due,) = await rounds(workshop)
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
