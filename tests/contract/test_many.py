"""Rows that are written together are the rows that a session would have written, on every database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from models.base import Base, new_id
from models.deadlines import Deadline
from models.many import fill_in, insert_rows
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


async def test_what_is_too_long_is_refused_rather_than_cut(backend: Backend, workshop: Workshop) -> None:
    if not backend.database_url.startswith("postgresql"):
        return  # it knows no lengths, and cuts nothing
    row = Team(id=new_id(), name="x" * 65)
    fill_in(row)
    with pytest.raises(DBAPIError, match="too long"):
        async with workshop.begin() as uow:
            await insert_rows(await uow.session.connection(), [row])


async def test_a_row_is_made_of_its_columns_only(workshop: Workshop) -> None:
    with pytest.raises(TypeError, match="nonsense"):
        Team(name="A", nonsense=1)
    plain: Base = Deadline(kind=DeadlineKind.PLAN)
    fill_in(plain)
    assert isinstance(plain, Deadline)
    assert (plain.lane, plain.tries, plain.alarms, plain.limit_at) == (Lane.NORMAL, 0, [], None)
