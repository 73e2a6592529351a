"""Migrations while others work: they give way, build indexes beside them, and refuse only to take away."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from models import revisions, session, upgrading
from models.session import head_revision, make_engine, migrate, schema_needs, schema_revision
from tests.command_line import CommandLine
from tests.conftest import Backend
from tests.factories import make_desk, make_workshop
from tests.fakes import ManualClock
from workers.keeping import present

pytestmark = pytest.mark.anyio

EXPAND = '''"""Tickets have a colour."""
import sqlalchemy as sa
from alembic import op
from models.migrations.online import create_index
revision, down_revision, branch_labels, depends_on = "9001", "{head}", None, None

def upgrade() -> None:
    op.add_column("tickets", sa.Column("colour", sa.String(8), nullable=True))
    create_index("ix_tickets_colour", "tickets", ["colour"], where="colour IS NOT NULL")
'''
CONTRACT = '''"""Tickets have no colour any more."""
from alembic import op
from models.migrations.online import drop_index
revision, down_revision, branch_labels, depends_on = "9002", "9001", None, None
CONTRACT = True

def upgrade() -> None:
    drop_index("ix_tickets_colour")
    op.drop_column("tickets", "colour")
'''


@pytest.fixture
def future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of a later version, as if this program had them: 9001 adds, 9002 takes away."""
    folder = tmp_path / "migrations"
    shutil.copytree(revisions.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9001_colour.py").write_text(EXPAND.format(head=head_revision()))
    for module in (revisions, session):
        monkeypatch.setattr(module, "MIGRATIONS", folder)
    return folder


async def test_a_newer_schema_that_only_adds_is_tolerated_and_one_that_took_away_is_not(
    backend: Backend, future: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = backend.database_url
    async with make_desk(backend) as desk:
        before = (await desk.web.get("/readyz")).json()["checks"]["schema"]
        assert "closeloop migrate" in before  # this program knows more than the database has
        migrate(url)
        assert schema_revision(url) == "9001"
        assert "ix_tickets_colour" in await indexes(url)
        monkeypatch.setattr(revisions, "MIGRATIONS", Path(session.__file__).parent / "migrations")
        old = await schema_check(desk.web)  # an old process, whose code lacks 9001
        assert old == "ok"
        migrate(url)  # which does nothing, and does not complain
        assert schema_revision(url) == "9001"
        (future / "versions" / "9002_no_colour.py").write_text(CONTRACT)
        monkeypatch.setattr(revisions, "MIGRATIONS", future)
        migrate(url)
        assert (schema_revision(url), schema_needs(url)) == ("9002", "9002")
        monkeypatch.setattr(revisions, "MIGRATIONS", Path(session.__file__).parent / "migrations")
        assert "newer" in await schema_check(desk.web)


async def schema_check(web: httpx.AsyncClient) -> str:
    """What an old process says of the schema; it has known its own newest revision since it started."""
    from workers.web import health

    health._head.cache_clear()
    said: str = (await web.get("/readyz")).json()["checks"]["schema"]
    health._head.cache_clear()
    return said


async def indexes(url: str) -> set[str]:
    """The names of the indexes on tickets."""
    engine = make_engine(url)
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(lambda each: inspect(each).get_indexes("tickets"))
    finally:
        await engine.dispose()
    return {str(one["name"]) for one in found}


@pytest.mark.parametrize("backend", ["postgresql-redis"], indirect=True)
async def test_a_migration_gives_way_to_who_holds_a_table(
    backend: Backend, future: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(session, "LOCK_PAUSE", 0.01)
    engine = make_engine(backend.database_url)
    async with engine.begin() as holder:
        await holder.execute(text("SELECT count(*) FROM tickets"))  # a long report
        with pytest.raises(DBAPIError) as refused:
            await asyncio.to_thread(migrate, backend.database_url)
        assert getattr(refused.value.orig, "sqlstate", None) == "55P03"
        assert schema_revision(backend.database_url) != "9001"
    await engine.dispose()
    await asyncio.to_thread(migrate, backend.database_url)
    assert schema_revision(backend.database_url) == "9001"


async def test_what_takes_away_waits_until_old_processes_have_ended(
    backend: Backend,
    future: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = CommandLine(tmp_path / "data", monkeypatch, capsys)
    command.set(DATABASE_URL=backend.database_url)
    own = Path(session.__file__).parent / "migrations"
    real = ManualClock(datetime.now(UTC))
    async with make_workshop(backend, real) as workshop:
        monkeypatch.setattr(revisions, "MIGRATIONS", own)
        async with present(workshop, "worker"):
            monkeypatch.setattr(revisions, "MIGRATIONS", future)
            (future / "versions" / "9002_no_colour.py").write_text(CONTRACT)
            plan = (await asyncio.to_thread(command, "migrate", "--plan", "--json")).json
            assert [(each["revision"], each["contract"]) for each in plan["steps"]] == [
                ("9001", False),
                ("9002", True),
            ]
            assert plan["running"][0]["process"].startswith("worker")
            refused = await asyncio.to_thread(command, "migrate")
            assert (refused.code, "9002" in refused.err, "worker" in refused.err) == (1, True, True)
            assert schema_revision(backend.database_url) == plan["at"] < "9001"
    done = (await asyncio.to_thread(command, "migrate", "--json")).json
    assert done == {"before": plan["at"], "after": "9002", "changed": True}
