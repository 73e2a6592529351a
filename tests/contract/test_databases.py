"""What every database must keep to: the schema, whole transactions, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, delete, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models.base import new_id
from models.intake import IntakeEvent
from models.keys import PolicyVersion
from models.people import Customer, Staff, Team
from models.session import MIGRATIONS, head_revision, make_engine, migrate, schema_revision
from models.surveys import SurveyAnswer
from models.tables import Base
from models.tickets import Ticket, TicketEntry
from models.vocabulary import Category, Lane, Medium, Priority
from tests.conftest import Backend
from tests.fakes import ManualClock
from tests.workbench import BellBook, event_due, workshop_on
from workers.unit_of_work import UnitOfWork, Workshop

pytestmark = pytest.mark.anyio
LEASE = timedelta(seconds=30)


@pytest.fixture
async def workshop(backend: Backend) -> AsyncIterator[Workshop]:
    async with workshop_on(backend.database_url) as workshop:
        yield workshop


async def test_the_migrations_make_exactly_the_models(backend: Backend) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    engine = make_engine(backend.database_url)
    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await engine.dispose()
    assert schema_revision(backend.database_url) == head_revision()


def test_the_newest_migration_is_known_by_the_name_of_its_file() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert head_revision() == scripts.get_current_head()
    assert all(Path(each.path).name.startswith(f"{each.revision}_") for each in scripts.walk_revisions())


async def test_open_promises_have_an_index_of_their_own(workshop: Workshop) -> None:
    async with workshop.read() as uow:
        if uow.session.get_bind().dialect.name == "sqlite":
            query = "SELECT sql FROM sqlite_master WHERE name = :name"
        else:
            query = "SELECT indexdef FROM pg_indexes WHERE indexname = :name"
        for table in ("intake_events", "deadlines", "notifications"):
            found = await uow.session.scalar(text(query), {"name": f"ix_{table}_open"})
            assert "(lane, due_at)" in found
            assert "due_at IS NOT NULL" in found


async def test_starters_that_migrate_at_once_do_not_collide(backend: Backend) -> None:
    if backend.database_url.startswith("sqlite"):
        url = backend.database_url.replace("closeloop.db", "fresh/again.db")
    else:
        url = backend.database_url
        engine = make_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
        await engine.dispose()
    assert backend.database_url != url or schema_revision(url) is None
    await asyncio.gather(*(asyncio.to_thread(migrate, url) for _ in range(4)))
    assert schema_revision(url) == head_revision()


@pytest.mark.parametrize("table", ["ticket_entries", "survey_answers"])
async def test_what_was_logged_or_answered_can_be_neither_changed_nor_deleted(
    workshop: Workshop, backend: Backend, table: str
) -> None:
    async with workshop.begin() as uow:
        await _one_row(uow, table)
    statements = [f"UPDATE {table} SET at = at", f"DELETE FROM {table}"]
    if backend.broker_url:
        statements.append(f"TRUNCATE {table} CASCADE")
    for statement in statements:
        with pytest.raises(DBAPIError, match="never changed or deleted"):
            async with workshop.begin() as uow:
                await uow.session.execute(text(statement))
    async with workshop.read() as uow:
        assert await uow.session.scalar(text(f"SELECT count(*) FROM {table}")) == 1


async def _one_row(uow: UnitOfWork, table: str) -> None:
    now, key = uow.clock.now(), uow.vault.system_key_id
    if table == "survey_answers":
        answer = SurveyAnswer(
            id=new_id(), at=now, category=Category.OTHER, scores={"overall": 5}, source="web", data_key_id=key
        )
        uow.session.add(answer)
        return
    customer = Customer(id=new_id(), code="C202603001", data_key_id=key, created_at=now)
    ticket = Ticket(
        id=new_id(),
        number="CS202603020001",
        priority=Priority.MEDIUM,
        channel=Medium.EMAIL,
        locale="en",
        customer_id=customer.id,
        data_key_id=key,
        subject_sealed=b"",
        description_sealed=b"",
        policy_version_id=uow.policy_version_id,
        received_at=now,
        opened_at=now,
    )
    # The log's line goes in first: references are looked at when the transaction commits.
    await uow.add(TicketEntry(ticket_id=ticket.id, at=now, kind="received", actor="system"))
    uow.session.add_all([ticket, customer])


async def test_rows_of_one_fact_may_be_written_in_any_order_but_not_point_nowhere(workshop: Workshop) -> None:
    async with workshop.begin() as uow:
        team = Team(id=new_id(), name="support", supervisor_id=new_id())
        await uow.add(team)
        await uow.add(
            Staff(id=team.supervisor_id, number="CS001", name="Alice", email="alice@x.org", team_id=team.id)
        )
    with pytest.raises(IntegrityError):
        async with workshop.begin() as uow:
            await uow.add(Team(name="ghosts", supervisor_id=new_id()))


async def test_bells_ring_after_the_commit_and_only_then(backend: Backend) -> None:
    book = BellBook()
    clock = ManualClock()
    async with workshop_on(backend.database_url, clock=clock, ring=book) as workshop:
        async with workshop.begin() as uow:
            event_due(uow, clock.now())
            uow.ring("intake", Lane.NORMAL, clock.now())
            uow.ring("intake", Lane.NORMAL, clock.now() - timedelta(days=1))
            uow.ring("deadlines", Lane.NORMAL, clock.now() + timedelta(seconds=3))
            await uow.session.flush()
            assert book.rung == []
        assert [(bell.desk, bell.due) for bell in book.rung] == [
            ("deadlines", clock.now() + timedelta(seconds=3)),
            ("intake", clock.now() - timedelta(days=1)),
        ]


async def test_a_transaction_that_fails_leaves_no_row_and_rings_no_bell(backend: Backend) -> None:
    book = BellBook()
    async with workshop_on(backend.database_url, ring=book) as workshop:

        async def stumble() -> None:
            async with workshop.begin() as uow:
                await uow.add(event_due(uow, uow.clock.now()))
                uow.ring("intake", Lane.NORMAL, uow.clock.now())
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await stumble()
        async with workshop.read() as uow:
            assert await uow.session.scalar(select(func.count()).select_from(IntakeEvent)) == 0
        assert book.rung == []


async def test_no_bell_rings_for_a_commit_that_the_database_refuses(backend: Backend) -> None:
    book = BellBook()
    async with workshop_on(backend.database_url, ring=book) as workshop:

        async def point_nowhere() -> None:
            async with workshop.begin() as uow:
                await uow.add(Team(name="ghosts", supervisor_id=new_id()))
                uow.ring("intake", Lane.NORMAL, uow.clock.now())

        with pytest.raises(IntegrityError):
            await point_nowhere()
        assert book.rung == []


async def test_a_ring_that_fails_does_not_turn_a_committed_fact_into_an_error(backend: Backend) -> None:
    def broken(bells: object) -> None:
        raise ConnectionError

    async with workshop_on(backend.database_url, ring=broken) as workshop:
        async with workshop.begin() as uow:
            event_due(uow, uow.clock.now())
            uow.ring("intake", Lane.NORMAL, uow.clock.now())
        async with workshop.read() as uow:
            assert await uow.session.scalar(select(func.count()).select_from(IntakeEvent)) == 1


async def test_what_is_made_for_reading_cannot_write(workshop: Workshop) -> None:
    async with workshop.read() as uow:
        with pytest.raises(RuntimeError, match="must not write"):
            await uow.add(PolicyVersion(digest="d", name="n", text="t", applied_at=uow.clock.now()))
    async with workshop.read() as uow:
        with pytest.raises(RuntimeError, match="must not write"):
            await uow.session.execute(delete(PolicyVersion))


async def test_moments_come_back_as_they_were_with_their_zone(workshop: Workshop) -> None:
    moment = ManualClock().now() + timedelta(microseconds=123_456)
    async with workshop.begin() as uow:
        event_due(uow, moment, name="one")
    async with workshop.read() as uow:
        assert (await uow.session.scalars(select(IntakeEvent.due_at))).one() == moment
    with pytest.raises(Exception, match="naive"):
        async with workshop.begin() as uow:
            event_due(uow, moment.replace(tzinfo=None))
