"""Before its first bell a worker plays some alarms: the first real ones are then as quick as all others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, select

from models.deadlines import Deadline
from models.vocabulary import DeadlineKind, DeadlineState, Lane
from tests.conftest import POSTGRESQL_REDIS, Backend
from tests.factories import Desk, count_rows, make_desk, make_ticket
from tests.workbench import BellBook
from workers import alarms, deadlines
from workers.actors import HANDLERS
from workers.policy import Alarm

pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)
ON_POSTGRESQL = pytest.mark.parametrize("backend", [POSTGRESQL_REDIS], indirect=True)


@contextmanager
def listening(desk: Desk) -> Iterator[set[str]]:
    """The statements that reach the database, in the words that it has to learn."""
    said: set[str] = set()

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        said.add(statement)

    engine = desk.workshop.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def _heard(desk: Desk, *steps: str) -> set[str]:
    """What is said when the alarms of so many requests come at once: each is a warning, or a breach."""
    at = desk.clock.now() + timedelta(seconds=1)
    for step in steps:
        ticket = await make_ticket(desk.workshop, email=f"{uuid4().hex}@shop.example")
        limit = at if step == "breach" else at + MINUTE
        plan = [
            Alarm(limit - MINUTE, "warning", ("handler",)),
            Alarm(limit, "breach", ("handler", "supervisor")),
        ]
        async with desk.workshop.begin() as uow:
            await deadlines.arm(
                uow,
                ticket,
                DeadlineKind.PLAN,
                fact=ticket.id,
                generation=7,
                started_at=at,
                limit_at=limit,
                alarms=plan,
                heard=int(step == "breach"),
            )
    desk.clock.set(at)
    with listening(desk) as said:
        assert await alarms.fire(desk.workshop, Lane.NORMAL, HANDLERS, at - MINUTE) == len(steps)
    return said


async def test_a_rehearsal_leaves_nothing_behind(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        await make_ticket(desk.workshop)
        desk.clock.advance(timedelta(days=3))  # what is due is not what is played
        before, book = await count_rows(desk.workshop), desk.workshop._ring
        assert isinstance(book, BellBook)
        book.rung.clear()
        await alarms.rehearse(desk.workshop, HANDLERS)
        assert await count_rows(desk.workshop) == before
        assert book.rung == []
        async with desk.workshop.read() as uow:
            rows = list(await uow.session.scalars(select(Deadline)))
        assert {row.state for row in rows} == {DeadlineState.RUNNING}


@ON_POSTGRESQL
async def test_the_first_real_alarms_say_nothing_that_was_not_rehearsed(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        with listening(desk) as rehearsed:
            await alarms.rehearse(desk.workshop, HANDLERS)
        for steps in (("warning", "breach", "breach"), ("warning",), ("breach",)):
            assert await _heard(desk, *steps) - rehearsed == set()


@ON_POSTGRESQL
async def test_a_database_that_knows_three_alarms_knows_four(backend: Backend) -> None:
    async with make_desk(backend) as desk:
        assert await _heard(desk, *["warning"] * 3) == await _heard(desk, *["warning"] * 4)
