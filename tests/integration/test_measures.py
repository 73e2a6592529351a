"""Figures computed in SQL equal those counted by hand, whoever looks, however narrowed and grouped."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from statistics import fmean
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from models.people import Staff, Team
from models.vocabulary import Category, Medium, Priority
from tests.conftest import Backend
from tests.factories import make_workshop
from tests.fakes import ManualClock
from tests.measured import BEGIN, make_past
from tests.measured_by_hand import ByHand, Records, frequent, percentile, records
from workers.measures import (
    ALL,
    CATALOGUE,
    EVERYTHING,
    SMALLEST_GROUP,
    Figure,
    Group,
    Narrowing,
    Period,
    Special,
    Unit,
    Viewer,
    by_group,
    days_between,
    figures,
    worst_overdue,
)
from workers.measures.times import BUCKETS, OVER
from workers.unit_of_work import UnitOfWork, Workshop

pytestmark = pytest.mark.anyio

BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")
MARCH = days_between(date(2026, 3, 1), date(2026, 3, 31), BERLIN)
SPRING = days_between(date(2026, 3, 9), date(2026, 6, 10), SHANGHAI)
FIRST_DAYS = days_between(date(2026, 3, 27), date(2026, 4, 2), BERLIN)
EVERY = list(CATALOGUE)


@pytest.fixture
async def workshop(backend: Backend) -> AsyncIterator[Workshop]:
    clock = ManualClock(BEGIN + timedelta(days=100))
    async with make_workshop(backend, clock) as made:
        await make_past(made, seed=7, tickets=120)
        yield made


async def test_all_figures_equal_those_counted_by_hand(workshop: Workshop) -> None:
    async with workshop.read() as uow:
        read = await records(uow)
        person = (await uow.session.scalars(select(Staff.id).where(Staff.number == "CS001"))).one()
        team = (await uow.session.scalars(select(Team.id).where(Team.name == "product"))).one()
        version = next(iter(read.tickets.values())).policy_version_id
        for narrowing in (
            ALL,
            Narrowing(team_id=team, special=Special.WITH),
            Narrowing(staff_id=person),
            Narrowing(category=Category.COMPLAINT, special=Special.ONLY),
            Narrowing(priority=Priority.HIGH, channel=Medium.EMAIL),
            Narrowing(customer_group="old"),
            Narrowing(policy_version_id=version),
        ):
            await _same(uow, read, SPRING, narrowing, None)
        await _same(uow, read, MARCH, ALL, None)


async def test_each_group_has_its_own(workshop: Workshop) -> None:
    async with workshop.read() as uow:
        read = await records(uow)
        for group in Group:
            await _same(uow, read, FIRST_DAYS if group is Group.DAY else SPRING, ALL, group)


async def _same(
    uow: UnitOfWork, read: Records, period: Period, narrowing: Narrowing, group: Group | None
) -> None:
    counted = await ByHand(uow, read, period, narrowing, group, EVERYTHING).all()
    if group is None:
        found: dict[Any, Mapping[str, Figure]] = {
            None: (await figures(uow, EVERYTHING, period, narrowing, EVERY)).items
        }
    else:
        rows = await by_group(uow, EVERYTHING, period, narrowing, EVERY, group)
        found = {row.key: row.items for row in rows}
        assert set(counted) <= set(found)
    for key, items in found.items():
        assert list(items) == EVERY
        for figure in items.values():
            _equal(figure, counted.get(key, {}), (key, figure.key, narrowing))


def _equal(figure: Figure, values: Mapping[str, Any], where: object) -> None:
    """The figure says what the values say that were collected by hand."""
    family = figure.key.rpartition("_")[0]
    if figure.key.endswith(("_mean", "_median", "_p90")):
        _durations(figure, values.get(family, []), where)
    elif figure.key.endswith("_distribution"):
        _buckets(figure, values.get(family, []), where)
    elif figure.key.startswith(("csat_", "low_")):
        _scores(figure, values.get("csat_" + figure.key.partition("_")[2], []), where)
    elif figure.unit is Unit.SHARE:
        some, of = values.get(figure.key, (0, 0))
        assert (figure.value, figure.cases) == ((some / of) if of else None, of), where
    elif figure.key in ("top_types", "messages_by_state", "messages_by_reason", "followup_causes"):
        told = frequent(values.get(figure.key, []))
        assert figure.cases == sum(number for _, number in told), where
        parts = [(part.key, part.cases) for part in figure.parts if part.cases]
        in_order = sorted(parts, key=lambda each: (-each[1], each[0]))
        assert in_order == (told[:3] if figure.key == "top_types" else told), where
    else:
        assert (figure.value, figure.cases) == (values.get(figure.key, 0),) * 2, where


def _durations(figure: Figure, values: list[float], where: object) -> None:
    assert figure.cases == len(values), where
    if values:
        means = {"mean": fmean(values), "median": percentile(values, 0.5), "p90": percentile(values, 0.9)}
        assert figure.value == pytest.approx(means[figure.key.rpartition("_")[2]], abs=1e-3), where
    else:
        assert figure.value is None, where


def _buckets(figure: Figure, values: list[float], where: object) -> None:
    edges = BUCKETS["resolution" if figure.key.startswith("resolution") else "first_response"]
    names = [next((name for name, edge in edges if value <= edge), OVER) for value in values]
    assert {part.key: part.cases for part in figure.parts if part.cases} == dict(frequent(names)), where
    assert figure.cases == len(values), where


def _scores(figure: Figure, values: list[int], where: object) -> None:
    if len(values) < SMALLEST_GROUP:
        assert (figure.value, figure.cases, figure.too_few) == (None, 0, bool(values)), where
    elif not figure.too_few:  # another group was too small: see the tests of what is not told
        right = fmean(values) if figure.key.startswith("csat_") else fmean(each <= 2 for each in values)
        assert figure.value == pytest.approx(right), where
        assert figure.cases == len(values), where
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= right <= figure.high, where
        assert figure.highlighted == (figure.key.startswith("low_") and right >= 0.15), where


async def test_an_agent_sees_own_figures_and_no_scores(workshop: Workshop) -> None:
    async with workshop.read() as uow:
        read = await records(uow)
        person = (await uow.session.scalars(select(Staff.id).where(Staff.number == "CS002"))).one()
        own = Viewer(person)
        counted = (await ByHand(uow, read, SPRING, ALL, None, own).all())[None]
        for figure in (await figures(uow, own, SPRING, ALL, EVERY)).items.values():
            if CATALOGUE[figure.key].for_agents:
                _equal(figure, counted, figure.key)
            else:
                assert (figure.value, figure.silence) == (None, "not_for_agents")
        others = await by_group(uow, own, SPRING, ALL, ["requests", "csat_overall"], Group.STAFF)
        assert [(row.key, row["csat_overall"].value) for row in others] == [("CS002", None)]
        else_where = replace(ALL, staff_id=(await _other(uow)))
        assert (await figures(uow, own, SPRING, else_where, ["requests"]))["requests"].value == 0


async def _other(uow: UnitOfWork) -> Any:
    return (await uow.session.scalars(select(Staff.id).where(Staff.number == "CS001"))).one()


async def test_the_worst_overdue_come_first_and_each_clock_once(workshop: Workshop) -> None:
    async with workshop.read() as uow:
        read = await records(uow)
        hand = ByHand(uow, read, SPRING, ALL, None, EVERYTHING)
        worst: dict[tuple[str, str], float] = {}
        for row in read.deadlines:
            ticket = read.tickets[row.ticket_id]
            judged = row.state.value == "breached" and row.kind.value != "survey"
            if not judged or not hand.inside(row.breached_at) or not hand.counts(ticket, apart=False):
                continue
            assert row.limit_at
            happened = {
                "first_response": ticket.first_response_at,
                "acceptance": ticket.accepted_at,
                "plan": ticket.planned_at,
                "resolution": ticket.resolved_at,
            }[row.kind.value]
            happened = happened if happened and happened > row.limit_at else None
            until = row.met_at or happened or ticket.closed_at or uow.clock.now()
            key = (ticket.number, row.kind.value)
            worst[key] = max(worst.get(key, -1e12), (until - row.limit_at).total_seconds())
        ordered = sorted(worst.items(), key=lambda each: (-each[1], each[0]))
        found = await worst_overdue(uow, EVERYTHING, SPRING, ALL, limit=100)
        assert [(row.ticket, row.clock) for row in found] == [key for key, _ in ordered[:100]]
        assert [row.late for row in found] == pytest.approx([late for _, late in ordered[:100]], abs=1e-3)
        person = await _other(uow)
        own = await worst_overdue(uow, Viewer(person), SPRING, ALL, limit=100)
        by_number = {row.number: row for row in read.tickets.values()}
        assert own
        assert all(by_number[row.ticket].handler_id == person for row in own)
