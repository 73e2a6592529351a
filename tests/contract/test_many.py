"""Rows that are written together are the rows that a session would have written, on every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from models import bulk
from models.base import Base, new_id
from models.deadlines import Deadline
from models.many import fill_in, insert_rows, update_rows
from models.people import Staff, Team
from models.vocabulary import DeadlineKind, Lane, Role
from tests.conftest import Backend
from tests.workbench import workshop_on
from workers.unit_of_work import Workshop

pytestmark = pytest.mark.anyio


@pytest.fixture
async def workshop(backend: Backend) -> AsyncIterator[Workshop]:
    async with workshop_on(backend.database_url) as workshop:
        yield workshop


def _staff(number: str, **more: Any) -> Staff:
    return Staff(id=new_id(), number=number, name="王芳 👋", email=f"{number}@help.example", **more)


async def test_rows_come_out_as_a_session_writes_them(workshop: Workshop) -> None:
    now = workshop.clock.now()
    more = {"role": Role.SUPERVISOR, "skills": ["refund", "退款"], "absent_until": now + timedelta(hours=1)}
    by_session, together = [_staff("A1"), _staff("A2", **more)], [_staff("B1"), _staff("B2", **more)]
    async with workshop.begin() as uow:
        uow.session.add_all(by_session)
        for row in together:
            fill_in(row)
        await insert_rows(await uow.session.connection(), together)
    async with workshop.read() as uow:
        found = (await uow.session.scalars(select(Staff).order_by(Staff.number))).all()
    own = {"id", "number", "email"}
    told = [
        {key: value for key, value in vars(row).items() if key[0] != "_" and key not in own} for row in found
    ]
    assert [row.number for row in found] == ["A1", "A2", "B1", "B2"]
    assert told[2:] == told[:2]
    assert told[3]["skills"] == ["refund", "退款"]
    assert told[2]["active"] is True


@pytest.mark.parametrize("few", [0, 1000], ids=["together", "each"])
async def test_changes_of_many_rows_are_those_a_session_would_write(
    workshop: Workshop, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_FEW", few)
    people = [_staff(f"A{place}") for place in range(6)]
    async with workshop.begin() as uow:
        uow.session.add_all(people)
    async with workshop.begin() as uow:
        rows = (await uow.session.scalars(select(Staff).order_by(Staff.number))).all()
        for place, row in enumerate(rows[:5]):
            row.skills = ["退款", "refund", "law"][: place % 3]  # lists of any length are one value each
        rows[0].active, rows[1].active = False, True
        rows[3].role, rows[3].absent_until = Role.SUPERVISOR, workshop.clock.now()
        await update_rows(await uow.session.connection(), rows)
        for row in rows:
            uow.session.expunge(row)
    async with workshop.read() as uow:
        found = (await uow.session.scalars(select(Staff).order_by(Staff.number))).all()
    assert [row.skills for row in found] == [[], ["退款"], ["退款", "refund"], [], ["退款"], []]
    assert [row.active for row in found] == [False, True, True, True, True, True]
    assert (found[3].role, found[3].absent_until) == (Role.SUPERVISOR, workshop.clock.now())


async def _rename(workshop: Workshop, team: Team, name: str) -> None:
    async with workshop.begin() as uow:
        known = await uow.session.get_one(Team, team.id)
        known.name = name
        await update_rows(await uow.session.connection(), [known])


async def test_what_is_too_long_is_refused_rather_than_cut(
    backend: Backend, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not backend.database_url.startswith("postgresql"):
        return  # it knows no lengths, and cuts nothing
    row = Team(id=new_id(), name="x" * 65)
    fill_in(row)
    with pytest.raises(DBAPIError, match="too long"):
        async with workshop.begin() as uow:
            await insert_rows(await uow.session.connection(), [row])
    async with workshop.begin() as uow:
        team = Team(id=new_id(), name="x")
        uow.session.add(team)
    monkeypatch.setattr(bulk, "_FEW", 0)
    with pytest.raises(DBAPIError, match="too long"):
        await _rename(workshop, team, "x" * 65)


async def test_a_row_is_made_of_its_columns_only(workshop: Workshop) -> None:
    with pytest.raises(TypeError, match="nonsense"):
        Team(name="A", nonsense=1)
    plain: Base = Deadline(kind=DeadlineKind.PLAN)
    fill_in(plain)
    assert isinstance(plain, Deadline)
    assert (plain.lane, plain.tries, plain.alarms, plain.limit_at) == (Lane.NORMAL, 0, [], None)
